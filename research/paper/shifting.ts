import { defaultThreads } from '../../lib/options/parse.js'
import { scoreByShift } from '../evaluation/shift.js'
import type { Setting } from './experiment.js'
import type { Curve } from './perplexity.js'
import { stoppedBy } from './stopping.js'
import { textTokens } from './text-tokens.js'

export interface Shifting {
  policy: 'shift' | 'half'
  sinks: number
  window: number
  kv: 'f16' | 'q8_0' | 'q4_0'
  /** Tokens that are scored. */
  tokens: number
}

const parts = 100

/** What llama.cpp's own K-shift makes of the text. It runs in a process of its own, as it can end that. */
export async function measureShift(
  setting: Setting,
  { tokens: count, ...options }: Shifting,
  progress: (share: number) => void,
): Promise<Curve> {
  const { model, text, threads = defaultThreads() } = setting
  const tokens = textTokens(text, await setting.open(model), count + 1)
  const { signal, onProgress } = stoppedBy(progress)
  const { nll, milliseconds } = await scoreByShift(
    { ...options, model: model.path, tokens, threads, signal },
    onProgress,
  )
  return curveOf(
    nll,
    milliseconds.reduce((sum, each) => sum + each, 0),
  )
}

/** `nll[i]` belongs to token i + 1 of the text. */
function curveOf(nll: Float64Array, milliseconds: number): Curve {
  const curve: Curve = { ends: [], counts: [], sums: [], milliseconds }
  const part = Math.ceil(nll.length / parts)
  for (let at = 0; at < nll.length; at += part) {
    const values = nll.subarray(at, at + part)
    const sum = values.reduce((a, b) => a + b, 0)
    curve.ends.push(1 + at + values.length)
    curve.counts.push(values.length)
    curve.sums.push(Number.isFinite(sum) ? sum : null)
  }
  return curve
}
