// Hours in one process: npm run soak [-- --hours N], or npm run soak -- stream --model FILE.gguf [--tokens N]
//
// Rows go to a file of JSON lines as they come, and are drawn at the end. docs/reliability.md says what for.

import path from 'node:path'
import { Command } from 'commander'
import { onInterrupt } from '../../lib/cli/failure.js'
import { toNumber } from '../../lib/cli/shared-options.js'
import { calledFrom, runCommand } from '../command.js'
import { type HoursOptions, hours } from './hours.js'
import { type StreamOptions, stream } from './stream.js'

const base = calledFrom('soak')
const resolved = (file: string): string => path.resolve(base, file)
const say = (line: string): void => console.log(line)

const program = new Command('soak')
  .enablePositionalOptions()
  .description(
    'Random operations on several chats beside a stream that never ends: memory, descriptors, time per token.',
  )
  .option('--hours <number>', 'how long', toNumber, 1)
  .option('--model <file>', 'a GGUF file with a chat template (default: a tiny model with random weights)', resolved)
  .option('--seed <number>', 'of all that is random', toNumber, 1)
  .option('--every <seconds>', 'from row to row', toNumber, 30)
  .option('--out <folder>', 'where rows and plots go', resolved, resolved('soak-report'))
  .action(async (options: Omit<HoursOptions, 'say' | 'signal'>) => {
    const interrupted = onInterrupt()
    try {
      if (!(await hours({ ...options, say, signal: interrupted.signal }))) process.exitCode = 1
    } finally {
      interrupted.release()
    }
  })

program
  .command('stream')
  .description(
    'One sequence reads a text without end: time per token, memory, and the perplexity of a text that it meets again and again.',
  )
  .requiredOption('--model <file>', 'a GGUF file of a small model that knows a language', resolved)
  .option('--tokens <count>', 'how many', toNumber, 4_000_000)
  .option('--sinks <count>', 'tokens that stay', toNumber, 4)
  .option('--window <count>', 'latest tokens in the cache', toNumber, 252)
  .option(
    '--text <file>',
    'what is read (default: Moby-Dick, which is fetched); it begins again where it ends',
    resolved,
  )
  .option('--out <folder>', 'where rows and plots go', resolved, resolved('soak-report'))
  .action(async (options: Omit<StreamOptions, 'say'>) => {
    if (!(await stream({ ...options, say }))) process.exitCode = 1
  })

await runCommand(program)
