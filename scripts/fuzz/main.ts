import { Command, InvalidArgumentError } from 'commander'
import { runCommand, wholeNumber } from '../command.js'
import { runTarget } from './run-target.js'
import { targets } from './targets.js'

const names = Object.keys(targets)
const tellMilliseconds = 60_000

const program = new Command('fuzz')
  .description(
    'Tries random inputs at everything that takes input from outside: nothing may end the process, hang, leak, or fail without a typed error. Ends with 1 where something did.',
  )
  .argument('[targets...]', `what to try: ${names.join(', ')}`, names)
  .option('--inputs <count>', 'inputs for each target', wholeNumber)
  .option('--seconds <count>', 'seconds for each target; with --inputs, at least so many of both', wholeNumber)
  .option(
    '--seed <number>',
    "the first input's seed; each input has the next one. --seed N --inputs 1 tries one again",
    wholeNumber,
  )
  .action(async (chosen: string[], { inputs, seconds, seed }: { inputs?: number; seconds?: number; seed?: number }) => {
    for (const name of chosen) {
      if (targets[name] === undefined)
        throw new InvalidArgumentError(`There is no target '${name}'. Targets: ${names.join(', ')}`)
    }
    // Another place to start each day, and the same one all day long.
    const first = seed ?? Math.floor(Date.now() / 86_400_000) * 10_000_000
    let failed = 0
    for (const name of chosen) {
      const target = await targets[name]!()
      let told = performance.now()
      const outcome = await runTarget(
        name,
        target,
        first,
        { inputs, seconds },
        {
          onFault: fault =>
            console.log(`${fault.target} --seed ${fault.seed}: ${fault.reason}\n  input: ${fault.input}`),
          onProgress: (tried, megabytes) => {
            if (performance.now() - told < tellMilliseconds) return
            told = performance.now()
            console.error(`${name}: ${tried} inputs so far, ${megabytes.toFixed(0)} MB`)
          },
        },
      )
      failed += outcome.faults.length
      const grown =
        outcome.grownMegabytes === undefined
          ? ''
          : `, memory ${outcome.grownMegabytes >= 0 ? '+' : ''}${outcome.grownMegabytes.toFixed(1)} MB`
      console.log(
        `${name}: ${outcome.tried} inputs in ${outcome.seconds.toFixed(0)} s from seed ${first}${grown}, ${outcome.faults.length} faults`,
      )
      const all = Object.values(outcome.outcomes).reduce((sum, times) => sum + times, 0)
      const shares = Object.entries(outcome.outcomes)
        .sort(([, a], [, b]) => b - a)
        .map(([what, times]) => `${what} ${((100 * times) / all).toFixed(1)} %`)
      if (shares.length > 0) console.log(`  ${shares.join(', ')}`)
      console.log(`  slowest: seed ${outcome.slowest.seed}, ${outcome.slowest.seconds.toFixed(2)} s of CPU`)
    }
    if (failed > 0) process.exitCode = 1
  })

await runCommand(program)
