import type { ModelHeader } from '../gguf/check.js'
import { tokensKey } from '../gguf/header.js'
import { arrayLength } from '../gguf/metadata.js'
import { layerBytes } from '../memory/cache-bytes.js'
import { computeBytes } from '../memory/compute-bytes.js'
import { layerMemories } from '../memory/layers.js'

/** What a model takes on a device besides its weights. */
export interface PlannedContext {
  /** Tokens of the cache. */
  cells: number
  /** Bytes of a value of the cache. */
  bytesPerValue: number
  batchSize: number
}

/** Drivers keep some memory for themselves, and other programs may want some. */
const reservedBytes = 400e6
const spareShare = 0.05
/** With more cells than this, devices compute with flash attention: without it they would be too slow to use. */
const maxScoredCells = 8192
/** Sequences of a few conversations: of recurrent layers, each has its own state. */
const sequenceIds = 24

/**
 * How many layers fit into a device's free memory: the last ones, the output counted as one more, as llama.cpp counts
 * them. All that is known before loading is the file's header, so the compute buffers are estimated from above: without
 * flash attention, and with logits of a whole batch.
 *
 * @param freeBytes of all devices together
 */
export function layersThatFit(
  header: Pick<ModelHeader, 'weightBytes' | 'metadata' | 'architecture' | 'tensors'>,
  { cells, bytesPerValue, batchSize }: PlannedContext,
  freeBytes: number,
): number {
  const { layers, output } = header.weightBytes
  const kept = layerBytes(
    layerMemories(header).layers,
    { cells, sequenceIds },
    { bytesPerValue, flashAttention: false },
  )
  const attention = computeBytes(header, {
    cells: Math.min(cells, maxScoredCells),
    sequenceIds,
    batchSize,
    outputs: batchSize,
    bytesPerValue,
    flashAttention: false,
  })
  // Here both are counted, where one takes the place of the other.
  const logits = 4 * batchSize * arrayLength(header.metadata, tokensKey)
  let left = freeBytes * (1 - spareShare) - reservedBytes - attention.graph - logits
  let count = 0
  const ofLayers = layers.map((weights, layer) => weights + (kept[layer]?.cache ?? 0) + (kept[layer]?.state ?? 0))
  for (const bytes of [output, ...ofLayers.reverse()]) {
    left -= bytes
    if (left < 0) break
    count++
  }
  return count
}
