import { StreamingLLMError } from '../errors.js'
import type { ParsedPolicyOptions } from '../options/parse.js'
import type { NativeSequenceOptions } from './native.js'

/** What sizes depend on, of a loaded model. */
export interface CacheSurroundings {
  trainedLength: number
  batchSize: number
  /** Cells of the whole cache; undefined: it grows as needed. */
  cacheTokens?: number
  memory: CacheMemory
}

/** Of how a model remembers, what sizes depend on: see ModelMemory. */
export interface CacheMemory {
  readonly kind: 'attention' | 'sliding window' | 'hybrid' | 'recurrent'
  readonly eviction: 'in place' | 'refill'
  readonly sinksMove: boolean
  readonly positionLimit?: number
  readonly lastPosition?: number
}

const defaultSinks = 4
/** Tokens that a sequence keeps at most where nobody says how many. */
export const largestDefault = 4096

export const defaultBatchSize = 128

// Cells that a sequence has for what leaves its window. native/engine/engine.h has the same.
const heldCells = 64

/** The least `cacheTokens` for which there is a streaming chat: one without sinks and with a window of one token. */
export function leastCacheTokens(batchSize = defaultBatchSize): number {
  return batchSize + heldCells + 1
}

// llama.cpp keeps books on each cell; this many take it some 400 MB, whatever the model.
export const mostCells = 2 ** 22

/** Larger than any number of tokens: the sinks stay where they are. */
const never = 2 ** 30

/** The policy and sizes for a sequence: what was asked for, the rest from the model. */
export function cacheLimits(options: ParsedPolicyOptions, surroundings: CacheSurroundings): NativeSequenceOptions {
  for (const [name, value] of Object.entries({
    sinks: options.sinks,
    window: options.window,
    cacheTokens: surroundings.cacheTokens,
  })) {
    if (value !== undefined && value > mostCells) {
      throw new StreamingLLMError('WINDOW_TOO_LARGE', `'${name}' may be at most ${mostCells} tokens, got ${value}`, {
        details: { [name]: value, most: mostCells },
      })
    }
  }
  const limits =
    options.policy === 'streaming' || options.policy === 'window'
      ? streamingLimits(options, surroundings)
      : comparedLimits(options, surroundings)
  if (options.evict === 'turn' && options.policy === 'streaming') limits.byTurn = true
  const { lastPosition } = surroundings.memory
  // The recomputed token itself has a position too.
  const positions = limits.sinks + limits.window + (limits.policy === 'recompute' ? 1 : 0)
  if (lastPosition !== undefined && positions > lastPosition) {
    const most = lastPosition - (positions - limits.window)
    throw new StreamingLLMError(
      'WINDOW_TOO_LARGE',
      `this model has learned ${lastPosition} positions and no others; the window may have at most ${most} tokens`,
      { details: { window: limits.window, most } },
    )
  }
  return limits
}

/**
 * Whether a sequence of these sizes can go on for ever, or to its end, whoever made them: what `cacheLimits` itself sees to
 * for the sizes that it makes.
 */
export function sizesFit(
  { policy, sinks, window, reanchorEvery, rebaseAfter }: NativeSequenceOptions,
  { trainedLength, batchSize, memory }: CacheSurroundings,
): boolean {
  const { lastPosition, positionLimit, sinksMove, eviction } = memory
  if (sinks + window + (policy === 'recompute' ? 1 : 0) > (lastPosition ?? Infinity)) return false
  if (policy === 'dense' || policy === 'recompute') return sinks === 0
  const below = positionLimit === undefined ? never : positionLimit - batchSize - 64
  if (policy === 'refill') return eviction === 'refill' || positionLimit !== undefined
  if (eviction === 'refill' || rebaseAfter > below) return false
  if (!sinksMove) return reanchorEvery === never && rebaseAfter >= sinks + window
  return sinks + window + reanchorEvery + 1 <= trainedLength && rebaseAfter >= sinks + window + 2 * reanchorEvery
}

/** Tokens that a sequence keeps by default. */
function usualCells({ trainedLength, cacheTokens }: CacheSurroundings): number {
  return Math.min(trainedLength, largestDefault, cacheTokens ?? Infinity)
}

/** The policies that streaming is compared with, with as many tokens as it keeps. */
function comparedLimits(
  { policy, sinks = defaultSinks, window }: ParsedPolicyOptions,
  surroundings: CacheSurroundings,
): NativeSequenceOptions {
  const recomputes = policy === 'recompute'
  // The token that is computed has a cell beside those it sees; one pool has room for a batch besides.
  const spare = surroundings.cacheTokens === undefined ? (recomputes ? 1 : 0) : surroundings.batchSize + 1
  const total = window === undefined ? Math.max(1, usualCells(surroundings) - spare) : sinks + window
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

function streamingLimits(options: ParsedPolicyOptions, surroundings: CacheSurroundings): NativeSequenceOptions {
  const { trainedLength, batchSize, cacheTokens, memory } = surroundings
  const given = options.policy === 'window' ? (options.sinks ?? defaultSinks) : 0
  const sinks = options.policy === 'window' ? 0 : (options.sinks ?? defaultSinks)
  const wanted = options.window === undefined ? undefined : options.window + given
  const cells = usualCells(surroundings)
  const common = { sinks, verify: false, firstPosition: 0 }
  // A batch brings its tokens before anything leaves, and the sinks lag behind by up to reanchorEvery.
  const batch = Math.min(batchSize, Math.floor(cells / 4))
  // Sinks on the move; with a recurrent state, those of two bookmarks besides. native/engine/engine_context.cpp counts the same.
  const copies = memory.kind === 'recurrent' || memory.kind === 'hybrid' ? 3 : 1
  const fitting =
    cacheTokens === undefined ? cells : Math.min(cells, cacheTokens - batchSize - copies * sinks - heldCells + batch)
  const forBoth = fitting - sinks - batch
  // Seldom enough that the 99th of 100 tokens does not feel it, and not so seldom that perplexity does.
  const reanchorEvery = !memory.sinksMove
    ? never
    : sinks === 0
      ? 1
      : (options.reanchorEvery ??
        (wanted === undefined
          ? clamp(Math.floor(forBoth / 3), 1, 256)
          : clamp(Math.min(Math.floor(wanted / 2), trainedLength - sinks - wanted - 1), 1, 256)))
  const lag = memory.sinksMove ? reanchorEvery : 0
  const window = wanted ?? forBoth - lag
  if (window < 1) {
    throw new StreamingLLMError(
      'WINDOW_TOO_LARGE',
      `${sinks} sinks, reanchorEvery ${lag} and a batch of ${batchSize} leave no window within the ${cells} tokens of this model's cache; use fewer${cacheTokens === undefined ? '' : ', or a larger cacheTokens'}`,
    )
  }
  const refill: NativeSequenceOptions = { policy: 'refill', window, reanchorEvery: 1, rebaseAfter: never, ...common }
  if (memory.eviction === 'refill') return refill
  const least = sinks + window + 2 * lag
  const rebaseAfter = Math.min(options.rebaseAfter ?? Math.max(131_072, 4 * (sinks + window)), never)
  if (rebaseAfter < least && options.rebaseAfter === undefined) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `'reanchorEvery' may be at most ${Math.floor((rebaseAfter - sinks - window) / 2)} with ${sinks} sinks and a window of ${window}, got ${reanchorEvery}`,
    )
  }
  const far = sinks + window + lag + 1
  if (memory.sinksMove && far > trainedLength) {
    const most = trainedLength - sinks - lag - 1 - given
    const cure =
      most >= 1
        ? `the window may have at most ${most}`
        : `use fewer sinks${lag > 1 ? ' or a smaller reanchorEvery' : ''}`
    throw new StreamingLLMError(
      'WINDOW_TOO_LARGE',
      `sinks + window + reanchorEvery + 1 must not be larger than the ${trainedLength} tokens that the model was trained on, and are ${far}; ${cure}`,
      { details: { sinks, window, trainedLength } },
    )
  }
  if (rebaseAfter < least) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `'rebaseAfter' must be at least ${least} (sinks + window + 2 * reanchorEvery), got ${rebaseAfter}`,
    )
  }
  if (memory.positionLimit !== undefined) {
    // A batch, and what is generated until the reader has caught up, may go beyond.
    const below = memory.positionLimit - batchSize - 64
    if (below < least) return refill
    return { policy: 'streaming', window, reanchorEvery, rebaseAfter: Math.min(rebaseAfter, below), ...common }
  }
  return { policy: 'streaming', window, reanchorEvery, rebaseAfter, ...common }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
