import { maxDefaultTokens, never, rebaseSlack } from './cache-constants.js'

/** What sizes depend on, of a loaded model. */
export interface CacheBudget {
  trainedLength: number
  batchSize: number
  /** Cells of the whole cache; undefined: it grows as needed. */
  cacheTokens?: number
  memory: CacheMemory
}

/** Of how a model remembers, what sizes depend on: see ModelMemory. */
export interface CacheMemory {
  readonly kind: 'attention' | 'sliding window' | 'hybrid' | 'recurrent'
  readonly eviction: 'evict' | 'refill'
  readonly sinksMove: boolean
  readonly positionLimit?: number
  readonly lastPosition?: number
}

/** Tokens that a sequence keeps by default. */
export function usualCells({ trainedLength, cacheTokens }: CacheBudget): number {
  return Math.min(trainedLength, maxDefaultTokens, cacheTokens ?? Infinity)
}

/** The latest position for a rebase: batch and run-ahead that follow it must stay below the model's limit. */
export function latestRebase({ batchSize, memory }: CacheBudget): number {
  return memory.positionLimit === undefined ? never : memory.positionLimit - batchSize - rebaseSlack
}
