import { Command, InvalidArgumentError } from 'commander'
import { reportFailure } from '../../lib/cli/failure.js'
import { runTarget } from './run-target.js'
import { targets } from './targets.js'

const names = Object.keys(targets)

const program = new Command('fuzz')
  .description('Tries random inputs at everything that takes input from outside: nothing may end the process, hang, leak, or fail without a typed error. Ends with 1 where something did.')
  .argument('[targets...]', `what to try: ${names.join(', ')}`, names)
  .option('--inputs <count>', 'inputs for each target', wholeNumber)
  .option('--seconds <count>', 'seconds for each target; with --inputs, at least so many of both', wholeNumber)
  .option('--seed <number>', 'the first input\'s seed; each input has the next one. --seed N --inputs 1 tries one again', wholeNumber)
  .action(async (chosen: string[], { inputs, seconds, seed }: { inputs?: number; seconds?: number; seed?: number }) => {
    for (const name of chosen) {
      if (targets[name] === undefined) throw new InvalidArgumentError(`There is no target '${name}'. Targets: ${names.join(', ')}`)
    }
    // Another place to start each day, and the same one all day long.
    const first = seed ?? Math.floor(Date.now() / 86_400_000) * 10_000_000
    let failed = 0
    for (const name of chosen) {
      const target = await targets[name]!()
      const outcome = await runTarget(name, target, first, { inputs, seconds }, fault => {
        console.log(`${fault.target} --seed ${fault.seed}: ${fault.reason}\n  input: ${fault.input}`)
      })
      failed += outcome.faults.length
      const grown = outcome.grownMegabytes === undefined ? '' : `, memory ${outcome.grownMegabytes >= 0 ? '+' : ''}${outcome.grownMegabytes.toFixed(1)} MB`
      console.log(`${name}: ${outcome.tried} inputs in ${outcome.seconds.toFixed(0)} s from seed ${first}${grown}, ${outcome.faults.length} faults`)
    }
    if (failed > 0) process.exitCode = 1
  })

try {
  await program.parseAsync()
} catch (error) {
  reportFailure(error)
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
