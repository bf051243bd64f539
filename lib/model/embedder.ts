import type { NativeEmbedRequest, NativeModel } from '../engine/native.js'
import { fromNative, modelClosed } from '../errors.js'
import { abortable, throwIfAborted, untilAborted } from '../util/abort.js'
import { PromiseQueue } from '../util/promise-queue.js'

/** Milliseconds without work after which the context for embeddings is freed, at most. */
const maxIdleMs = 60_000

/** Embeddings of one model: one call at a time, as its thread takes them. */
export class Embedder {
  readonly #native: Pick<NativeModel, 'embed' | 'releaseEmbedder'>
  readonly #idleTime: number
  readonly #queue = new PromiseQueue()
  #waiting = 0
  #release: NodeJS.Timeout | undefined
  #closed = false

  constructor(native: Pick<NativeModel, 'embed' | 'releaseEmbedder'>, idle = maxIdleMs) {
    this.#native = native
    this.#idleTime = Math.min(idle, maxIdleMs)
  }

  /** Rejects with `signal.reason` when aborted; waiting or not. */
  async embed(request: NativeEmbedRequest, signal?: AbortSignal): Promise<Float32Array[]> {
    throwIfAborted(signal)
    clearTimeout(this.#release)
    this.#waiting++
    return await untilAborted(this.#inTurn(request, signal), signal)
  }

  async #inTurn(request: NativeEmbedRequest, signal?: AbortSignal): Promise<Float32Array[]> {
    let release: (() => void) | undefined
    try {
      release = await this.#queue.acquire(signal)
      throwIfAborted(signal)
      return await this.#run(request, signal)
    } finally {
      release?.()
      this.#rest()
    }
  }

  async #run(request: NativeEmbedRequest, signal?: AbortSignal): Promise<Float32Array[]> {
    if (this.#closed) throw modelClosed()
    try {
      return await abortable(signal, whenAborted => {
        const { promise, abort } = this.#native.embed(request)
        whenAborted(abort)
        return promise
      })
    } catch (error) {
      throwIfAborted(signal)
      throw fromNative(error)
    }
  }

  #rest(): void {
    if (--this.#waiting > 0 || this.#closed) return
    this.#release = setTimeout(() => void this.#releaseNow(), this.#idleTime)
    this.#release.unref()
  }

  async #releaseNow(): Promise<void> {
    const release = await this.#queue.acquire()
    try {
      if (!this.#closed && this.#waiting === 0) await this.#native.releaseEmbedder()
    } catch {
      // It is freed with the model then.
    } finally {
      release?.()
    }
  }

  /** Nothing begins any more; what is in progress the native side ends. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#release)
  }
}
