import { median, quantile } from '../../report/statistics.js'
import { type BenchCase, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { Pace, paceBesidePrompt } from '../tasks/generation.js'

const cache = 1_024

export const pace: BenchCase = {
  id: 'pace',
  title: "A running chat beside another one's prompt",
  about:
    'One sequence generates (the f16 model, cache 1,024) while the prompt of another one, of 4,000 tokens (quick: 1,000), is decoded: milliseconds between its tokens, against those while it is alone.',
  minutes: { quick: 0.6, full: 2 },
  bars: [
    { id: 'median', what: 'interval between tokens beside a prompt / alone, median' },
    { id: 'worst', what: 'interval between tokens beside a prompt / alone, worst' },
  ],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
    } = context
    const size = tokensFor(context, { quick: 1_000, full: 4_000 })
    const tokens = await f16.tokens(cache + 64 + 2 * size)
    const measured = await runTask<Pace, Awaited<ReturnType<typeof paceBesidePrompt>>>(
      'generation',
      'paceBesidePrompt',
      {
        path: await f16.path(),
        threads,
        cache,
        sinks: 4,
        // The first prompt, decoded with nothing beside it, and the second must differ from the start.
        fills: [
          tokens.slice(0, cache + 64),
          tokens.slice(cache + 64, cache + 64 + size),
          tokens.slice(cache + 64 + size),
        ],
        alone: tokensFor(context, { quick: 60, full: 300 }),
        prompt: size,
      },
      signal,
    )
    const { alone, beside, promptMs, promptAloneMs } = measured
    const rows = [
      ['alone', alone],
      ['beside a prompt', beside],
    ] as const
    return {
      measurements:
        beside.length === 0
          ? {
              median: { missing: 'no token came while the prompt was decoded' },
              worst: { missing: 'no token came while the prompt was decoded' },
            }
          : { median: median(beside) / median(alone), worst: Math.max(...beside) / Math.max(...alone) },
      tables: [
        {
          id: 'pace',
          title: 'Interval between the tokens of the running sequence (milliseconds)',
          columns: ['The sequence is', 'median', 'p99', 'worst', 'tokens'],
          digits: [undefined, 1, 1, 1, 0],
          rows: rows
            .filter(([, times]) => times.length > 0)
            .map(([name, times]) => [
              name,
              median([...times]),
              quantile([...times], 0.99),
              Math.max(...times),
              times.length,
            ]),
        },
        {
          id: 'pace-prompt',
          title: `The prompt of ${size.toLocaleString('en')} tokens`,
          columns: ['', 'tokens a second', 'beside / alone, time'],
          digits: [undefined, 0, 2],
          rows: [
            ['alone', (size / promptAloneMs) * 1_000, 1],
            ['beside a running sequence', (size / promptMs) * 1_000, promptMs / promptAloneMs],
          ],
        },
      ],
      plots: [],
      notes: [],
      missing: [],
      data: measured,
    }
  },
}
