import { type BenchCase, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { Fairness } from '../tasks/generation.js'

const cache = 256
const sequences = 4

export const fairness: BenchCase = {
  id: 'fairness',
  title: 'Shares of chats that run at once',
  about:
    'Four sequences of one loaded f16 model (cache 256 each) generate at once for the same time, all read in JavaScript: how many tokens each one got.',
  minutes: { quick: 0.4, full: 0.8 },
  bars: [{ id: 'shares', what: 'tokens of the luckiest / of the unluckiest of 4 sequences' }],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
    } = context
    const milliseconds = tokensFor(context, { quick: 8_000, full: 30_000 })
    const all = await f16.tokens(sequences * (cache + 64))
    const tokens = await runTask<Fairness, number[]>(
      'generation',
      'sharesOfTime',
      {
        path: await f16.path(),
        threads,
        cache,
        sinks: 4,
        milliseconds,
        fills: Array.from({ length: sequences }, (_, i) => all.slice(i * (cache + 64), (i + 1) * (cache + 64))),
      },
      signal,
    )
    return {
      measurements: { shares: Math.max(...tokens) / Math.min(...tokens) },
      tables: [
        {
          id: 'fairness',
          title: `Tokens in ${(milliseconds / 1_000).toFixed(1)} seconds`,
          columns: ['largest / smallest', ...tokens.map((_, i) => `sequence ${i + 1}`)],
          digits: [3, ...tokens.map(() => 0)],
          rows: [[Math.max(...tokens) / Math.min(...tokens), ...tokens]],
        },
      ],
      plots: [],
      notes: [],
      missing: [],
      data: tokens,
    }
  },
}
