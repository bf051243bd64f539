import { ratioOf, timesOf } from '../alternate.js'
import { type BenchCase, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { Ages, oldAndYoung as task } from '../tasks/generation.js'

const cache = 1_024

export const oldAndYoung: BenchCase = {
  id: 'old-and-young',
  title: 'Age does not slow a chat down',
  about:
    'Two sequences (24M, cache 1,024) in one process, one 190,000 tokens old and one 10,000 (quick: 20,000 and 2,000), in alternating blocks of 100 tokens, with another one first each time. ' +
    "They are aged by appending tokens, which go through the cache and are evicted as generated ones are. Each has a cache of its own: in a shared one it matters where a sequence's cells lie, since llama.cpp's threads share out the cells by their places. " +
    'How much, two sequences of equal age in one cache tell.',
  minutes: { quick: 0.5, full: 4 },
  bars: [
    { id: 'ratio', what: 'old / young, 24M, cache 1,024', max: 1.03 },
    { id: 'places', what: 'first / second of equal age in one shared cache' },
  ],
  run: async context => {
    const { models, threads, signal } = context
    const model = models['24M']
    const old = tokensFor(context, { quick: 20_000, full: 190_000 })
    const young = tokensFor(context, { quick: 2_000, full: 10_000 })
    const tokens = await model.tokens(8_192)
    const common = {
      path: await model.path(),
      threads,
      cache,
      sinks: 4,
      fills: [tokens.slice(0, 4_096), tokens.slice(4_096)],
      rounds: context.quick ? 8 : 30,
      block: 100,
    }
    const measure = (ages: Ages['ages'], shared: boolean) =>
      runTask<Ages, Awaited<ReturnType<typeof task>>>('generation', 'oldAndYoung', { ...common, ages, shared }, signal)
    const measured = await measure([old, young], false)
    const equal = await measure([young, young], true)
    const ratio = ratioOf(measured.old, measured.young)!
    const places = ratioOf(equal.old, equal.young)!
    return {
      measurements: { ratio: ratio.median, places: places.median },
      tables: [
        {
          id: 'old-and-young-ratio',
          title: 'One / the other',
          columns: ['Sequences', 'time per token', 'quartiles', 'rounds'],
          digits: [undefined, 3, undefined, 0],
          rows: (
            [
              ['old / young, a cache each', ratio],
              ['first / second, equal age, one cache', places],
            ] as const
          ).map(([name, { median, lower, upper, rounds }]) => [
            name,
            median,
            `${lower.toFixed(3)} to ${upper.toFixed(3)}`,
            rounds,
          ]),
        },
        {
          id: 'old-and-young',
          title: 'Time per token (milliseconds)',
          columns: ['Sequence', 'tokens seen at the end', 'median', 'p90', 'p99', 'worst', 'mean'],
          digits: [undefined, 0, 3, 3, 3, 3, 3],
          rows: [measured.old, measured.young].map((course, i) => {
            const { median, p90, p99, max, mean } = timesOf(course)!
            return [course.name, measured.seen[i]!, median, p90, p99, max, mean]
          }),
        },
      ],
      plots: [],
      notes: [],
      missing: [],
      data: { measured, equal },
    }
  },
}
