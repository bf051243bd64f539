import { loadModel } from '../../lib/index.js'
import type { Curve } from './perplexity.js'
import { textTokens } from './text-tokens.js'

export interface ShiftTask {
  path: string
  policy: 'shift' | 'half'
  sinks: number
  window: number
  kv: 'f16' | 'q8_0' | 'q4_0'
  text: string
  tokens: number
  threads: number | undefined
}

interface ShiftedScores {
  nll: ArrayLike<number>
  milliseconds: number
}

type ScoreByShift = (
  options: Omit<ShiftTask, 'path' | 'text' | 'tokens'> & { model: string; tokens: Int32Array; flashAttention: 'auto' },
  onProgress?: (done: number, total?: number) => void,
) => Promise<ShiftedScores>

const parts = 100

/** What llama.cpp's own K-shift makes of a text. It can end its process, so this runs in one of its own. */
export async function measureShift(task: ShiftTask, progress: (share: number) => void): Promise<Curve> {
  const { path, text, tokens: count, ...options } = task
  let tokens: Int32Array
  {
    await using model = await loadModel(path, { threads: options.threads, onWarning: () => {} })
    tokens = textTokens({ content: text, sha256: '' }, model, count + 1)
  }
  const { scoreByShift } = await import(new URL('../evaluation/shift.ts', import.meta.url).href) as { scoreByShift: ScoreByShift }
  const { nll, milliseconds } = await scoreByShift({ ...options, model: path, tokens, flashAttention: 'auto' }, (done, total) => progress(done / (total ?? (done <= 1 ? 1 : count))))
  const part = Math.ceil(nll.length / parts)
  const curve: Curve = { ends: [], counts: [], sums: [], milliseconds }
  for (let at = 0; at < nll.length; at += part) {
    const values = Array.from(nll).slice(at, at + part)
    const sum = values.reduce((a, b) => a + b, 0)
    curve.ends.push(1 + at + values.length)
    curve.counts.push(values.length)
    curve.sums.push(Number.isFinite(sum) ? sum : null)
  }
  return curve
}
