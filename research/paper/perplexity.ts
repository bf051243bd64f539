import type { Sequence } from '../../lib/index.js'
import type { Series } from '../report/plot.js'
import {
  type Cell,
  type Loading,
  type ModelFile,
  type Outcomes,
  type Setting,
  type TextFile,
  withSequence,
} from './experiment.js'
import { textTokens } from './text-tokens.js'

/** What is measured: a policy on a text, token by token as in generation, given the tokens before. */
export interface Measurement {
  model: ModelFile
  policy: 'streaming' | 'dense' | 'window' | 'recompute'
  /** For the others than streaming, the cache is sinks + window as well. Dense takes what it needs. */
  sinks: number
  window: number
  /** Default: 'f16'. */
  kv?: Loading['kv']
  /** Default: the library's, 'default' in the key. */
  reanchorEvery?: number
  text: TextFile
  /** Tokens that are read before the first one is scored, in batches; 1 or more. */
  from: number
  /** Tokens after these: scored one at a time. */
  tokens: number
  /** Scores every k-th of them alone; the others are only read. Default: 1. */
  every?: number
  /** How often the text of from + tokens tokens is read, one time after another. Default: 1. */
  passes?: number
  /** Puts line breaks into the place of the text's first tokens. */
  newlines?: number
  /** Keeps the value of every k-th token alone as well, to be compared with a measurement of only these. */
  sampled?: number
}

/** Sums of negative log-likelihoods (natural logarithm), in parts of the text. */
export type Curve = {
  /** Where each part ends, in tokens from the start of the text. */
  ends: number[]
  /** How many tokens of each part were scored. */
  counts: number[]
  /** Their sum; null where it is infinite. */
  sums: (number | null)[]
  milliseconds: number
  /** The negative log-likelihoods of every k-th token, where that was asked for. */
  samples?: number[]
}

/** The axes of the perplexity along a text. */
export const overText = {
  x: { title: 'Position in the text (tokens)' },
  y: { title: 'Perplexity (log scale, lower is better)', scale: 'log' },
} as const

/** Parts of a curve: what a plot can show. */
const parts = 100

export function perplexityCell(setting: Setting, measurement: Measurement, label: string): Cell<Curve> {
  const {
    model,
    policy,
    sinks,
    window,
    kv = 'f16',
    reanchorEvery,
    text,
    from,
    tokens,
    every = 1,
    passes = 1,
    newlines = 0,
    sampled = 0,
  } = measurement
  const cache = policy === 'dense' ? from + tokens / 2 : Math.min(sinks + window, from + tokens)
  const scored = Math.floor(tokens / every) * passes
  return {
    label,
    key: {
      measured: 'perplexity',
      model: model.sha256,
      policy,
      sinks,
      window,
      kv,
      reanchorEvery: reanchorEvery ?? 'half of the window',
      text: text.sha256,
      from,
      tokens,
      every,
      passes,
      newlines,
      sampled,
    },
    work:
      policy === 'recompute'
        ? [{ model, doing: 'recompute', tokens: scored, cache }]
        : [
            { model, doing: 'append', tokens: from + tokens * passes - scored, cache },
            // Sinks decoded with every token make a batch of it.
            {
              model,
              doing: 'score',
              tokens: scored,
              cache,
              times: 1 + (reanchorEvery === undefined || sinks === 0 ? 0 : 1.2 / reanchorEvery),
            },
          ],
    measure: async progress => {
      const sizes = policy === 'dense' ? { sinks: 0, window: from + tokens } : { sinks, window }
      // A batch as large as the cache is the best that recomputing can get.
      const loading = { kv, batchSize: policy === 'recompute' ? 512 : undefined }
      return await withSequence(
        setting,
        model,
        { loading, policy, ...sizes, reanchorEvery },
        async (sequence, loaded) => {
          const ids = textTokens(text, loaded, from + tokens)
          if (newlines > 0) ids.fill(loaded.tokenize('\n').at(-1)!, 0, newlines)
          return await scoreText(sequence, ids, { from, every, passes, sampled }, progress)
        },
      )
    },
  }
}

interface Reading {
  from: number
  every: number
  passes: number
  /** 0: none. */
  sampled: number
}

async function scoreText(
  sequence: Sequence,
  ids: Int32Array,
  { from, every, passes, sampled }: Reading,
  progress: (share: number) => void,
): Promise<Curve> {
  const all = passes * ids.length
  // No part crosses from one pass into the next.
  const part = Math.max(every, Math.ceil((ids.length - from) / Math.ceil(parts / passes) / every) * every)
  const curve: Curve = { ends: [], counts: [], sums: [], milliseconds: 0, ...(sampled > 0 ? { samples: [] } : {}) }
  for (let pass = 0; pass < passes; pass++) {
    let at = 0
    const read = async (until: number) => {
      while (at < until) {
        const next = Math.min(until, at + 512)
        await sequence.append(ids.subarray(at, next))
        progress((pass * ids.length + (at = next)) / all)
      }
    }
    await read(from)
    while (at < ids.length) {
      const end = Math.min(ids.length, at + part)
      let sum = 0
      let count = 0
      const add = (scores: Float32Array, first: number) => {
        scores.forEach((score, i) => {
          sum -= score
          if (sampled > 0 && (first + i - from + 1) % sampled === 0) curve.samples!.push(-score)
        })
        count += scores.length
      }
      const start = performance.now()
      while (at < end) {
        const next = every === 1 ? Math.min(end, at + 64) : at + every
        if (next > end) {
          await read(end)
          break
        }
        if (every > 1) await sequence.append(ids.subarray(at, next - 1))
        const first = every === 1 ? at : next - 1
        add(await sequence.score(ids.subarray(first, next)), first)
        progress((pass * ids.length + (at = next)) / all)
      }
      curve.milliseconds += performance.now() - start
      if (count === 0) continue
      curve.ends.push(pass * ids.length + at)
      curve.counts.push(count)
      curve.sums.push(Number.isFinite(sum) ? sum : null)
    }
  }
  return curve
}

/** Over the parts that end in (after, until], in tokens from the start. */
export function perplexityOf({ ends, counts, sums }: Curve, after = 0, until = Infinity): number {
  let sum = 0
  let count = 0
  ends.forEach((end, i) => {
    if (end <= after || end > until) return
    sum += sums[i] ?? Infinity
    count += counts[i]!
  })
  return Math.exp(sum / count)
}

/** Over the sampled tokens alone. */
export function sampledPerplexity({ samples = [] }: Curve): number {
  return Math.exp(samples.reduce((sum, value) => sum + value, 0) / samples.length)
}

export function countOf({ counts }: Curve): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** A number for a table: the perplexity of a cell, or why there is none. */
export function perplexityOrReason(cell: Cell<Curve>, outcomes: Outcomes): number | string {
  const curve = outcomes.value(cell)
  return curve === undefined ? `not measured: ${outcomes.reason(cell)}` : perplexityOf(curve)
}

/**
 * The perplexity over the text. One part alone is noisy, so each point is the perplexity of a few parts around it.
 */
export function perplexitySeries(name: string, curve: Curve, { around = 3, dashed = false } = {}): Series {
  const points = curve.ends.map((x, i) => {
    const first = Math.max(0, i - around)
    const last = Math.min(curve.ends.length - 1, i + around)
    return { x, y: perplexityOf(curve, curve.ends[first - 1] ?? 0, curve.ends[last]) }
  })
  return { name, points: points.filter(({ y }) => Number.isFinite(y)), dashed }
}

/** The same over every k-th token alone, to be compared with a measurement of only these. */
export function sampledSeries(name: string, { samples = [] }: Curve, every: number): Series {
  const alone: Curve = {
    ends: samples.map((_, i) => 1 + (i + 1) * every),
    counts: samples.map(() => 1),
    sums: samples,
    milliseconds: 0,
  }
  return perplexitySeries(name, alone, { around: Math.max(3, Math.ceil(samples.length / 20)), dashed: true })
}

/** Numbers of tokens, smaller in trials of these scripts. */
export function scaled(setting: Setting, tokens: number): number {
  return Math.max(8, Math.round(tokens * setting.scale))
}
