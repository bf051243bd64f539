import { resolve } from 'node:path'
import { StreamingLLMError } from '../../lib/errors.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import { readModelFile } from '../../lib/gguf/open.js'
import { type CacheType, cacheTypes } from './addon.js'
import { ChildEnded, callInChild } from './child.js'
import { shiftRefusal } from './shift-support.js'

export interface ShiftOptions {
  /** Path of a GGUF file. */
  model: string
  /** Two at least. */
  tokens: Int32Array
  /**
   * `shift`: once sinks and window are full, one token leaves for each that comes, and the keys of the window are
   * turned back by one position (K-shift). `half`: half of the window leaves at once, as llama.cpp's own context shift
   * does it.
   */
  policy: 'shift' | 'half'
  /** Tokens from the very start that stay; 0 or more. */
  sinks: number
  /** Latest tokens that stay; 1 or more, and sinks + window + 1 at most what the model was trained on. */
  window: number
  /** Type of the cached keys and values; f16 unless given. */
  kv?: CacheType
  /** `auto` unless given. */
  flashAttention?: 'auto' | 'on' | 'off'
  /** Threads that compute; 1 unless given. */
  threads?: number
  signal?: AbortSignal
}

export interface ShiftScores {
  /** `nll[i]` is -log of the probability of `tokens[i + 1]`, in nats: one fewer than tokens. */
  nll: Float64Array
  /** What each of these took, the shift included. */
  milliseconds: Float64Array
}

/**
 * Scores a text with the policies that people use with llama.cpp today, to compare with. Before token i is decoded the
 * cache holds sinks + window tokens at most; token i sees these and itself. Runs in a child process. `onProgress` gets
 * the number of tokens scored so far and that of all.
 *
 * @throws {StreamingLLMError} POLICY_UNAVAILABLE, before anything is decoded, where a K-shift is wrong for the model or
 *   ends the process; INVALID_OPTION, WINDOW_TOO_LARGE, OUT_OF_MEMORY, DECODE_FAILED, MODEL_LOAD_FAILED, what
 *   `checkModelFile` throws, ADDON_NOT_FOUND, LIBRARY_NOT_FOUND. Rejects with `signal.reason` when aborted.
 */
export async function scoreByShift(
  options: ShiftOptions,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<ShiftScores> {
  const { signal, ...given } = options
  const { model, tokens, policy, sinks, window, kv = 'f16', flashAttention = 'auto', threads = 1 } = given
  checkOptions({ tokens, policy, sinks, window, kv, flashAttention, threads })
  const { architecture, hasLearnedPositions } = await checkModelFile(model)
  const { entries } = await readModelFile(model)
  const refusal = shiftRefusal({ architecture, hasLearnedPositions, entries }, kv)
  if (refusal !== undefined) throw unavailable(policy, architecture, refusal)
  const native = { model: resolve(model), tokens, policy, sinks, window, kv, flashAttention, threads }
  try {
    const { nll, milliseconds } = await callInChild('score', [native], {
      signal,
      onProgress: done => onProgress(done, tokens.length - 1),
    })
    return { nll: new Float64Array(nll), milliseconds: new Float64Array(milliseconds) }
  } catch (error) {
    if (!(error instanceof ChildEnded)) throw error
    // The child tries a K-shift out before it begins.
    if (!error.begun) throw unavailable(policy, architecture, `llama.cpp ends the process over it (${error.message})`)
    throw new StreamingLLMError('DECODE_FAILED', error.message, { cause: error })
  }
}

function unavailable(policy: string, architecture: string, reason: string): StreamingLLMError {
  return new StreamingLLMError(
    'POLICY_UNAVAILABLE',
    `the policy '${policy}' shifts keys in the cache, and is not available for this model (${architecture}): ${reason}`,
    { details: { policy, architecture } },
  )
}

function checkOptions({
  tokens,
  policy,
  sinks,
  window,
  kv,
  flashAttention,
  threads,
}: Omit<Required<ShiftOptions>, 'model' | 'signal'>): void {
  const need = (name: string, isRight: boolean, wanted: string, value: unknown) => {
    if (!isRight)
      throw new StreamingLLMError('INVALID_OPTION', `scoreByShift: '${name}' must be ${wanted}, got ${String(value)}`, {
        details: { [name]: value },
      })
  }
  const max = 2 ** 22
  const whole = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max
  need(
    'tokens',
    tokens instanceof Int32Array && tokens.length >= 2,
    'an Int32Array of two tokens at least',
    `${(tokens as unknown as { length?: number } | null)?.length} tokens`,
  )
  need('policy', ['shift', 'half'].includes(policy), "'shift' or 'half'", policy)
  need('sinks', whole(sinks, 0, max), `a whole number from 0 to ${max}`, sinks)
  need('window', whole(window, 1, max), `a whole number from 1 to ${max}`, window)
  need('kv', cacheTypes.includes(kv), `one of ${cacheTypes.join(', ')}`, kv)
  need('flashAttention', ['auto', 'on', 'off'].includes(flashAttention), "'auto', 'on' or 'off'", flashAttention)
  need('threads', whole(threads, 1, 512), 'a whole number from 1 to 512', threads)
  need(
    'flashAttention',
    !(kv.startsWith('q') && flashAttention === 'off'),
    `'auto' or 'on' with a cache of type ${kv}`,
    flashAttention,
  )
}
