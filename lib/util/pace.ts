import { setImmediate } from 'node:timers/promises'
import { followingController, untilAborted } from './abort.js'

/** Milliseconds of work on JavaScript's thread, after which others get their turn. */
const slice = 10

/** Characters, or tokens, of one part of a work that goes through many. */
export const partLength = 32_768

/** Work in parts; `yield` stands where something else may come in between. */
export type Work<T = void> = Generator<void, T, void>

/** The caller has aborted the work. */
export class Left extends Error {}

/**
 * Runs long work on JavaScript's thread in slices. The event loop runs between them, and the work ends there if one of
 * the signals has fired.
 */
export class Pace {
  readonly #signals: readonly (AbortSignal | undefined)[]
  #since = performance.now()

  constructor(signals: readonly (AbortSignal | undefined)[] = []) {
    this.#signals = signals
  }

  /** A slice of work is done: to be followed by `rest`. */
  get isTired(): boolean {
    return performance.now() - this.#since >= slice
  }

  /** Throws `Left`. */
  async rest(): Promise<void> {
    await setImmediate()
    this.#throwIfAborted()
    this.#since = performance.now()
  }

  /** Throws `Left`. */
  async through<T>(work: Work<T>): Promise<T> {
    for (;;) {
      const { done, value } = work.next()
      if (done === true) return value
      if (this.isTired) await this.rest()
    }
  }

  /** Waits for work on another thread. Throws `Left` on abort, and then no longer waits for it. */
  async beside<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {}) // where a signal cannot be listened to, or fires, nothing waits for it
    const { controller, unlink } = followingController(...this.#signals)
    try {
      return await untilAborted(work, controller.signal)
    } catch (error) {
      this.#throwIfAborted()
      throw error
    } finally {
      unlink()
      this.#since = performance.now()
    }
  }

  #throwIfAborted(): void {
    if (this.#signals.some(signal => signal?.aborted === true)) throw new Left('the work was left')
  }
}

/** Work in parts, all of them at once. */
export function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}
