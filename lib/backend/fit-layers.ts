import type { ModelHeader } from '../gguf/check.js'

/** What a model takes on a device besides its weights. */
export interface ContextSize {
  /** Tokens of the cache. */
  cells: number
  /** Bytes of a value of the cache. */
  bytesPerValue: number
  batchSize: number
}

/** Drivers keep some memory for themselves, and other programs may want some. */
const reservedBytes = 400e6
const spareShare = 0.05

/**
 * How many layers fit into a device's free memory: the last ones, the output counted as one more, as llama.cpp counts them.
 * All that is known before loading is the file's header, so the compute buffers are estimated from above.
 *
 * @param freeBytes of all devices together
 */
export function layersThatFit(header: Pick<ModelHeader, 'weightBytes' | 'metadata' | 'architecture'>, context: ContextSize, freeBytes: number): number {
  const figure = (key: string): number | undefined => {
    const value = header.metadata.get(`${header.architecture}.${key}`)
    return typeof value === 'number' ? value : undefined
  }
  const { layers, output } = header.weightBytes
  const width = figure('embedding_length') ?? 0
  const heads = figure('attention.head_count') ?? 1
  const keyWidth = (figure('attention.key_length') ?? width / heads) * (figure('attention.head_count_kv') ?? heads)
  const valueWidth = (figure('attention.value_length') ?? width / heads) * (figure('attention.head_count_kv') ?? heads)
  const cacheBytes = context.cells * (keyWidth + valueWidth) * context.bytesPerValue
  const vocabulary = header.metadata.get('tokenizer.ggml.tokens')
  const vocabularySize = typeof vocabulary === 'object' ? (vocabulary as { arrayLength?: number }).arrayLength ?? 0 : 0
  // Of a batch: the logits, the widest of the hidden values some times over, attention without flash attention.
  const computeBytes = context.batchSize * 4 * (vocabularySize + 4 * (figure('feed_forward_length') ?? 4 * width) + 8 * width + Math.min(context.cells, 8192) * heads)
  let left = freeBytes * (1 - spareShare) - reservedBytes - computeBytes
  let count = 0
  for (const bytes of [output, ...layers.map(each => each + cacheBytes).reverse()]) {
    left -= bytes
    if (left < 0) break
    count++
  }
  return count
}
