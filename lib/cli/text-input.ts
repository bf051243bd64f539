import { StreamingLLMError } from '../errors.js'
import { decodeText, readBytes } from '../util/text-file.js'
import { readStandardInput } from './standard-input.js'

/** Where a command that reads a text finds it. */
export interface TextSources {
  /** What stands after the options: a file, or `-`. */
  argument?: string
  textFile?: string
  tokensFile?: string
}

/**
 * The text, or the ids of tokens, that a command is to read: from the one file that is named, else from stdin. `name`
 * is for messages.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export async function readTextInput(
  command: string,
  { argument, textFile, tokensFile }: TextSources,
  { skipBytes = 0 }: { skipBytes?: number } = {},
): Promise<{ content: string; name: string }> {
  const sources = [argument, textFile, tokensFile].filter(source => source !== undefined)
  if (sources.length > 1)
    throw new StreamingLLMError('INVALID_OPTION', `${command}: one text at a time, got ${sources.join(' and ')}`)
  const [file] = sources
  if (file === undefined && process.stdin.isTTY) {
    throw new StreamingLLMError('INVALID_OPTION', `${command}: name a text file, or pipe a text in`)
  }
  try {
    const fromStdin = file === undefined || file === '-'
    const bytes = fromStdin ? await readStandardInput(command) : readBytes(file)
    return { content: decodeText(bytes.subarray(skipBytes)), name: fromStdin ? 'stdin' : file }
  } catch (cause) {
    if (StreamingLLMError.isInstance(cause)) throw cause
    throw new StreamingLLMError('INVALID_OPTION', `${command}: ${(cause as Error).message}`, {
      cause,
      details: { file },
    })
  }
}
