import { StreamingLLMError } from '../errors.js'
import type { ParsedPolicyOptions } from '../options/parse.js'
import { type CacheBudget, latestRebase, usualCells } from './cache-budget.js'
import { defaultSinks, maxCells, never } from './cache-constants.js'
import type { NativeSequenceOptions } from './native.js'
import { streamingLimits } from './streaming-limits.js'

/** The policy and sizes for a sequence: what was asked for, the rest from the model. */
export function cacheLimits(options: ParsedPolicyOptions, budget: CacheBudget): NativeSequenceOptions {
  for (const [name, value] of Object.entries({
    sinks: options.sinks,
    window: options.window,
    cacheTokens: budget.cacheTokens,
  })) {
    if (value !== undefined && value > maxCells) {
      throw new StreamingLLMError('WINDOW_TOO_LARGE', `'${name}' may be at most ${maxCells} tokens, got ${value}`, {
        details: { [name]: value, most: maxCells },
      })
    }
  }
  const limits =
    options.policy === 'streaming' || options.policy === 'window'
      ? streamingLimits(options, budget)
      : comparedLimits(options, budget)
  if (options.evict === 'turn' && options.policy === 'streaming') limits.byTurn = true
  const { lastPosition } = budget.memory
  // The recomputed token itself has a position too.
  const positions = limits.sinks + limits.window + (limits.policy === 'recompute' ? 1 : 0)
  if (lastPosition !== undefined && positions > lastPosition) {
    const max = lastPosition - (positions - limits.window)
    throw new StreamingLLMError(
      'WINDOW_TOO_LARGE',
      `this model has learned ${lastPosition} positions and no others; the window may have at most ${max} tokens`,
      { details: { window: limits.window, most: max } },
    )
  }
  return limits
}

/**
 * Whether a sequence of these sizes can go on forever, or to its end. Sizes from `cacheLimits` always can; this checks
 * those from a saved chat.
 */
export function sizesFit(
  { policy, sinks, window, reanchorEvery, rebaseAfter }: NativeSequenceOptions,
  budget: CacheBudget,
): boolean {
  const { trainedLength, memory } = budget
  const { lastPosition, positionLimit, sinksMove, eviction } = memory
  if (sinks + window + (policy === 'recompute' ? 1 : 0) > (lastPosition ?? Infinity)) return false
  if (policy === 'dense' || policy === 'recompute') return sinks === 0
  if (policy === 'refill') return eviction === 'refill' || positionLimit !== undefined
  if (eviction === 'refill' || rebaseAfter > latestRebase(budget)) return false
  if (!sinksMove) return reanchorEvery === never && rebaseAfter >= sinks + window
  return sinks + window + reanchorEvery + 1 <= trainedLength && rebaseAfter >= sinks + window + 2 * reanchorEvery
}

/** The policies that streaming is compared with, with as many tokens as it keeps. */
function comparedLimits(
  { policy, sinks = defaultSinks, window }: ParsedPolicyOptions,
  budget: CacheBudget,
): NativeSequenceOptions {
  const recomputes = policy === 'recompute'
  // The token that is computed has a cell beside those it sees; one pool has room for a batch besides.
  const spare = budget.cacheTokens === undefined ? (recomputes ? 1 : 0) : budget.batchSize + 1
  const total = window === undefined ? Math.max(1, usualCells(budget) - spare) : sinks + window
  return {
    policy: recomputes ? 'recompute' : 'dense',
    sinks: 0,
    window: total,
    reanchorEvery: 1,
    rebaseAfter: never,
    verify: false,
    firstPosition: 0,
  }
}
