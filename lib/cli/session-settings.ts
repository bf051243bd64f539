import { parseGenerateOptions, type GenerateOptions } from '../options.js'

/**
 * The options with one of them changed; an empty value forgets it. Names are those of the API, or of the flags.
 *
 * @throws {StreamingLLMError} UNKNOWN_OPTION, INVALID_OPTION
 */
export function changeSetting(options: GenerateOptions, name: string, value: string): GenerateOptions {
  const option = name.replaceAll(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const changed = { ...options, [option]: value === '' ? undefined : readValue(value) }
  // An option that is undefined is one that is not given: its name is checked with a value that none of them takes.
  if (value === '') checkName(option)
  parseGenerateOptions(changed, {}, '/set')
  return changed
}

/** The options that are set, a line each. */
export function settingsText(options: GenerateOptions): string {
  const set = Object.entries(options).filter(([, value]) => value !== undefined)
  return set.length === 0 ? 'No option is set.' : set.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join('\n')
}

function checkName(option: string): void {
  try {
    parseGenerateOptions({ [option]: Symbol('no value') }, {}, '/set')
  } catch (error) {
    if ((error as { code?: string }).code === 'UNKNOWN_OPTION') throw error
  }
}

/** JSON where it is that, and else the text itself: numbers, objects such as {"multiplier":1}, words. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
