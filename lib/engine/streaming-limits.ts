import { StreamingLLMError } from '../errors.js'
import type { ParsedPolicyOptions } from '../options/parse.js'
import { type CacheBudget, latestRebase, usualCells } from './cache-budget.js'
import { defaultSinks, heldCells, never, sinkCopies } from './cache-constants.js'
import type { NativeSequenceOptions } from './native.js'

/** What a streaming sequence may have. Arithmetic alone: whether that is possible is asked afterwards. */
interface StreamingBudget {
  /** Tokens of the cache that are shared out. */
  cells: number
  sinks: number
  window: number
  reanchorEvery: number
  /** By how many tokens the sinks lag behind the window, at most. */
  lag: number
  /** From the first sink to the token that is computed, at most. */
  distance: number
  rebaseAfter: number
  /** Positions that are used before the first rebase can come. */
  minRebaseAfter: number
}

/**
 * The sizes of a streaming sequence: those given, and defaults that fit for the rest. Throws if such a sequence could
 * not go on forever.
 */
export function streamingLimits(options: ParsedPolicyOptions, cache: CacheBudget): NativeSequenceOptions {
  const budget = streamingBudget(options, cache)
  refuseNoWindow(budget, cache)
  // Then no sink moves, and positions stay below the size of the cache.
  if (cache.memory.eviction === 'refill') return refillSizes(budget)
  if (options.rebaseAfter === undefined) refuseLargeLag(budget)
  refuseUntrainedDistance(budget, options, cache)
  if (options.rebaseAfter !== undefined) refuseEarlyRebase(budget)
  return streamingSizes(budget, cache)
}

function streamingBudget(options: ParsedPolicyOptions, cache: CacheBudget): StreamingBudget {
  const { trainedLength, batchSize, cacheTokens, memory } = cache
  const sinks = options.policy === 'window' ? 0 : (options.sinks ?? defaultSinks)
  const wanted = options.window === undefined ? undefined : options.window + sinksInWindow(options)
  const cells = usualCells(cache)
  // A batch brings its tokens before anything leaves, and the sinks lag behind by up to reanchorEvery.
  const batch = Math.min(batchSize, Math.floor(cells / 4))
  const copies = sinkCopies(memory.kind === 'recurrent' || memory.kind === 'hybrid')
  const fitting =
    cacheTokens === undefined ? cells : Math.min(cells, cacheTokens - batchSize - copies * sinks - heldCells + batch)
  const forWindowAndLag = fitting - sinks - batch
  // Seldom enough that the 99th of 100 tokens does not feel it, and not so seldom that perplexity does.
  const usualLag =
    wanted === undefined
      ? Math.floor(forWindowAndLag / 3)
      : Math.min(Math.floor(wanted / 2), trainedLength - sinks - wanted - 1)
  const reanchorEvery = !memory.sinksMove ? never : sinks === 0 ? 1 : (options.reanchorEvery ?? clamp(usualLag, 1, 256))
  const lag = memory.sinksMove ? reanchorEvery : 0
  const window = wanted ?? forWindowAndLag - lag
  return {
    cells,
    sinks,
    window,
    reanchorEvery,
    lag,
    distance: sinks + window + lag + 1,
    rebaseAfter: Math.min(options.rebaseAfter ?? Math.max(131_072, 4 * (sinks + window)), never),
    minRebaseAfter: sinks + window + 2 * lag,
  }
}

/** The option `window` has no sinks of its own: those that were asked for are part of the window. */
function sinksInWindow({ policy, sinks = defaultSinks }: ParsedPolicyOptions): number {
  return policy === 'window' ? sinks : 0
}

function refuseNoWindow({ cells, sinks, window, lag }: StreamingBudget, { batchSize, cacheTokens }: CacheBudget): void {
  if (window >= 1) return
  throw new StreamingLLMError(
    'WINDOW_TOO_LARGE',
    `${sinks} sinks, reanchorEvery ${lag} and a batch of ${batchSize} leave no window within the ${cells} tokens of this model's cache; use fewer${cacheTokens === undefined ? '' : ', or a larger cacheTokens'}`,
  )
}

function refuseLargeLag({ sinks, window, reanchorEvery, rebaseAfter, minRebaseAfter }: StreamingBudget): void {
  if (rebaseAfter >= minRebaseAfter) return
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `'reanchorEvery' may be at most ${Math.floor((rebaseAfter - sinks - window) / 2)} with ${sinks} sinks and a window of ${window}, got ${reanchorEvery}`,
  )
}

function refuseUntrainedDistance(
  { sinks, window, lag, distance }: StreamingBudget,
  options: ParsedPolicyOptions,
  { trainedLength, memory }: CacheBudget,
): void {
  if (!memory.sinksMove || distance <= trainedLength) return
  const max = trainedLength - sinks - lag - 1 - sinksInWindow(options)
  const cure =
    max >= 1 ? `the window may have at most ${max}` : `use fewer sinks${lag > 1 ? ' or a smaller reanchorEvery' : ''}`
  throw new StreamingLLMError(
    'WINDOW_TOO_LARGE',
    `sinks + window + reanchorEvery + 1 must not be larger than the ${trainedLength} tokens that the model was trained on, and are ${distance}; ${cure}`,
    { details: { sinks, window, trainedLength } },
  )
}

function refuseEarlyRebase({ rebaseAfter, minRebaseAfter }: StreamingBudget): void {
  if (rebaseAfter >= minRebaseAfter) return
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `'rebaseAfter' must be at least ${minRebaseAfter} (sinks + window + 2 * reanchorEvery), got ${rebaseAfter}`,
  )
}

function streamingSizes(budget: StreamingBudget, cache: CacheBudget): NativeSequenceOptions {
  const { sinks, window, reanchorEvery, minRebaseAfter } = budget
  const latest = latestRebase(cache)
  if (latest < minRebaseAfter) return refillSizes(budget)
  const rebaseAfter = Math.min(budget.rebaseAfter, latest)
  return { policy: 'streaming', sinks, window, reanchorEvery, rebaseAfter, verify: false, firstPosition: 0 }
}

function refillSizes({ sinks, window }: StreamingBudget): NativeSequenceOptions {
  return { policy: 'refill', sinks, window, reanchorEvery: 1, rebaseAfter: never, verify: false, firstPosition: 0 }
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value))
}
