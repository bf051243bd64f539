import type { Cell, Experiment, ExperimentMaker } from './experiment.js'
import {
  type Curve,
  overText,
  perplexityCell,
  perplexityOf,
  perplexityOrReason,
  perplexitySeries,
  scaled,
} from './perplexity.js'
import { measureShift, type Shifting } from './shifting.js'

const kinds = ['f16', 'q8_0', 'q4_0'] as const
const ways = {
  reanchor: 'Sinks re-anchored (ours)',
  shift: 'K-shift each token',
  half: 'K-shift, half dropped',
} as const

/** Our own: moving the sinks against rotating the window, by type of the cache. */
export const keyShift: ExperimentMaker = (setting): Experiment => {
  // Quick: 3 x 800 tokens re-anchored + 3 x 800 K-shifted = 3 x 7 s + 3 x 18 s.
  const { model, text } = setting
  const cache = scaled(setting, 256)
  const tokens = scaled(setting, setting.quick ? 800 : 4_000)
  const sizes = { sinks: 4, window: cache - 4 }
  const shifted = (policy: Shifting['policy'], kv: Shifting['kv']): Cell<Curve> => ({
    label: `K-shift (${policy}), ${kv}`,
    key: { measured: 'K-shift', model: model.sha256, policy, ...sizes, kv, text: text.sha256, tokens },
    work: [{ model, doing: 'score', tokens, cache, times: policy === 'shift' ? 2.5 : 1.2 }],
    measure: progress => measureShift(setting, { policy, ...sizes, kv, tokens }, progress),
  })
  const chosen = (Object.keys(ways) as (keyof typeof ways)[]).filter(way => way !== 'half' || !setting.quick)
  const lines = kinds.flatMap(kv =>
    chosen.map(way => ({
      kv,
      way,
      cell:
        way === 'reanchor'
          ? perplexityCell(
              setting,
              { model, policy: 'streaming', ...sizes, kv, text, from: 1, tokens },
              `Re-anchoring, ${kv}`,
            )
          : shifted(way, kv),
    })),
  )
  return {
    id: 'key-shift',
    title: 'Our own: moving the sinks against shifting the keys',
    about:
      `What is done when the oldest tokens leave a cache of 4 + ${cache - 4}: we decode the sinks again below the window; llama.cpp's context shift rotates and rounds each key that is left, ` +
      "each token anew (as the paper's positions ask) or half the window at once (as llama-server does). A cache of few bits does not bear the rounding.",
    cells: lines.map(({ cell }) => cell),
    present: outcomes => ({
      tables: [
        {
          id: 'key-shift',
          title: `Perplexity over ${tokens} tokens, and over the last half: ${model.name}, 4 + ${cache - 4}`,
          columns: ['Cache', 'What is done', 'Perplexity', 'Over the last half', 'Milliseconds a token'],
          digits: [undefined, undefined, 2, 2, 1],
          rows: lines.map(({ kv, way, cell }) => {
            const curve = outcomes.value(cell)
            return [
              kv,
              ways[way],
              perplexityOrReason(cell, outcomes),
              ...(curve === undefined ? ['', ''] : [perplexityOf(curve, tokens / 2), curve.milliseconds / tokens]),
            ]
          }),
        },
      ],
      plots: [
        {
          id: 'key-shift',
          title: 'Re-anchoring against K-shift',
          subtitle: `${model.name}, 4 + ${cache - 4} tokens in the cache`,
          ...overText,
          legend: 'What is done, and the type of the cache',
          series: lines.flatMap(({ kv, way, cell }) => {
            const curve = outcomes.value(cell)
            return curve === undefined
              ? []
              : [perplexitySeries(`${ways[way]}, ${kv}`, curve, { around: 4, dashed: way === 'reanchor' })]
          }),
        },
      ],
      notes: [],
    }),
  }
}

const lags = [1, 16, 64, 256]

/** Our own: what it costs to move the sinks seldom. */
export const reanchorEvery: ExperimentMaker = (setting): Experiment => {
  // Quick: 4 x (256 read + 600 scored) = 18 s + 3 x 7 s.
  const { model, text } = setting
  const cache = scaled(setting, 256)
  const tokens = scaled(setting, setting.quick ? 600 : 10_000)
  const cells = lags.map(lag =>
    perplexityCell(
      setting,
      {
        model,
        policy: 'streaming',
        sinks: 4,
        window: cache - 4,
        reanchorEvery: lag,
        text,
        from: cache,
        tokens,
      },
      `reanchorEvery ${lag}`,
    ),
  )
  return {
    id: 'reanchor-every',
    title: 'Our own: how often the sinks are moved',
    about: `Perplexity and time with the sinks moved up to the window after each 1, 16, 64 and 256 evicted tokens, with 4 + ${cache - 4} tokens in the cache. 1 is the paper to the letter; the default is half of the window, at most 256.`,
    cells,
    present: outcomes => ({
      tables: [
        {
          id: 'reanchor-every',
          title: `${model.name}, 4 + ${cache - 4}, ${tokens} tokens`,
          columns: ['reanchorEvery (tokens)', 'Perplexity', 'Milliseconds a token'],
          digits: [0, 2, 2],
          rows: lags.map((lag, i) => [
            lag,
            perplexityOrReason(cells[i]!, outcomes),
            (outcomes.value(cells[i]!)?.milliseconds ?? NaN) / tokens || '',
          ]),
        },
      ],
      plots: [
        {
          id: 'reanchor-every',
          title: 'Perplexity against reanchorEvery',
          subtitle: `${model.name}, 4 + ${cache - 4} tokens in the cache`,
          x: { title: 'reanchorEvery (evicted tokens, log scale)', scale: 'log' },
          y: { title: 'Perplexity (lower is better)' },
          legend: 'Policy',
          kind: 'points',
          series: [
            {
              name: 'StreamingLLM',
              points: lags.flatMap((lag, i) => {
                const curve = outcomes.value(cells[i]!)
                return curve === undefined ? [] : [{ x: lag, y: perplexityOf(curve) }]
              }),
            },
          ],
        },
      ],
      notes: [],
    }),
  }
}
