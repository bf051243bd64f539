import { totalmem } from 'node:os'
import { typed } from '../backend/open.js'
import { cacheLimits, sizesFit } from '../engine/cache-geometry.js'
import type { NativeModel, NativeSequence, NativeSequenceOptions } from '../engine/native.js'
import type { SequenceSource } from '../engine/sequence-source.js'
import { modelClosed, StreamingLLMError } from '../errors.js'
import type { ModelHeader } from '../gguf/check.js'
import { bytesPerCachedValue, layerBytes } from '../memory/cache-bytes.js'
import { layerMemories } from '../memory/layers.js'
import type { ParsedModelOptions, ParsedPolicyOptions } from '../options/parse.js'
import { modelFingerprint } from './fingerprint.js'
import type { ModelMemory } from './model-memory.js'

interface PoolOptions {
  native: NativeModel
  header: ModelHeader
  options: ParsedModelOptions
  memory: ModelMemory
  cacheKind: string
  /** Whether some of the cache is in a GPU's memory: then this machine's memory does not limit it. */
  isOffloaded: boolean
  closing: AbortSignal
  /** Closes something that is not in use, if there is any: asked when no sequence is left. */
  releaseIdle: () => boolean
}

/** The sequences of one loaded model, which share its cache. */
export class SequencePool implements SequenceSource {
  readonly cacheKind: string
  readonly closing: AbortSignal
  readonly #native: NativeModel
  readonly #header: ModelHeader
  readonly #options: ParsedModelOptions
  readonly #memory: ModelMemory
  readonly #isOffloaded: boolean
  readonly #releaseIdle: () => boolean
  #fingerprint: Promise<string> | undefined

  constructor({ native, header, options, memory, cacheKind, isOffloaded, closing, releaseIdle }: PoolOptions) {
    this.#native = native
    this.#header = header
    this.#options = options
    this.#memory = memory
    this.cacheKind = cacheKind
    this.#isOffloaded = isOffloaded
    this.closing = closing
    this.#releaseIdle = releaseIdle
  }

  limits(options: ParsedPolicyOptions): NativeSequenceOptions {
    const { batchSize, cacheTokens } = this.#options
    return cacheLimits(options, { ...this.#cacheBudget, batchSize, cacheTokens })
  }

  fits(sizes: NativeSequenceOptions): boolean {
    return sizesFit(sizes, this.#cacheBudget)
  }

  get #cacheBudget() {
    const { trainedLength } = this.#native.info
    return { trainedLength, batchSize: this.#options.batchSize, memory: this.#memory }
  }

  open(limits: NativeSequenceOptions): NativeSequence {
    this.#assertOpen()
    this.#needMemory(Math.max(limits.sinks + limits.window, this.#options.cacheTokens ?? 0))
    return this.#openReleasingIdle(() => this.#native.openSequence(limits))
  }

  fork(from: NativeSequence): NativeSequence {
    this.#assertOpen()
    return this.#openReleasingIdle(() => from.fork())
  }

  fingerprint(): Promise<string> {
    // Tried again where it could not be read: a disk may be there again.
    return (this.#fingerprint ??= modelFingerprint(this.#header.path).catch((error: unknown) => {
      this.#fingerprint = undefined
      throw error
    }))
  }

  /** At most as many cells as this machine has memory for. */
  affordableCells(wanted: number): number {
    const bytes = this.#cacheBytes(wanted)
    if (this.#isOffloaded || bytes < totalmem()) return wanted
    return Math.floor(wanted * (totalmem() / bytes))
  }

  /** Opens one more sequence, for which an idle one may have to be released. */
  #openReleasingIdle(open: () => NativeSequence): NativeSequence {
    for (;;) {
      try {
        return typed(open)
      } catch (error) {
        const isFull = StreamingLLMError.isInstance(error) && error.code === 'NO_SEQUENCE_LEFT'
        if (!isFull || !this.#releaseIdle()) throw error
      }
    }
  }

  // Where memory is reserved that is not there, the operating system ends the process once it is used.
  #needMemory(cells: number): void {
    const bytes = this.#cacheBytes(cells)
    if (this.#isOffloaded || bytes < totalmem()) return
    throw new StreamingLLMError(
      'OUT_OF_MEMORY',
      `a cache of ${cells} tokens needs ${Math.round(bytes / 2 ** 20)} MB, and this machine has ${Math.round(totalmem() / 2 ** 20)} MB; use a smaller window`,
      { details: { cells, bytes } },
    )
  }

  #cacheBytes(cells: number): number {
    const format = { bytesPerValue: bytesPerCachedValue[this.#options.kvType], flashAttention: true }
    return layerBytes(layerMemories(this.#header).layers, { cells, sequenceIds: 0 }, format).reduce(
      (sum, { cache }) => sum + cache,
      0,
    )
  }

  #assertOpen(): void {
    if (this.closing.aborted) throw modelClosed()
  }
}
