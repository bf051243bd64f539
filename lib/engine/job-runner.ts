import { type ErrorCode, fromNative, StreamingLLMError } from '../errors.js'
import { onAbort } from '../util/abort.js'
import { PromiseQueue } from '../util/promise-queue.js'
import type { Deadline } from './deadline.js'
import type { NativeEvent, NativeJob, NativeSequence } from './native.js'

/** Tokens of one conversation, by where they are. */
export interface TokenCounts {
  /** All so far, evicted ones included. */
  seenTokens: number
  /** Those that are still kept: sinks, window, and what waits to be decoded with the next turn. */
  cachedTokens: number
  /** Those that have left the window. */
  evictedTokens: number
}

export type NativeFinish = Extract<NativeEvent, { type: 'finish' }>

/**
 * Runs jobs on one native sequence, one after another: later callers wait in a queue. Whatever way a reader leaves,
 * the sequence is idle again before the next one's turn comes.
 */
export class JobRunner {
  readonly counts: TokenCounts
  readonly #queue = new PromiseQueue()
  #native: NativeSequence
  #closed = false

  constructor(native: NativeSequence, counts: TokenCounts = { seenTokens: 0, cachedTokens: 0, evictedTokens: 0 }) {
    this.#native = native
    this.counts = { ...counts }
  }

  /**
   * Waits for its turn and returns the function that ends it; undefined if the signal or the deadline fired while it
   * waited.
   */
  async acquire(signal?: AbortSignal, deadline?: Deadline): Promise<(() => void) | undefined> {
    return await this.#queue.acquire(signal, deadline?.signal)
  }

  /** In place of the sequence so far, which is closed. Only while idle. */
  replace(native: NativeSequence): void {
    this.#native.close()
    this.#native = native
    this.counts.seenTokens = this.counts.cachedTokens = this.counts.evictedTokens = 0
  }

  /**
   * The job's events, `finish` last. Throws what the engine reports. To be called while holding the turn. The engine
   * keeps to the deadline once the job has its slot; until then this method does.
   */
  async *run(job: NativeJob, signal?: AbortSignal, deadline?: Deadline): AsyncGenerator<NativeEvent, void, undefined> {
    if (this.#closed) throw closed()
    let stream
    try {
      stream = this.#native.start(
        job.type === 'generate' && deadline?.left !== undefined ? { ...job, timeLimit: deadline.left } : job,
      )
    } catch (error) {
      throw fromNative(error)
    }
    let isLate = false
    let unlink = () => {}
    let begun = () => {}
    let ended = false
    const next = async (): Promise<NativeEvent> => {
      for (;;) {
        const event = stream.take()
        if (event === null) {
          await new Promise<void>(resolve => stream.wait(resolve))
          continue
        }
        begun()
        if (event.type === 'finish' || event.type === 'error') {
          ended = true
          const { seenTokens, cachedTokens, evictedTokens } = event
          Object.assign(this.counts, { seenTokens, cachedTokens, evictedTokens })
          if (event.type === 'finish' && event.reason === 'abort' && isLate && signal?.aborted !== true)
            return { ...event, reason: 'time' }
        }
        return event
      }
    }
    try {
      unlink = onAbort(signal, () => stream.cancel())
      begun = onAbort(deadline?.signal, () => {
        isLate = true
        stream.cancel()
      })
      for (;;) {
        const event = await next()
        if (event.type === 'error') throw new StreamingLLMError(event.code as ErrorCode, event.message)
        yield event
        if (ended) return
      }
    } finally {
      begun()
      unlink()
      if (!ended) {
        stream.cancel()
        while (!ended) await next()
      }
    }
  }

  /** The last event of a job whose other events are not needed. To be called while holding the turn. */
  async finish(job: NativeJob): Promise<NativeFinish> {
    let last: NativeFinish | undefined
    for await (const event of this.run(job)) if (event.type === 'finish') last = event
    return last!
  }

  close(): void {
    this.#closed = true
    this.#native.close()
  }
}

function closed(): StreamingLLMError {
  return new StreamingLLMError('CLOSED', 'this sequence or chat has been closed; make a new one')
}
