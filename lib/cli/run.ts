import { Command, Option } from 'commander'
import { StreamingLLMError } from '../errors.js'
import type { StreamEvent } from '../events.js'
import type { Model } from '../model/model.js'
import type { ChatOptions, GenerateOptions } from '../options/parse.js'
import { parseJson } from '../util/json.js'
import { decodeText, readTextFile } from '../util/text-file.js'
import { Interrupted, onInterrupt } from './failure.js'
import { readFormatFile } from './format-files.js'
import { openModel } from './open-model.js'
import { plainText } from './plain-text.js'
import { write } from './reply.js'
import { addSamplingOptions, type SamplingFlags, samplingOptions } from './sampling-options.js'
import { addSharedOptions, evictOption, policyOptions, type SharedFlags, toNumber } from './shared-options.js'
import { readStandardInput } from './standard-input.js'

interface RunFlags extends SharedFlags, SamplingFlags {
  prompt?: string
  promptFile?: string
  raw?: boolean
  system?: string
  evict?: ChatOptions['evict']
  maxTokens: number
  stop?: string[]
  grammar?: string
  jsonSchema?: string
  speculation?: boolean
  json?: boolean
  logprobs?: number
}

export function runCommand(): Command {
  const command = addSharedOptions(new Command('run'))
    .description('One prompt, one reply: its text on stdout and nothing else, as it comes.')
    .addOption(
      new Option(
        '--prompt <text>',
        'what to answer; "-", or no prompt and piped input, means stdin, without the new line at its end',
      ).conflicts('promptFile'),
    )
    .option('--prompt-file <file>', 'the prompt from a file, likewise')
    .addOption(
      new Option('--raw', 'continue the text as it stands, to the last new line, without the chat template').conflicts([
        'system',
        'evict',
      ]),
    )
    .option('--system <text>', 'the system prompt')
    .addOption(evictOption())
    .option('--max-tokens <count>', 'most tokens of the reply', toNumber, 1000) // as chat
    .option('--stop <text...>', 'the reply ends before any of these texts')
    .addOption(
      new Option('--grammar <file>', "a grammar in llama.cpp's GBNF that the reply must follow").conflicts(
        'jsonSchema',
      ),
    )
    .option('--json-schema <file>', 'a JSON Schema that the reply must fulfil')
    .option('--speculation', 'faster where the reply repeats the prompt; not the same to the letter')
    .option('--json', 'print each event as a JSON object on a line of its own, instead of the text')
    .option(
      '--logprobs <count>',
      'with --json: the log-probability of each token, and of so many of the most likely at its position',
      toNumber,
    )
    .addHelpText(
      'after',
      '\nIt ends with 0 after a reply, also one cut off at the most tokens; 130 after Ctrl-C; 1 after a failure, which stderr tells, and where a reply was cut off before its JSON or grammar ended.',
    )
    .action(run)
  return addSamplingOptions(command)
}

async function run(flags: RunFlags): Promise<void> {
  // What can be wrong with files and prompt is found out before the model is loaded.
  const { json, logprobs } = flags
  if (logprobs !== undefined && !json)
    throw new StreamingLLMError('INVALID_OPTION', 'run: --logprobs is for --json, since text has no place for them')
  const format = readFormatFile(flags)
  const prompt = await readPrompt(flags)
  const model = await openModel(flags)
  const interrupt = onInterrupt()
  try {
    const { maxTokens, stop, speculation } = flags
    const options = {
      maxTokens,
      stop,
      speculation,
      logprobs,
      ...format,
      ...samplingOptions(flags),
      signal: interrupt.signal,
    }
    await printReply(wholeOnly(events(model, prompt, flags, options), flags), { json }, process.stdout)
    if (interrupt.signal.aborted) throw new Interrupted()
  } finally {
    interrupt.release()
    await model.close()
  }
}

/** A prompt that is empty is an error; one of blanks is passed on, since raw text may begin so. */
async function readPrompt({ prompt, promptFile, raw }: RunFlags): Promise<string> {
  const read =
    promptFile !== undefined
      ? promptText(fromFile(promptFile), { raw })
      : prompt !== undefined && prompt !== '-'
        ? prompt
        : prompt === '-' || !process.stdin.isTTY
          ? promptText(decodeText(await readStandardInput('run')), { raw })
          : ''
  if (read !== '') return read
  const where = promptFile ?? (prompt === '-' || (prompt === undefined && !process.stdin.isTTY) ? 'stdin' : undefined)
  throw new StreamingLLMError(
    'INVALID_OPTION',
    where === undefined
      ? 'run: there is no prompt; give --prompt TEXT, --prompt-file FILE, or pipe it in'
      : `run: the prompt from ${where} is empty`,
  )
}

/**
 * What `echo` and editors end a text with is no part of a message, as in a shell's `$(...)`. A raw text is continued as
 * it stands.
 */
export function promptText(read: string, { raw = false }: { raw?: boolean } = {}): string {
  return raw ? read : read.replace(/\r?\n$/, '')
}

function fromFile(file: string): string {
  try {
    return readTextFile(file)
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `--prompt-file: ${(cause as Error).message}`, {
      cause,
      details: { file },
    })
  }
}

async function* events(
  model: Model,
  prompt: string,
  flags: RunFlags,
  options: GenerateOptions,
): AsyncGenerator<StreamEvent> {
  if (flags.raw)
    yield* model.createSequence(policyOptions(flags)).generate({ ...options, tokens: model.textTokens(prompt) })
  else
    yield* model
      .createChat({ ...policyOptions(flags), system: flags.system, evict: flags.evict })
      .stream(prompt, options)
}

/** Passes a reply on, and fails after its end where a format was asked for and the end came before the format's own. */
export async function* wholeOnly(
  reply: AsyncIterable<StreamEvent>,
  { jsonSchema, grammar }: Pick<RunFlags, 'jsonSchema' | 'grammar'>,
): AsyncGenerator<StreamEvent> {
  let text = ''
  for await (const event of reply) {
    yield event
    if (event.type === 'text') text += event.text
    if (event.type !== 'finish' || event.reason === 'end' || event.reason === 'abort') continue
    // Of a grammar only the model's own end says that the text is whole; JSON can be looked at.
    if (grammar === undefined && (jsonSchema === undefined || parseJson(text) !== undefined)) continue
    const cure =
      event.reason === 'stop'
        ? 'a text of --stop came within it'
        : `allow more by --max-tokens${jsonSchema === undefined ? '' : ', or ask for less by maxLength and maxItems in the schema'}`
    throw new StreamingLLMError(
      'OUTPUT_INCOMPLETE',
      `run: the reply ended (${event.reason}) before its ${jsonSchema === undefined ? 'grammar' : 'JSON'} did: ${cure}`,
      { details: { text, reason: event.reason } },
    )
  }
}

/** Writes the reply as it comes, at the pace of its reader. A text that does not end with a new line gets one. */
export async function printReply(
  reply: AsyncIterable<StreamEvent>,
  { json = false }: { json?: boolean },
  output: NodeJS.WritableStream & { isTTY?: boolean },
): Promise<void> {
  let last = ''
  try {
    for await (const event of reply) {
      if (json) await write(output, `${JSON.stringify(event)}\n`)
      else if (event.type === 'text') {
        await write(output, output.isTTY ? plainText(event.text) : event.text)
        last = event.text
      }
    }
  } catch (error) {
    if (json) await write(output, `${JSON.stringify(failureEvent(error))}\n`)
    throw error
  } finally {
    if (!json && last !== '' && !last.endsWith('\n')) await write(output, '\n')
  }
}

/** For programs that read the lines: stderr says the same to people. */
function failureEvent(error: unknown): { type: string; code: string | undefined; message: string } {
  const code = StreamingLLMError.isInstance(error) ? error.code : undefined
  return { type: 'error', code, message: error instanceof Error ? error.message : String(error) }
}
