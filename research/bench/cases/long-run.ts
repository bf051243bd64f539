import { quantile } from '../../report/statistics.js'
import { alternate, type Course, ratioOf, timesOf } from '../alternate.js'
import { type BenchCase, type CaseOutcome, tokensFor } from '../case.js'
import { TokenProcess } from '../contender-process.js'
import { contenderTitles } from '../contenders.js'

const cache = 1_024
const blockTokens = 500

export const longRun: BenchCase = {
  id: 'long-run',
  title: 'A long run against the floor',
  about:
    'Ours and the floor in alternating blocks on the f16 model with a full cache of 1,024 tokens: the first tokens of each block are dropped. What is looked for is the slow token, so all times count together.',
  minutes: { quick: 1, full: 10 },
  bars: [
    { id: 'p50', what: 'ours / floor, median' },
    { id: 'p99', what: 'ours / floor, p99', max: 1.15 },
    { id: 'worst', what: 'ours / floor, worst token', max: 2 },
  ],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
      quick,
      say,
    } = context
    const tokens = tokensFor(context, { quick: 1_200, full: 20_000 })
    const block = Math.min(quick ? 100 : blockTokens, tokens)
    const rounds = Math.max(1, Math.round(tokens / block))
    const courses = await alternate(
      [
        { name: 'floor', contender: new TokenProcess('floor', signal) },
        { name: 'ours', contender: new TokenProcess('ours', signal) },
      ],
      { model: await f16.path(), cache, sinks: 4, threads, fill: await f16.tokens(cache + 256) },
      {
        rounds,
        block,
        warmUp: 4,
        signal,
        onRound: done => {
          if (done % 10 === 0) say(`long-run: ${done * block} of ${rounds * block} tokens`)
        },
      },
    )
    return present(courses as [Course, Course], f16.title)
  },
}

function present([floor, ours]: [Course, Course], model: string): CaseOutcome {
  const [theirs, mine] = [timesOf(floor), timesOf(ours)]
  // Long enough for a p99, short enough to see something happen.
  const over = Math.max(1, Math.min(500, Math.floor((mine?.tokens ?? 0) / 10)))
  const missing = [floor, ours].flatMap(course =>
    course.missing === undefined
      ? []
      : [{ what: contenderTitles[course.name as 'floor' | 'ours'], reason: course.missing }],
  )
  const measurement = (value: number | undefined) => value ?? { missing: missing[0]?.reason ?? 'no tokens' }
  const quotient = (name: 'median' | 'p99' | 'max') => (mine && theirs ? mine[name] / theirs[name] : undefined)
  const ratio = ratioOf(ours, floor)
  const rows = [floor, ours].flatMap(course => {
    const times = timesOf(course)
    return times === undefined
      ? []
      : [
          [
            contenderTitles[course.name as 'floor' | 'ours'],
            times.median,
            times.p90,
            times.p99,
            times.max,
            times.mean,
            times.tokens,
          ],
        ]
  })
  return {
    measurements: {
      p50: measurement(quotient('median')),
      p99: measurement(quotient('p99')),
      worst: measurement(quotient('max')),
    },
    tables: [
      {
        id: 'long-run-ratios',
        title: 'Ours / floor',
        columns: ['median', 'p90', 'p99', 'worst', 'mean by rounds', 'quartiles'],
        digits: [3, 3, 3, 3, 3, undefined],
        rows:
          mine && theirs && ratio
            ? [
                [
                  mine.median / theirs.median,
                  mine.p90 / theirs.p90,
                  mine.p99 / theirs.p99,
                  mine.max / theirs.max,
                  ratio.median,
                  `${ratio.lower.toFixed(3)} to ${ratio.upper.toFixed(3)}`,
                ],
              ]
            : [],
      },
      {
        id: 'long-run',
        title: 'Time per token (milliseconds)',
        columns: ['Contender', 'median', 'p90', 'p99', 'worst', 'mean', 'tokens'],
        digits: [undefined, 2, 2, 2, 2, 2, 0],
        rows,
      },
    ],
    plots: [
      {
        id: 'long-run',
        title: 'Time per token over a long run',
        subtitle: `${model}, cache 1,024; medians and p99 of the last ${over} tokens`,
        x: { title: 'Tokens generated' },
        y: { title: 'Time per token (milliseconds)' },
        legend: 'Contender',
        series: [floor, ours].flatMap(course => {
          const times = course.blocks.flatMap(each => each.times)
          const title = contenderTitles[course.name as 'floor' | 'ours']
          return [
            { name: `${title}, median`, points: rolling(times, 0.5, over) },
            { name: `${title}, p99`, dashed: true, points: rolling(times, 0.99, over) },
          ]
        }),
      },
    ],
    notes: [],
    missing,
    data: [floor, ours].map(({ name, blocks }) => ({
      name,
      blocks: blocks.map(each => ({ ...each, times: each.times.map(time => Number(time.toFixed(3))) })),
    })),
  }
}

/** A quantile of the last tokens, at some 200 places. */
export function rolling(times: number[], share: number, over: number): { x: number; y: number }[] {
  const size = Math.min(over, times.length)
  const step = Math.max(1, Math.floor((times.length - size) / 200))
  const points: { x: number; y: number }[] = []
  for (let end = size; end > 0 && end <= times.length; end += step)
    points.push({ x: end, y: quantile(times.slice(end - size, end), share) })
  return points
}
