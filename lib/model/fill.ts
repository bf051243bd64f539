import type { NativeModelInfo } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'

/** What fill-in-the-middle needs of a vocabulary. */
export interface FillTokens {
  prefix: number
  suffix: number
  middle: number
}

/** @throws {StreamingLLMError} FIM_UNAVAILABLE naming what the vocabulary lacks */
export function fillTokens({ fillTokens: found = {} }: NativeModelInfo, path: string): FillTokens {
  const { prefix, suffix, middle } = found
  if (prefix !== undefined && suffix !== undefined && middle !== undefined) return { prefix, suffix, middle }
  const missing = (['prefix', 'suffix', 'middle'] as const).filter(name => found[name] === undefined)
  throw new StreamingLLMError(
    'FIM_UNAVAILABLE',
    `fill: the vocabulary of ${path} has no token for ${missing.join(', ')}; a model that was trained to fill in the middle is needed (Qwen Coder, CodeGemma, StarCoder, ...), or model.stream() to continue a text`,
    { details: { path, missing } },
  )
}

// No vocabulary has tokens that are longer in the mean; more text than that is not even tokenized.
const maxCharacters = 32

/** The end of a text of which so many tokens can be used at most. */
export function endOf(text: string, tokens: number): string {
  const kept = tokens === 0 ? '' : text.slice(-tokens * maxCharacters)
  return /^[\udc00-\udfff]/.test(kept) ? kept.slice(1) : kept
}

/** The start of a text of which so many tokens can be used at most. */
export function startOf(text: string, tokens: number): string {
  const kept = text.slice(0, tokens * maxCharacters)
  return /[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept
}

/**
 * The prompt, of `budget` tokens at most: the prefix, the suffix, and what asks for the middle. If they are too long,
 * the end of the prefix and the start of the suffix stay. The suffix gets a quarter of the budget, or what the prefix
 * leaves.
 */
export function fillPrompt(
  { prefix, suffix, middle }: FillTokens,
  bosToken: number | undefined,
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  budget: number,
): Int32Array {
  const first = bosToken === undefined ? [] : [bosToken]
  const left = Math.max(0, budget - first.length - 3)
  const taken = Math.min(after.length, Math.max(Math.floor(left / 4), left - before.length))
  const kept = Math.min(before.length, left - taken)
  return Int32Array.from([
    ...first,
    prefix,
    ...Array.from(before).slice(before.length - kept),
    suffix,
    ...Array.from(after).slice(0, taken),
    middle,
  ])
}
