import { Command, InvalidArgumentError } from 'commander'
import { runCommand } from '../../scripts/command.js'
import { fetchDefaultModel } from '../../scripts/default-model.js'
import { checkTemplates } from '../templates/templates.js'
import { compareEvictModes } from './evict-modes.js'
import { pinnedSystem } from './pinned-system.js'
import { toolCalls } from './tool-calls.js'

const program = new Command('eval').description(
  'Checks of what long conversations do, with SmolLM2-135M-Instruct unless another model is given, and of chat templates.',
)

program
  .command('pinned')
  .description(
    'A pinned system prompt over 500 turns: still followed as at first, and whole messages in the cache after each turn. Ends with 1 where a bar is missed.',
  )
  .option('--turns <count>', 'turns of the conversation', wholeNumber, 500)
  .option('--model <path>', 'a GGUF file of a model with the template ChatML')
  .action(async ({ turns, model }: { turns: number; model?: string }) => {
    const met = await pinnedSystem({ model: model ?? (await fetchDefaultModel()), turns, say: console.log })
    if (!met) process.exitCode = 1
  })

program
  .command('evict-modes')
  .description(
    'Conversations that lose their oldest tokens one by one, compared with ones that lose whole turns: repetition, template errors, perplexity, and facts that are asked for. Prints tables.',
  )
  .option('--windows <tokens>', 'windows, besides 4 sinks', text => text.split(',').map(wholeNumber), [252, 508, 1020])
  .option('--turns <count>', 'turns of each generated conversation', wholeNumber, 300)
  .option('--seeds <count>', 'conversations for each window, temperature and mode', wholeNumber, 3)
  .option('--max-tokens <count>', 'tokens of a reply at most', wholeNumber, 64)
  .option('--model <path>', 'a GGUF file')
  .action(
    async ({
      model,
      ...options
    }: {
      windows: number[]
      turns: number
      seeds: number
      maxTokens: number
      model?: string
    }) => {
      await compareEvictModes({ ...options, model: model ?? (await fetchDefaultModel()), say: console.log })
    },
  )

program
  .command('tool-calls')
  .description(
    '20 questions that want a call of one of four tools, and 20 that want none. Ends with 1 where a bar is missed. For models of 1 B and more: SmolLM2-135M is too small for it.',
  )
  .requiredOption('--model <path>', 'a GGUF file')
  .option('--threads <count>', 'threads of the model', wholeNumber)
  .option('--right <count>', 'right calls, at least', count, 18)
  .option('--unwanted <count>', 'calls where none was wanted, at most', count, 2)
  .action(async ({ model, threads, ...bars }: { model: string; threads?: number; right: number; unwanted: number }) => {
    if (!(await toolCalls({ model, threads, bars, say: console.log }))) process.exitCode = 1
  })

program
  .command('templates')
  .description(
    "Chat templates of a folder: conversations rendered here and by Python's jinja2 as transformers sets it up, and random calls that each writes and that are read back. Ends with 1 where anything differs.",
  )
  .argument('<folder>', 'where they are, as files that end with .jinja')
  .option('--python <program>', 'a Python that has jinja2', 'python3')
  .option('--calls <count>', 'random calls for each template', wholeNumber, 1_000)
  .option('--seed <number>', 'seed of the random calls', wholeNumber, 1)
  .action((folder: string, options: { python: string; calls: number; seed: number }) => {
    if (!checkTemplates({ folder, ...options, say: console.log })) process.exitCode = 1
  })

await runCommand(program)

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.')
  return Number(text)
}

function count(text: string): number {
  return text === '0' ? 0 : wholeNumber(text)
}
