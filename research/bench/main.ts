import { Command, InvalidArgumentError } from 'commander'
import { runCommand } from '../../scripts/command.js'
import type { BenchFlags } from './run.js'

const program = new Command('bench')
  .description(
    'Measures time per token, memory and more against a floor in C++, node-llama-cpp, llama-server and recomputation, each in a process of its own, in turns, and writes a report. Results of other cases in the folder are kept; a folder with results of another machine or way to run is refused.',
  )
  .option('--only <cases>', 'only these cases, such as token-time,turns', text => text.split(','))
  .option('--quick', 'fewer tokens: about 14 minutes in all on 2 cores with the default model')
  .option(
    '--model <model>',
    'path of a GGUF file, hf:owner/repo/file.gguf or hf:owner/repo:QUANT (default: SmolLM2-135M-Instruct)',
  )
  .option('--threads <count>', "threads that compute, the same for all (default: the library's)", wholeNumber)
  .option('--out <folder>', 'where the report and the results go', 'bench-report')
  .option('--list', 'show the cases and about how long they take, and end')
  .addOption(
    new Command()
      .createOption('--scale <factor>', 'multiplies the numbers of tokens')
      .argParser(positive)
      .default(1)
      .hideHelp(),
  )
  .action(async ({ list, ...flags }: BenchFlags & { list?: boolean }) => {
    // Here only, so that help and mistakes are answered at once.
    if (list) {
      const { cases } = await import('./cases.js')
      for (const { id, title, minutes } of cases)
        console.log(`${id.padEnd(14)} ${title} (${minutes.full} minutes; quick: ${minutes.quick})`)
      return
    }
    const { bench } = await import('./run.js')
    await bench(flags)
  })

await runCommand(program)

function wholeNumber(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 to 999.')
}

function positive(text: string): number {
  if (Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number over 0.')
}
