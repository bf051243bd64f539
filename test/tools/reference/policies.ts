import type { Cached, Transformer } from './transformer.js'

/**
 * What a token may see, besides itself, of the tokens before it:
 * - dense: all of them;
 * - streaming: all of them while these are at most `sinks + window`, then the first `sinks` and the latest `window`,
 *   each with the keys and values it got at its own time;
 * - recompute: the latest `sinks + window`, decoded afresh for this token alone.
 * The window policy is streaming without sinks.
 */
export type ReferencePolicy =
  | { policy: 'dense' }
  | {
      policy: 'streaming'
      sinks: number
      window: number
      /**
       * An error to be noticed: the sinks' positions are this much too far from the window once a token was evicted.
       */
      sinksLate?: number
    }
  | { policy: 'recompute'; sinks: number; window: number }

/** Element i: the negative log-likelihood (natural) of token i + 1 after what token i and the policy let it see. */
export function negativeLogLikelihoods(
  transformer: Transformer,
  tokens: ArrayLike<number>,
  policy: ReferencePolicy,
): Float64Array {
  const result = new Float64Array(tokens.length - 1)
  const cache: Cached[] = []
  for (let i = 0; i < result.length; i++) {
    const token = tokens[i]!
    const next = tokens[i + 1]!
    if (policy.policy === 'recompute') {
      result[i] = transformer.negativeLogLikelihood(
        decodeAfresh(transformer, tokens, Math.max(0, i - policy.sinks - policy.window), i),
        next,
      )
      continue
    }
    const { cached, hidden } = transformer.decode(token, cache, positionsOf(policy, i, cache.length + 1))
    result[i] = transformer.negativeLogLikelihood(hidden, next)
    cache.push(cached)
    // The cache is the policy: what is taken out here is seen by no later token.
    if (policy.policy === 'streaming' && cache.length > policy.sinks + policy.window) cache.splice(policy.sinks, 1)
  }
  return result
}

/** The hidden state at the last of tokens first..last, with nothing before them. */
function decodeAfresh(transformer: Transformer, tokens: ArrayLike<number>, first: number, last: number): Float64Array {
  const cache: Cached[] = []
  for (let i = first; ; i++) {
    const { cached, hidden } = transformer.decode(tokens[i]!, cache)
    if (i === last) return hidden
    cache.push(cached)
  }
}

function positionsOf(policy: ReferencePolicy, decoded: number, count: number): number[] {
  const positions = Array.from({ length: count }, (_, i) => i)
  if (policy.policy !== 'streaming' || decoded <= policy.sinks + policy.window) return positions
  return positions.map(position => (position < policy.sinks ? position : position + (policy.sinksLate ?? 0)))
}
