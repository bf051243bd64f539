import { StreamingLLMError } from '../errors.js'
import type { StreamEvent } from '../events.js'
import { describe, reading } from '../options/check.js'
import type { GenerateOptions, ParsedGenerateOptions } from '../options/parse.js'
import { Deadline } from './deadline.js'
import { generateJob, textEvent } from './generate-job.js'
import { JobRunner, type TokenCounts } from './job-runner.js'
import type { NativeJob, NativeSequence } from './native.js'
import { abortedInQueue, finishEvent, type TextStream, textStream } from './text-stream.js'
import type { Tokenizer } from './tokenizer.js'

/**
 * One stream of tokens through the cache, below chat: for researchers and for builders of other interfaces. Made by
 * `model.createSequence()`. Calls queue up. Throws `CLOSED` after `close()`.
 */
export class Sequence {
  readonly #runner: JobRunner
  readonly #tokenizer: Tokenizer
  readonly #kept: number
  readonly #parse: (options: GenerateOptions) => ParsedGenerateOptions

  /** @internal `kept`: how many tokens the cache holds at most; `parse` reads the options of `generate`. */
  constructor(
    native: NativeSequence,
    tokenizer: Tokenizer,
    kept: number,
    parse: (options: GenerateOptions) => ParsedGenerateOptions,
  ) {
    this.#runner = new JobRunner(native)
    this.#tokenizer = tokenizer
    this.#kept = kept
    this.#parse = parse
  }

  /** Tokens of this sequence so far: seen, in the cache, evicted. */
  get usage(): TokenCounts {
    return { ...this.#runner.counts }
  }

  /**
   * Adds tokens to the end and decodes them, in batches: more than the window holds, too, up to 16,777,216 at once. The
   * last one is decoded together with what follows, since its logits are needed then.
   *
   * @throws {StreamingLLMError} INVALID_OPTION for tokens outside the vocabulary, CACHE_FULL from a dense cache
   */
  async append(tokens: ArrayLike<number>): Promise<void> {
    await this.#run({ type: 'append', tokens: wholeNumbers('append', tokens) })
  }

  /**
   * Adds tokens to the end, one at a time as in generation. Returns the natural logarithm of the probability that the
   * model gave to each, after all before it. At least one token must have been appended before.
   *
   * @throws {StreamingLLMError} as `append`; INVALID_OPTION on an empty sequence
   */
  async score(tokens: ArrayLike<number>): Promise<Float32Array> {
    const given = wholeNumbers('score', tokens)
    const scores = new Float32Array(given.length)
    let done = 0
    await this.#run({ type: 'score', tokens: given }, values => {
      scores.set(values, done)
      done += values.length
    })
    return scores
  }

  /** Adds `options.tokens`, if any, and generates from there. Events as those of a chat. */
  generate(options: GenerateOptions & { tokens?: ArrayLike<number> } = {}): TextStream {
    const { tokens = [], ...rest } = reading('generate', 'options', () => ({ ...options }))
    return this.continue(wholeNumbers('generate', tokens), this.#parse(rest))
  }

  /** @internal */
  continue(tokens: Int32Array, options: ParsedGenerateOptions): TextStream {
    return textStream(this.#generate(generateJob(this.#tokenizer, this.#kept, { tokens }, options), options))
  }

  async *#generate(
    job: NativeJob,
    { signal, timeLimit }: ParsedGenerateOptions,
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const deadline = new Deadline(timeLimit)
    let release: (() => void) | undefined
    try {
      release = await this.#runner.acquire(signal, deadline)
      if (release === undefined) {
        yield abortedInQueue(this.usage, signal?.aborted === true ? 'abort' : 'time')
        return
      }
      for await (const event of this.#runner.run(job, signal, deadline)) {
        if (event.type === 'evict') yield { type: 'evict', tokens: event.tokens, messages: [] }
        else if (event.type === 'finish') {
          release() // before the last event is told, since its reader may not come back
          yield finishEvent(event)
        } else if (event.type === 'text') yield textEvent(this.#tokenizer, event)
        else if (event.type !== 'scores' && event.type !== 'error') yield event
      }
    } finally {
      release?.()
      deadline.clear()
    }
  }

  /**
   * Decodes sinks and window again from position 0, as happens by itself once positions have grown to `rebaseAfter`.
   * Not bit-exact: what is kept no longer knows what was evicted.
   */
  async rebase(): Promise<void> {
    await this.#run({ type: 'rebase' })
  }

  async #run(job: NativeJob, onScores?: (values: Float32Array) => void): Promise<void> {
    const release = await this.#runner.acquire()
    try {
      for await (const event of this.#runner.run(job)) if (event.type === 'scores') onScores?.(event.values)
    } finally {
      release?.()
    }
  }

  /** Gives the cells back. What is in flight ends with `CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#runner.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Tokens of one call: some four times as many as the longest text has. */
const maxTokens = 2 ** 24

/** @internal The tokens as the native side takes them. Throws INVALID_OPTION. */
export function wholeNumbers(call: string, tokens: ArrayLike<number>): Int32Array {
  return reading(call, 'tokens', () => readNumbers(call, tokens))
}

function readNumbers(call: string, tokens: ArrayLike<number>): Int32Array {
  const refuse = (option: string, problem: string) =>
    new StreamingLLMError('INVALID_OPTION', `${call}: ${problem}`, { details: { call, option } })
  const list = Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && !(tokens instanceof DataView))
  if (!list) throw refuse('tokens', `'tokens' must be an array of whole numbers, got ${describe(tokens)}`)
  const { length } = tokens
  if (length > maxTokens)
    throw refuse('tokens', `'tokens' may have at most ${maxTokens} tokens, got ${length}; pass them in parts`)
  const checked = new Int32Array(length)
  for (let i = 0; i < length; i++) {
    const token: unknown = tokens[i] // read once: a getter may return another one next time
    if (typeof token !== 'number' || token !== (token | 0))
      throw refuse(`tokens[${i}]`, `tokens[${i}] must be a token's number, got ${describe(token)}`)
    checked[i] = token
  }
  return checked
}
