import type { FinishEvent, StreamEvent } from '../events.js'
import type { GenerateOptions } from '../options/parse.js'
import { OutputFailed, ReaderLeft, readerLeft } from './failure.js'

/** The part of a chat that replies need. */
export interface Talker {
  stream(text: string, options?: GenerateOptions): AsyncIterable<StreamEvent>
}

export interface Turn {
  finish: FinishEvent
  /** Milliseconds from each piece of text to the next: about one a token, as long as the reader keeps up. */
  intervalsMs: number[]
}

/**
 * Passes a reply on as it comes, at the pace of `take`.
 *
 * @param takeReasoning gets what the model writes to itself first, if it does
 */
export async function passOn(
  reply: AsyncIterable<StreamEvent>,
  take: (text: string) => Promise<void>,
  takeReasoning?: (text: string) => Promise<void>,
): Promise<Turn> {
  const intervalsMs: number[] = []
  let last: number | undefined
  let finish: FinishEvent | undefined
  for await (const event of reply) {
    if (event.type === 'finish') finish = event
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const now = performance.now()
    if (last !== undefined) intervalsMs.push(now - last)
    last = now
    await (event.type === 'text' ? take : takeReasoning)?.(event.text)
  }
  if (finish === undefined) throw new Error('The reply ended without a finish event.') // the library promises one
  return { finish, intervalsMs }
}

/**
 * Writes, and waits until the output has taken it, so that a reply comes at the pace of its reader.
 *
 * @throws {OutputFailed}, and {ReaderLeft} where there is none any more
 */
export async function write(output: NodeJS.WritableStream, text: string): Promise<void> {
  const before = failed.get(output)
  if (before !== undefined) throw before
  try {
    await new Promise<void>((resolve, reject) => output.write(text, error => (error ? reject(error) : resolve())))
  } catch (error) {
    throw failureOf(output, error)
  }
}

/** What an error of an output means, the first one that it had. */
export function failureOf(output: NodeJS.WritableStream, error: unknown): OutputFailed | ReaderLeft {
  const failure = failed.get(output) ?? (readerLeft(error) ? new ReaderLeft(error) : new OutputFailed(error))
  failed.set(output, failure)
  return failure
}

// Later calls may fail in other words, or never be answered: what counts is what ended it.
const failed = new WeakMap<NodeJS.WritableStream, OutputFailed | ReaderLeft>()
