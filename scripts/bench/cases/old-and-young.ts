import { ratioOf, timesOf } from '../alternate.js'
import { tokensFor, type BenchCase } from '../case.js'
import { runTask } from '../run-task.js'
import type { Ages, oldAndYoung as task } from '../tasks/generation.js'

const cache = 1_024

export const oldAndYoung: BenchCase = {
  id: 'old-and-young',
  title: 'Age does not slow a chat down',
  about: 'Two sequences of one loaded model (24M, cache 1,024), one 190,000 tokens old and one 10,000 (quick: 20,000 and 2,000), in alternating blocks of 100 tokens, with another one first each time. '
    + 'They are aged by appending tokens, which go through the cache and are evicted as generated ones are.',
  minutes: { quick: 0.5, full: 4 },
  bars: [{ id: 'ratio', what: 'old / young, 24M, cache 1,024', most: 1.03 }],
  run: async context => {
    const { models, threads, signal } = context
    const model = models['24M']
    const old = tokensFor(context, { quick: 20_000, full: 190_000 })
    const young = tokensFor(context, { quick: 2_000, full: 10_000 })
    const tokens = await model.tokens(8_192)
    const measured = await runTask<Ages, Awaited<ReturnType<typeof task>>>('generation', 'oldAndYoung', {
      path: await model.path(), threads, cache, sinks: 4, fills: [tokens.slice(0, 4_096), tokens.slice(4_096)],
      ages: [old, young], rounds: context.quick ? 8 : 30, block: 100,
    }, signal)
    const ratio = ratioOf(measured.old, measured.young)!
    return {
      figures: { ratio: ratio.median },
      tables: [{
        id: 'old-and-young-ratio',
        title: 'Old / young',
        columns: ['Time per token', 'quartiles', 'rounds'],
        digits: [3, undefined, 0],
        rows: [[ratio.median, `${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)}`, ratio.rounds]],
      }, {
        id: 'old-and-young',
        title: 'Time per token (milliseconds)',
        columns: ['Sequence', 'tokens seen at the end', 'median', 'p90', 'p99', 'worst', 'mean'],
        digits: [undefined, 0, 3, 3, 3, 3, 3],
        rows: [measured.old, measured.young].map((course, i) => {
          const { median, p90, p99, max, mean } = timesOf(course)!
          return [course.name, measured.seen[i]!, median, p90, p99, max, mean]
        }),
      }],
      plots: [],
      notes: [],
      missing: [],
      data: measured,
    }
  },
}
