import { CommanderError } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { parseGenerateOptions } from '../model/command-line.js'
import type { GenerateOptions } from '../options/parse.js'
import { type SamplingOptions, samplingSchemas } from '../options/sampling.js'
import { parseJson } from '../util/json.js'
import type { CommandedModel } from './chat-session.js'
import { readSamplingFlag } from './sampling-options.js'

/**
 * The options with one of them changed. Names are those of the API, or of the flags; values are JSON, or what the flag
 * takes, which for some is nothing. `none` forgets an option, and so does no value where the flag needs one.
 *
 * @throws {StreamingLLMError} UNKNOWN_OPTION, INVALID_OPTION
 */
export function changeSetting(
  options: GenerateOptions,
  name: string,
  value: string,
  { tokenizer }: Pick<CommandedModel, 'tokenizer'>,
): GenerateOptions {
  const option = name.replaceAll(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const read = value === 'none' && hasFlag(option) ? undefined : readValue(option, value)
  const changed = { ...options, [option]: read }
  // An option that is undefined is one that is not given: its name is checked with a value that none of them takes.
  if (read === undefined) checkName(option)
  parseGenerateOptions(changed, {}, '/set', tokenizer.impossibleTrigger)
  return changed
}

/** The options that are set, a line each. */
export function settingsText(options: GenerateOptions): string {
  const set = Object.entries(options).filter(([, value]) => value !== undefined)
  return set.length === 0
    ? 'No option is set.'
    : set.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join('\n')
}

function checkName(option: string): void {
  try {
    parseGenerateOptions({ [option]: Symbol('no value') }, {}, '/set')
  } catch (error) {
    if ((error as { code?: string }).code === 'UNKNOWN_OPTION') throw error
  }
}

/** The options of replies that `chat` has flags for; of the others, `none` may be a value. */
function hasFlag(option: string): boolean {
  return isSampling(option) || option === 'maxTokens' || option === 'speculation'
}

function isSampling(option: string): option is keyof SamplingOptions {
  return Object.hasOwn(samplingSchemas, option)
}

function readValue(option: string, text: string): unknown {
  if (!isSampling(option)) return text === '' ? (option === 'speculation' ? true : undefined) : jsonOrText(text)
  if (/^[[{]/.test(text)) return jsonOrText(text)
  try {
    return readSamplingFlag(option, text)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    throw new StreamingLLMError('INVALID_OPTION', `/set: ${option}: ${error.message}`, {
      cause: error,
      details: { option },
    })
  }
}

function jsonOrText(text: string): unknown {
  const parsed = parseJson(text)
  return parsed === undefined ? text : parsed.value
}
