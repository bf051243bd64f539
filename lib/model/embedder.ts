import type { NativeEmbedRequest, NativeModel } from '../engine/native.js'
import { fromNative, modelClosed } from '../errors.js'
import { onAbort, throwIfAborted, untilAborted } from '../util/abort.js'

/** Milliseconds without work after which the context for embeddings is freed, at most. */
const longestIdle = 60_000

/** Embeddings of one model: one call at a time, as its thread takes them. */
export class Embedder {
  readonly #native: Pick<NativeModel, 'embed' | 'releaseEmbedder'>
  readonly #idleTime: number
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #release: NodeJS.Timeout | undefined
  #closed = false

  constructor(native: Pick<NativeModel, 'embed' | 'releaseEmbedder'>, idle = longestIdle) {
    this.#native = native
    this.#idleTime = Math.min(idle, longestIdle)
  }

  /** Rejects with `signal.reason` when aborted; waiting or not. */
  async embed(request: NativeEmbedRequest, signal?: AbortSignal): Promise<Float32Array[]> {
    throwIfAborted(signal)
    clearTimeout(this.#release)
    this.#waiting++
    const mine = this.#tail.then(() => this.#run(request, signal))
    this.#tail = mine.catch(() => {}).then(() => this.#rest())
    return await untilAborted(mine, signal)
  }

  async #run(request: NativeEmbedRequest, signal?: AbortSignal): Promise<Float32Array[]> {
    throwIfAborted(signal)
    if (this.#closed) throw modelClosed()
    try {
      const { promise, abort } = this.#native.embed(request)
      const unlink = onAbort(signal, abort)
      try {
        return await promise
      } finally {
        unlink()
      }
    } catch (error) {
      throwIfAborted(signal)
      throw fromNative(error)
    }
  }

  #rest(): void {
    if (--this.#waiting > 0 || this.#closed) return
    this.#release = setTimeout(() => {
      this.#tail = this.#tail
        .then(() => (this.#closed || this.#waiting > 0 ? undefined : this.#native.releaseEmbedder()))
        .catch(() => {})
    }, this.#idleTime)
    this.#release.unref()
  }

  /** Nothing begins any more; what is in progress the native side ends. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#release)
  }
}
