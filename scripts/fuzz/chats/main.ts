import { Command, Option } from 'commander'
import { SeededRandom } from '../../../test/tools/tiny-random.js'
import { runCommand, wholeNumber } from '../../command.js'
import { runTarget } from '../run-target.js'
import type { Fault } from '../target.js'
import { drawProgram } from './draw.js'
import { Judge } from './judge.js'
import { type Memory, memories, shown } from './program.js'
import { shrink } from './shrink.js'
import { chatsTarget, programLength } from './target.js'

interface Flags {
  operations: number
  minutes?: number
  seed?: number
  memory: Memory[]
  /** Faults that are made shorter, at most. */
  shorten: number
}

const program = new Command('fuzz:chats')
  .description(
    'Runs random programs over chats: create, stream, leave, undo, regenerate, fork, save and all the rest, many at once in too few places. Compares what they hold with what they should hold, and logits with those of a fresh sequence. Ends with 1 where something differs.',
  )
  .option('--operations <count>', 'operations in all', wholeNumber, 20_000)
  .option('--minutes <count>', 'minutes in all; with --operations, at least so many of both', wholeNumber)
  .option('--seed <number>', "the first program's seed; each program has the next one", wholeNumber)
  .addOption(
    new Option('--memory <kinds...>', 'models with these kinds of memory')
      .choices([...memories])
      .default([...memories]),
  )
  .option('--shorten <count>', 'faults, at most, whose programs are made as short as they can be', wholeNumber, 3)
  .action(run)

await runCommand(program)

async function run({ operations, minutes, seed, memory, shorten }: Flags): Promise<void> {
  // Another place to start each day, and the same one all day long.
  const first = seed ?? Math.floor(Date.now() / 86_400_000) * 10_000_000
  let faults = 0
  for (const kind of memory) {
    const amount = {
      inputs: Math.ceil(operations / memory.length / programLength),
      ...(minutes !== undefined && { seconds: (minutes * 60) / memory.length }),
    }
    const found: Fault[] = []
    const outcome = await runTarget(`chats-${kind}`, chatsTarget(kind), first, amount, {
      onFault: fault => {
        console.log(`${kind}, seed ${fault.seed}: ${fault.reason.split('\n    at ')[0]}`)
        found.push(fault)
      },
    })
    console.log(
      `${kind}: ${outcome.tried * programLength} operations in ${outcome.seconds.toFixed(0)} s, programs from seed ${first} on, ${found.length} faults`,
    )
    for (const fault of found.slice(0, Math.max(0, shorten - faults))) await reportShortest(kind, fault.seed)
    faults += found.length
  }
  if (faults > 0) process.exitCode = 1
}

async function reportShortest(memory: Memory, seed: number): Promise<void> {
  const judge = new Judge()
  try {
    const whole = drawProgram(new SeededRandom(seed), programLength, memory)
    const fault = await judge.faultOf(whole, 3)
    if (fault === undefined) {
      console.log(`\n${memory}, seed ${seed}: not seen again in 3 runs`)
      return
    }
    const shows = async (shorter: typeof whole) => (await judge.faultOf(shorter, 2))?.kind === fault.kind
    const shortest = await shrink({ ...whole, operations: whole.operations.slice(0, fault.at) }, shows)
    const { message } = (await judge.faultOf(shortest, 3)) ?? fault
    console.log(`\n${memory}, seed ${seed}: ${fault.kind}\n${shown(shortest)}\n${message}\n`)
  } finally {
    judge.close()
  }
}
