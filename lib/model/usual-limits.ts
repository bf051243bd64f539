import { defaultBatchSize } from '../engine/cache-constants.js'
import { cacheLimits } from '../engine/cache-geometry.js'
import type { NativeSequenceOptions } from '../engine/native.js'
import { type PolicyOptions, parseSequenceOptions } from '../options/parse.js'
import type { ModelMemory } from './model-memory.js'

/**
 * The policy and sizes of a sequence with batches as they are by default and a cache that grows, of a model loaded or
 * not.
 */
export function usualLimits(
  options: PolicyOptions,
  { trainedLength, memory }: { trainedLength: number; memory: ModelMemory },
): NativeSequenceOptions {
  return cacheLimits(parseSequenceOptions(options), { trainedLength, batchSize: defaultBatchSize, memory })
}
