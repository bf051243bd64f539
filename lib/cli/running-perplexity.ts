import type { Sequence } from '../index.js'
import { throwIfAborted } from '../util/abort.js'

/** Where a measurement stands. */
export interface Scored {
  /** Tokens measured so far. */
  scored: number
  /** Tokens read so far. */
  read: number
  /** e to the mean negative log-likelihood, over the tokens measured so far. */
  perplexity: number
  /** The same over each `sampled`-th token and the last alone. */
  sampledPerplexity: number
  /** Milliseconds for each token measured. */
  msPerToken: number
  /** Those measured since the last report; `token` is the place in the text, `perplexity` the running one. */
  latest: { token: number; nll: number; perplexity: number }[]
}

/**
 * Measures how likely a sequence that is still empty finds `tokens` (at least 2), one at a time as in generation.
 * `every`: only each so many tokens are measured and the others just read, for policies where measuring is slow.
 * `chunk`: how many are measured between two reports. The signal is checked at each report.
 */
export async function runningPerplexity(
  sequence: Sequence,
  tokens: Int32Array,
  {
    every = 1,
    sampled = every,
    chunk = 16,
    signal,
    onScores,
  }: { every?: number; sampled?: number; chunk?: number; signal?: AbortSignal; onScores?: (scored: Scored) => void },
): Promise<Omit<Scored, 'latest'>> {
  let sum = 0
  let scored = 0
  let sampledSum = 0
  let sampledCount = 0
  let spent = 0
  let read = 1
  await sequence.append(tokens.subarray(0, 1))
  const report = (values: Float32Array, from: number): Scored => {
    const latest = Array.from(values, (value, i) => {
      sum -= value
      scored++
      if ((from + i) % sampled === 0 || from + i === tokens.length - 1) {
        sampledSum -= value
        sampledCount++
      }
      return { token: from + i, nll: -value, perplexity: Math.exp(sum / scored) }
    })
    return {
      scored,
      read,
      perplexity: Math.exp(sum / scored),
      sampledPerplexity: Math.exp(sampledSum / sampledCount),
      msPerToken: spent / scored,
      latest,
    }
  }
  let result: Scored | undefined
  while (read < tokens.length) {
    throwIfAborted(signal)
    const skipped = Math.min(every - 1, tokens.length - read - 1)
    if (skipped > 0) await sequence.append(tokens.subarray(read, read + skipped))
    read += skipped
    const part = tokens.subarray(read, read + (every > 1 ? 1 : chunk))
    const begun = performance.now()
    const values = await sequence.score(part)
    spent += performance.now() - begun
    read += part.length
    result = report(values, read - part.length)
    onScores?.(result)
  }
  const { latest: _, ...last } = result!
  return last
}
