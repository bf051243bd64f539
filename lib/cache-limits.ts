import { StreamingLLMError } from './errors.js'
import type { NativeSequenceOptions } from './native.js'
import type { ParsedPolicyOptions } from './options.js'

/** What sizes depend on, of a loaded model. */
export interface CacheSurroundings {
  trainedLength: number
  batchSize: number
  /** Cells of the whole cache; undefined: it grows as needed. */
  cacheTokens?: number
}

const defaultSinks = 4
const largestDefault = 4096

// llama.cpp keeps books on each cell; this many take it some 400 MB, whatever the model.
const mostCells = 2 ** 22

/** The sizes for a sequence: what was asked for, the rest from the model. */
export function cacheLimits(options: ParsedPolicyOptions, surroundings: CacheSurroundings): NativeSequenceOptions {
  for (const [name, value] of Object.entries({ sinks: options.sinks, window: options.window, cacheTokens: surroundings.cacheTokens })) {
    if (value !== undefined && value > mostCells) {
      throw new StreamingLLMError('WINDOW_TOO_LARGE', `'${name}' may be at most ${mostCells} tokens, got ${value}`, { details: { [name]: value, most: mostCells } })
    }
  }
  const { trainedLength, batchSize, cacheTokens } = surroundings
  const sinks = options.sinks ?? defaultSinks
  const rebaseAfter = Math.min(options.rebaseAfter ?? Math.max(131_072, 4 * (sinks + (options.window ?? 0))), 2 ** 30)
  const cells = Math.min(trainedLength, largestDefault, cacheTokens ?? Infinity)
  if (options.policy === 'dense') {
    // With the same sizes given, as many tokens as the streaming policy keeps: the fair comparison.
    const window = options.window === undefined ? cells : sinks + options.window
    return { policy: 'dense', sinks: 0, window, reanchorEvery: 1, rebaseAfter, verify: false }
  }
  // A batch brings its tokens before anything leaves, and the sinks lag behind by up to reanchorEvery.
  const batch = Math.min(batchSize, Math.floor(cells / 4))
  const fitting = cacheTokens === undefined ? cells : Math.min(cells, cacheTokens - batchSize - sinks - 64 + batch)
  const forBoth = fitting - sinks - batch
  const reanchorEvery = options.reanchorEvery
    ?? (options.window === undefined
      ? clamp(Math.floor(forBoth / 5), 1, 256)
      : clamp(Math.min(Math.floor(options.window / 4), trainedLength - sinks - options.window - 1), 1, 256))
  const window = options.window ?? forBoth - reanchorEvery
  if (window < 1) {
    throw new StreamingLLMError('WINDOW_TOO_LARGE', `${sinks} sinks and reanchorEvery ${reanchorEvery} leave no window within the ${cells} tokens of this model's cache; use fewer`)
  }
  if (rebaseAfter < sinks + window + 2 * reanchorEvery) {
    throw new StreamingLLMError('INVALID_OPTION', `'rebaseAfter' must be at least ${sinks + window + 2 * reanchorEvery} (sinks + window + 2 * reanchorEvery), got ${rebaseAfter}`)
  }
  return { policy: 'streaming', sinks, window, reanchorEvery, rebaseAfter, verify: false }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
