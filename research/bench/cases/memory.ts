import { type BenchCase, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { MemoryTask } from '../tasks/generation.js'

type Sample = { tokens: number; bytes: number; heap: number }

const cache = 1_024
const megabyte = 1e6

export const memory: BenchCase = {
  id: 'memory',
  title: 'Memory over 200,000 tokens',
  about:
    "One sequence (24M, cache 1,024) generates 200,000 tokens (quick: 6,000), all of its text read in JavaScript. Now and then garbage is collected and the process's anonymous memory looked at (RssAnon on Linux, elsewhere the resident set). " +
    'Allocators settle at first, so growth counts from a tenth of the run on: the largest value after it less the value then.',
  minutes: { quick: 0.5, full: 12 },
  bars: [{ id: 'growth', what: 'growth / (1 % or 4 MB, whichever is more)', max: 1 }],
  run: async context => {
    const { models, threads, signal } = context
    const model = models['24M']
    const tokens = tokensFor(context, { quick: 6_000, full: 200_000 })
    const samples = await runTask<MemoryTask, Sample[]>(
      'generation',
      'memoryOverTokens',
      {
        path: await model.path(),
        threads,
        cache,
        sinks: 4,
        fills: [await model.tokens(cache + 256)],
        tokens,
        samples: context.quick ? 20 : 100,
      },
      signal,
    )
    const { from, growth, allowed } = growthOf(samples)
    return {
      measurements: { growth: growth / allowed },
      tables: [
        {
          id: 'memory',
          title: 'Anonymous memory (MB)',
          columns: [
            'Tokens',
            `after ${from.tokens.toLocaleString('en')} tokens`,
            'largest after',
            'at the end',
            'growth',
            'allowed',
            'JavaScript heap, at the end',
          ],
          digits: [0, 2, 2, 2, 2, 2, 2],
          rows: [
            [
              samples.at(-1)!.tokens,
              from.bytes / megabyte,
              (from.bytes + growth) / megabyte,
              samples.at(-1)!.bytes / megabyte,
              growth / megabyte,
              allowed / megabyte,
              samples.at(-1)!.heap / megabyte,
            ],
          ],
        },
      ],
      plots: [
        {
          id: 'memory',
          title: 'Memory over a long run',
          subtitle: `${model.title}, cache 1,024`,
          x: { title: 'Tokens generated' },
          y: { title: 'Memory after a collection (MB)' },
          legend: 'Memory',
          series: [
            {
              name: 'Anonymous memory of the process',
              points: samples.map(sample => ({ x: sample.tokens, y: sample.bytes / megabyte })),
            },
            {
              name: 'JavaScript heap',
              points: samples.map(sample => ({ x: sample.tokens, y: sample.heap / megabyte })),
            },
          ],
        },
      ],
      notes: [],
      missing: [],
      data: samples,
    }
  },
}

/** How much memory grew by once a tenth of the run was over, and by how much it may. */
export function growthOf(samples: Sample[]): { from: Sample; growth: number; allowed: number } {
  const start = Math.ceil((samples.length - 1) / 10)
  const from = samples[start]!
  const growth = Math.max(...samples.slice(start).map(({ bytes }) => bytes)) - from.bytes
  return { from, growth, allowed: Math.max(4 * megabyte, from.bytes / 100) }
}
