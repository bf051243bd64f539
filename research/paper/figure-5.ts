import type { Experiment, ExperimentMaker } from './experiment.js'
import { isMissing } from './experiment.js'
import {
  type Curve,
  countOf,
  overText,
  perplexityCell,
  perplexityOf,
  perplexityOrReason,
  perplexitySeries,
  scaled,
} from './perplexity.js'

/** Figure 5: a very long text, streamed. */
export const figure5: ExperimentMaker = (setting): Experiment => {
  // Quick: the small model, 30,000 tokens in some 20 s, or 2,000 of the report's model where there is no such model.
  const small = setting.quick && !isMissing(setting.explodingModel) ? setting.explodingModel : undefined
  const model = small ?? setting.model
  const cache = scaled(setting, setting.quick ? 256 : 1_024)
  const tokens = scaled(
    setting,
    setting.quick && small === undefined ? Math.min(2_000, setting.longTokens) : setting.longTokens,
  )
  const cell = perplexityCell(
    setting,
    { model, policy: 'streaming', sinks: 4, window: cache - 4, text: setting.text, from: 1, tokens },
    `Figure 5, ${tokens} tokens`,
  )
  return {
    id: 'figure-5',
    title: 'Figure 5: a very long text',
    about: `Streaming over ${tokens} tokens (--long-tokens) with 4 + ${cache - 4} tokens in the cache. A text that is shorter begins again.`,
    cells: [cell],
    present: outcomes => {
      const curve = outcomes.value(cell)
      return {
        tables: [
          {
            id: 'figure-5',
            title: `Figure 5 in numbers: ${model.name}, 4 + ${cache - 4}`,
            columns: ['Part of the text', 'Tokens', 'Perplexity'],
            digits: [undefined, 0, 2],
            rows:
              curve === undefined
                ? [['All', tokens, perplexityOrReason(cell, outcomes)]]
                : [
                    ...[1, 2, 3, 4].map((quarter): [string, number, number] => [
                      `Quarter ${quarter}`,
                      Math.round(tokens / 4),
                      perplexityOf(
                        curve,
                        (tokens * (quarter - 1)) / 4,
                        (tokens * quarter) / 4 + (quarter === 4 ? 1 : 0),
                      ),
                    ]),
                    ['All', countOf(curve), perplexityOf(curve)],
                  ],
          },
        ],
        plots:
          curve === undefined
            ? []
            : [
                {
                  id: 'figure-5',
                  title: 'Perplexity of streaming over a very long text',
                  subtitle: `${model.name}, 4 + ${cache - 4} tokens in the cache`,
                  ...overText,
                  legend: 'Policy',
                  series: [perplexitySeries('StreamingLLM', curve)],
                },
              ],
        notes: [
          'The paper streamed 4 million tokens through Llama-2, MPT, Falcon and Pythia models at a steady perplexity. The ups and downs are those of the text.',
        ],
      }
    },
  }
}

/** A text five times in a row: what is read is the same, so the perplexity must be. */
export const drift: ExperimentMaker = (setting): Experiment => {
  // Quick: 2 x 5 x 20,000 tokens of a model with random weights, in 2 x 25 s. Full: the report's model, 2 x 15 minutes.
  const model = setting.quick ? setting.tinyModel : setting.model
  const cache = scaled(setting, 256)
  const tokens = scaled(setting, 20_000) - 1
  const kinds = ['f16', 'q4_0'] as const
  const cells = kinds.map(kv =>
    perplexityCell(
      setting,
      {
        model,
        policy: 'streaming',
        sinks: 4,
        window: cache - 4,
        kv,
        text: setting.text,
        from: 1,
        tokens,
        passes: 5,
      },
      `Drift, ${kv}`,
    ),
  )
  const passOf = (curve: Curve, pass: number) => perplexityOf(curve, pass * (tokens + 1), (pass + 1) * (tokens + 1))
  return {
    id: 'drift',
    title: 'It does not drift: a text five times in a row',
    about:
      `The first ${tokens + 1} tokens of the text, five times in a row without a break, with 4 + ${cache - 4} tokens in the cache. After the first pass each pass reads the same from the same, ` +
      'so its perplexity must stay; the cells of a cache that lost precision over time would show here.',
    cells,
    present: outcomes => ({
      tables: [
        {
          id: 'drift',
          title: `Perplexity of each pass: ${model.name}`,
          columns: ['Cache', '1st pass', '2nd', '3rd', '4th', '5th', '5th against 2nd (%)'],
          digits: [undefined, 3, 3, 3, 3, 3, 3],
          rows: kinds.map((kv, i) => {
            const curve = outcomes.value(cells[i]!)
            if (curve === undefined) return [kv, perplexityOrReason(cells[i]!, outcomes), '', '', '', '', '']
            const passes = [0, 1, 2, 3, 4].map(pass => passOf(curve, pass))
            return [kv, ...passes, (passes[4]! / passes[1]! - 1) * 100]
          }),
        },
      ],
      plots: [
        {
          id: 'drift',
          title: `A text of ${(tokens + 1).toLocaleString('en')} tokens, five times in a row`,
          subtitle: `${model.name}, 4 + ${cache - 4} tokens in the cache`,
          x: { title: 'Position (tokens)' },
          y: { title: 'Perplexity (lower is better)', zero: false },
          legend: 'Cache',
          series: kinds.flatMap((kv, i) => {
            const curve = outcomes.value(cells[i]!)
            return curve === undefined ? [] : [perplexitySeries(kv, curve, { around: 0, dashed: kv === 'q4_0' })]
          }),
        },
      ],
      notes: setting.quick
        ? [
            "The quick run takes a tiny model with random weights: it shows what the cache does, not what a language model knows. The full run takes the report's model.",
          ]
        : [],
    }),
  }
}
