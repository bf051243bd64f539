import { Command, Option } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { tokenTexts } from '../gguf/token-texts.js'
import { readModelHeader } from '../hub/model-header.js'
import { estimateOf, type MemoryEstimateOptions, parseEstimateOptions } from '../model/estimate-memory.js'
import { modelMemory, traitsOfHeader } from '../model/model-memory.js'
import { onInterrupt } from './failure.js'
import { jsonText } from './format.js'
import { inspectionOf, inspectionText } from './inspection.js'
import { plainText } from './plain-text.js'
import { write } from './reply.js'
import { type Policy, policies, type SharedFlags, toNumber } from './shared-options.js'

interface InspectFlags extends Pick<SharedFlags, 'sinks' | 'window' | 'flashAttention'> {
  policy?: Policy
  kvType?: NonNullable<SharedFlags['kv']>
  chats?: number
  batchSize?: number
  template?: boolean
  metadata?: boolean
  json?: boolean
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description(
      "What a model's file says of it, and what it would take on the CPU. Nothing is loaded: only the header is read, and of a model of Hugging Face that is not in the cache only that is downloaded.",
    )
    .argument('<model>', 'path of a GGUF file, hf:owner/repo/file.gguf or hf:owner/repo:QUANT')
    .option('--template', 'print the chat template and nothing else')
    .option('--metadata', 'print all keys of the file as well')
    .addOption(
      new Option('--policy <policy>', 'for the estimate: what stays of sinks + window tokens').choices(policies),
    )
    .option('--sinks <tokens>', 'for the estimate: tokens from the very start that stay for good', toNumber)
    .option('--window <tokens>', 'for the estimate: latest tokens that stay', toNumber)
    .option('--chats <count>', 'for the estimate: conversations at once (default: 1)', toNumber)
    .addOption(
      new Option('--kv, --kv-type <type>', 'for the estimate: type of the cached keys and values').choices([
        'f32',
        'f16',
        'q8_0',
        'q4_0',
      ]),
    )
    .addOption(
      new Option('--flash-attention <when>', 'for the estimate: use flash attention').choices(['auto', 'on', 'off']),
    )
    .option('--batch-size <tokens>', 'for the estimate: tokens decoded at once', toNumber)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nIt ends with 0 where the file is sound as far as its header shows, whether or not the model fits; 130 after Ctrl-C; 1 after a failure, which stderr tells.',
    )
    .action(inspect)
}

async function inspect(reference: string, flags: InspectFlags): Promise<void> {
  const { template, metadata, json, ...sizes } = flags
  const interrupt = onInterrupt()
  try {
    const { signal } = interrupt
    const setting = parseEstimateOptions({ ...sizes, gpu: false } satisfies MemoryEstimateOptions)
    const { header, openSource, isLocal } = await readModelHeader(reference, { signal })
    if (template) return await write(process.stdout, templateOutput(header.chatTemplate, header.path))
    const memory = modelMemory(traitsOfHeader(header), header)
    const found = inspectionOf(header, memory, isLocal, ids => tokenTexts(header, ids, openSource))
    const inspection = {
      reference,
      ...(await found),
      estimate: estimateOf(header, setting, { devices: [], notices: [] }),
    }
    const { metadata: all, ...without } = inspection
    await write(
      process.stdout,
      json ? jsonText(metadata ? inspection : without) : `${inspectionText(inspection, setting, { metadata })}\n`,
    )
  } finally {
    interrupt.release()
  }
}

function templateOutput(template: string | undefined, path: string): string {
  if (template === undefined) throw new StreamingLLMError('TEMPLATE_MISSING', `${path} has no chat template`)
  const text = process.stdout.isTTY ? plainText(template) : template
  return text.endsWith('\n') ? text : `${text}\n`
}
