import { alternate, type Course, type Entrant, ratioOf, timesOf } from '../alternate.js'
import type { Bar, BenchCase, BenchContext, CaseOutcome, Measurement } from '../case.js'
import { TokenProcess } from '../contender-process.js'
import { type ContenderName, contenderTitles } from '../contenders.js'
import type { ModelId } from '../models.js'

type CellCourses = { model: ModelId; title: string; courses: (Course & { name: ContenderName })[] }

const sinks = 4
const about =
  'Each contender in a process of its own, its cache filled; then rounds of blocks of tokens, turn about, with another contender first in each round and the first tokens of a block dropped. ' +
  "A ratio is the median over the rounds of the quotient of two blocks' mean times per token, with its quartiles. Equal threads and model, f16 cache, flash attention, greedy sampling; 4 sinks. " +
  'The floor is a loop of llama_decode in C++ on the same libraries at the same number of filled cells, without eviction. Ours is the time from event to event of the async generator in JavaScript. ' +
  'Recompute decodes the whole window afresh for each token.'

/** What one size of the cache has of its own. */
interface Size {
  cache: number
  minutes: BenchCase['minutes']
  /** The most important first. */
  models: Record<'full' | 'quick', ModelId[]>
  /** Whole caches that are recomputed, for one token each: with 4,096 tokens that is half a minute on 2 cores. */
  recomputed: Record<'full' | 'quick', number>
  bars: (Bar & { of: [model: ModelId, contender: ContenderName, to: ContenderName]; worst?: boolean })[]
}

const sizes: Size[] = [
  {
    cache: 1_024,
    minutes: { quick: 3, full: 10 },
    models: { full: ['f16', 'downloaded', '134M', '24M'], quick: ['f16', 'downloaded', '134M', '24M'] },
    recomputed: { full: 8, quick: 3 },
    bars: [
      {
        id: 'floor-downloaded',
        what: 'ours / floor, model as downloaded',
        max: 1.05,
        of: ['downloaded', 'ours', 'floor'],
      },
      { id: 'floor-f16', what: 'ours / floor, f16', max: 1.05, of: ['f16', 'ours', 'floor'] },
      { id: 'floor-134M', what: 'ours / floor, 134M', max: 1.05, of: ['134M', 'ours', 'floor'] },
      {
        id: 'node-f16',
        what: 'node-llama-cpp evaluate / ours, f16',
        min: 1.6,
        of: ['f16', 'node-llama-cpp', 'ours'],
      },
      {
        id: 'node-24M',
        what: 'node-llama-cpp evaluate / ours, 24M',
        min: 2.5,
        of: ['24M', 'node-llama-cpp', 'ours'],
      },
      { id: 'server-f16', what: 'llama-server / ours, f16', min: 0.95, of: ['f16', 'llama-server', 'ours'] },
      {
        id: 'recompute',
        what: 'recompute / ours, model as downloaded',
        min: 22.2,
        of: ['downloaded', 'recompute', 'ours'],
      },
    ],
  },
  {
    cache: 256,
    minutes: { quick: 1, full: 4 },
    models: { full: ['f16', 'downloaded'], quick: ['downloaded'] },
    recomputed: { full: 12, quick: 6 },
    bars: [
      {
        id: 'recompute',
        what: 'recompute / ours, model as downloaded',
        min: 22.2,
        of: ['downloaded', 'recompute', 'ours'],
      },
    ],
  },
  {
    cache: 4_096,
    minutes: { quick: 0, full: 16 },
    models: { full: ['f16', 'downloaded'], quick: [] },
    recomputed: { full: 4, quick: 0 },
    bars: [
      {
        id: 'server-worst',
        what: 'llama-server / ours, worst token, f16',
        min: 1.5,
        of: ['f16', 'llama-server', 'ours'],
        worst: true,
      },
      {
        id: 'recompute',
        what: 'recompute / ours, model as downloaded',
        min: 22.2,
        of: ['downloaded', 'recompute', 'ours'],
      },
    ],
  },
]

/** One case for each size of the cache: `token-time` for 1,024 tokens, `token-time-256`, `token-time-4096`. */
export const tokenTimes: BenchCase[] = sizes.map(size => ({
  id: size.cache === 1_024 ? 'token-time' : `token-time-${size.cache}`,
  title: `Time per token at a full cache of ${size.cache.toLocaleString('en')} tokens`,
  about,
  minutes: size.minutes,
  bars: size.bars.map(({ id, what, max, min }) => ({
    id,
    what: `${what}, cache ${size.cache.toLocaleString('en')}`,
    max,
    min,
  })),
  run: async context => {
    const models = size.models[context.quick ? 'quick' : 'full']
    const measured: CellCourses[] = []
    for (const [i, model] of models.entries()) {
      context.say(`cache ${size.cache}, ${i + 1} of ${models.length}: ${context.models[model].title}`)
      measured.push(await measure(context, size, model))
    }
    return present(size, measured)
  },
}))

async function measure(
  { quick, scale, threads, models, signal }: BenchContext,
  { cache, recomputed }: Size,
  model: ModelId,
): Promise<CellCourses> {
  const { path, tokens, title } = models[model]
  const count = recomputed[quick ? 'quick' : 'full']
  const names: ContenderName[] = [
    'floor',
    'ours',
    'node-llama-cpp',
    'llama-server',
    ...(model === 'downloaded' ? ['recompute' as const] : []),
  ]
  // Blocks in which node-llama-cpp, which drops 100 tokens at a time, does so once each.
  const rounds = Math.max(2, Math.round((quick ? 3 : 12) * scale))
  const plan = { rounds, block: quick && scale < 1 ? Math.ceil(100 * scale) : 100, warmUp: 4, signal }
  // And llama-server, which drops half of the cache, in all of its blocks together so many times and no half of a time.
  const half = cache / 2
  const serverBlock = scale < 1 ? plan.block : Math.ceil((Math.ceil((rounds * plan.block) / half) * half) / rounds)
  const special: Partial<Record<ContenderName, Partial<Entrant>>> = {
    'llama-server': { block: serverBlock },
    recompute: { block: 1, warmUp: cache > 1_024 ? 0 : 1, rounds: Math.max(1, Math.round(count * scale)) },
  }
  const entrants = names.map((name): Entrant => ({ name, contender: new TokenProcess(name, signal), ...special[name] }))
  const setting = { model: await path(), cache, sinks, threads, fill: await tokens(cache + 256) }
  return { model, title, courses: (await alternate(entrants, setting, plan)) as CellCourses['courses'] }
}

function present({ cache, bars }: Size, cells: CellCourses[]): CaseOutcome {
  const of = (cell: CellCourses | undefined, name: ContenderName) => cell?.courses.find(course => course.name === name)
  const measurement = ({ of: [model, name, to], worst }: Size['bars'][number]): Measurement => {
    const cell = cells.find(each => each.model === model)
    const [course, other] = [of(cell, name), of(cell, to)]
    if (course === undefined || other === undefined) return { missing: 'not part of the quick run' }
    const [mine, theirs] = [timesOf(course), timesOf(other)]
    const value = worst ? mine && theirs && mine.max / theirs.max : ratioOf(course, other)?.median
    return value ?? { missing: course.missing ?? other.missing ?? 'no round had both' }
  }
  const rows = cells.flatMap(cell => cell.courses.map(course => ({ cell, course, times: timesOf(course) })))
  const ratioCells = (course: Course, to: Course | undefined) => {
    const found = to && ratioOf(course, to)
    return found === undefined ? ['-', '-'] : [found.median, `${found.lower.toFixed(3)} to ${found.upper.toFixed(3)}`]
  }
  return {
    measurements: Object.fromEntries(bars.map(bar => [bar.id, measurement(bar)])),
    tables: [
      {
        id: `token-time-ratios-${cache}`,
        title: 'Time per token as a ratio',
        columns: ['Model', 'Contender', '/ floor', 'quartiles', '/ ours', 'quartiles '],
        digits: [undefined, undefined, 3, undefined, 3, undefined],
        rows: rows
          .filter(({ times }) => times !== undefined)
          .map(({ cell, course }) => [
            cell.title,
            contenderTitles[course.name],
            ...ratioCells(course, of(cell, 'floor')),
            ...ratioCells(course, of(cell, 'ours')),
          ]),
      },
      {
        id: `token-time-${cache}`,
        title: 'Time per token (milliseconds)',
        columns: ['Model', 'Contender', 'median', 'p90', 'p99', 'worst', 'mean', 'tokens'],
        digits: [undefined, undefined, 2, 2, 2, 2, 2, 0],
        rows: rows.flatMap(({ cell, course, times }) =>
          times === undefined
            ? []
            : [
                [
                  cell.title,
                  contenderTitles[course.name],
                  times.median,
                  times.p90,
                  times.p99,
                  times.max,
                  times.mean,
                  times.tokens,
                ],
              ],
        ),
      },
    ],
    plots: [],
    notes: [
      'p99 of fewer than 100 tokens is their worst.',
      "llama-server's cache is three quarters full on average, as it drops half of it at a time; it generates more tokens, so that whole such periods are measured. The others are full, node-llama-cpp but for up to 100 tokens.",
    ],
    missing: rows.flatMap(({ cell, course }) =>
      course.missing === undefined
        ? []
        : [{ what: `${contenderTitles[course.name]}, ${cell.title}, cache ${cache}`, reason: course.missing }],
    ),
    data: cells.map(({ model, courses }) => ({
      model,
      cache,
      courses: courses.map(({ name, blocks, missing }) => ({
        name,
        missing,
        blocks: blocks.map(block => ({ ...block, times: block.times.map(time => Number(time.toFixed(4))) })),
      })),
    })),
  }
}
