import type { Sequence } from '../../lib/index.js'
import type { GenerateOptions } from '../../lib/options/parse.js'

/** What it took until generated tokens were in the hands of a reader in JavaScript. */
export interface TimedTokens {
  /**
   * Milliseconds from text event to text event, the first one from the call. An event that brought several tokens, or
   * came after tokens without text of their own, is one interval: what a reader waited. The sum is that of all tokens.
   */
  times: number[]
  tokens: number
  /** How often the model had ended and was made to go on. */
  ends: number
}

/**
 * Generates exactly `count` tokens by the library's public road. Each call is a reply of that many tokens: their number
 * is then known from `usage`, which text events alone do not tell, and the engine, which runs ahead of its reader by up
 * to 16 tokens, has nothing left to do once the last one is here. So tokens are neither computed before the clock
 * starts nor while another contender is measured. Cached tokens stay where they are between replies.
 *
 * `more` gives tokens to go on with when the model ends its text by itself; what they take is counted.
 */
export async function timedTokens(
  sequence: Sequence,
  count: number,
  more: () => number[],
  options: GenerateOptions = {},
): Promise<TimedTokens> {
  const times: number[] = []
  let tokens = 0
  let ends = 0
  let before = performance.now()
  let prompt: number[] = []
  while (tokens < count) {
    let ended = false
    for await (const event of sequence.generate({
      temperature: 0,
      ...options,
      tokens: prompt,
      maxTokens: count - tokens,
    })) {
      if (event.type === 'text') {
        const now = performance.now()
        times.push(now - before)
        before = now
      } else if (event.type === 'finish') {
        tokens += event.usage.completionTokens
        ended = event.reason === 'end'
        if (event.reason !== 'end' && event.reason !== 'length') throw new Error(`the reply ended by '${event.reason}'`)
      }
    }
    if (ended && tokens < count) {
      ends++
      prompt = more()
    }
  }
  // Last tokens without text of their own: their time belongs to the last interval.
  const rest = performance.now() - before
  if (times.length === 0) times.push(rest)
  else times[times.length - 1]! += rest
  return { times, tokens, ends }
}
