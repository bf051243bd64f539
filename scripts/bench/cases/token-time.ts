import { alternate, ratioOf, timesOf, type Course, type Entrant } from '../alternate.js'
import type { BenchCase, BenchContext, CaseOutcome, Figure } from '../case.js'
import { TokenProcess } from '../contender-process.js'
import { contenderTitles, type ContenderName } from '../contenders.js'
import type { ModelId } from '../models.js'

type Cell = { model: ModelId; cache: number }
type CellCourses = Cell & { title: string; courses: (Course & { name: ContenderName })[] }

const sinks = 4
const caches = [256, 1_024, 4_096]
// The most important first.
const fullCells: Cell[] = (['f16', 'downloaded', '134M', '24M'] as const).flatMap(model => caches.map(cache => ({ model, cache })))
const quickCells: Cell[] = [...(['f16', 'downloaded', '134M', '24M'] as const).map(model => ({ model, cache: 1_024 })), { model: 'downloaded', cache: 256 }]
// Whole caches that are recomputed, for one token each: with 4,096 tokens that is half a minute on 2 cores.
const recomputed: Record<'quick' | 'full', Record<number, number>> = {
  quick: { 256: 6, 1_024: 3 },
  full: { 256: 12, 1_024: 8, 4_096: 4 },
}

export const tokenTime: BenchCase = {
  id: 'token-time',
  title: 'Time per token at a full cache',
  about: 'Each contender in a process of its own, its cache filled; then rounds of blocks of tokens, turn about, with another contender first in each round and the first tokens of a block dropped. '
    + 'A ratio is the median over the rounds of the quotient of two blocks\' mean times per token, with its quartiles. Equal threads and model, f16 cache, flash attention, greedy sampling; 4 sinks. '
    + 'The floor is a loop of llama_decode in C++ on the same libraries at the same number of filled cells, without eviction. Ours is the time from event to event of the async generator in JavaScript. '
    + 'Recompute decodes the whole window afresh for each token.',
  minutes: { quick: 3, full: 22 },
  bars: [
    { id: 'floor-downloaded', what: 'ours / floor, model as downloaded, cache 1,024', most: 1.05 },
    { id: 'floor-f16', what: 'ours / floor, f16, cache 1,024', most: 1.05 },
    { id: 'floor-134M', what: 'ours / floor, 134M, cache 1,024', most: 1.05 },
    { id: 'node-f16', what: 'node-llama-cpp evaluate / ours, f16, cache 1,024', least: 1.6 },
    { id: 'node-24M', what: 'node-llama-cpp evaluate / ours, 24M, cache 1,024', least: 2.5 },
    { id: 'server-f16', what: 'llama-server / ours, f16, cache 1,024', least: 0.95 },
    { id: 'server-worst', what: 'llama-server / ours, worst token, f16, cache 4,096', least: 1.5 },
    ...caches.map(cache => ({ id: `recompute-${cache}`, what: `recompute / ours, model as downloaded, cache ${cache.toLocaleString('en')}`, least: 22.2 })),
  ],
  run: async context => {
    const measured: CellCourses[] = []
    const cells = context.quick ? quickCells : fullCells
    for (const [i, cell] of cells.entries()) {
      context.say(`token-time, ${i + 1} of ${cells.length}: ${context.models[cell.model].title}, cache ${cell.cache}`)
      measured.push(await measure(context, cell))
    }
    return present(measured)
  },
}

async function measure({ quick, scale, threads, models, signal }: BenchContext, { model, cache }: Cell): Promise<CellCourses> {
  const { path, tokens, title } = models[model]
  const count = recomputed[quick ? 'quick' : 'full'][cache]
  const names: ContenderName[] = ['floor', 'ours', 'node-llama-cpp', 'llama-server', ...(model === 'downloaded' && count !== undefined ? ['recompute' as const] : [])]
  // Blocks in which node-llama-cpp, which drops 100 tokens at a time, does so once each.
  const rounds = Math.max(2, Math.round((quick ? 3 : 12) * scale))
  const plan = { rounds, block: quick && scale < 1 ? Math.ceil(100 * scale) : 100, warmUp: 4, signal }
  // And llama-server, which drops half of the cache, in all of its blocks together so many times and no half of a time.
  const half = cache / 2
  const serverBlock = scale < 1 ? plan.block : Math.ceil(Math.ceil(rounds * plan.block / half) * half / rounds)
  const special: Partial<Record<ContenderName, Partial<Entrant>>> = {
    'llama-server': { block: serverBlock },
    recompute: { block: 1, warmUp: cache > 1_024 ? 0 : 1, rounds: Math.max(1, Math.round((count ?? 0) * scale)) },
  }
  const entrants = names.map((name): Entrant => ({ name, contender: new TokenProcess(name, signal), ...special[name] }))
  const setting = { model: await path(), cache, sinks, threads, fill: await tokens(cache + 256) }
  return { model, cache, title, courses: await alternate(entrants, setting, plan) as CellCourses['courses'] }
}

function present(cells: CellCourses[]): CaseOutcome {
  const of = (cell: CellCourses | undefined, name: ContenderName) => cell?.courses.find(course => course.name === name)
  const at = (model: ModelId, cache: number) => cells.find(cell => cell.model === model && cell.cache === cache)
  const figure = (model: ModelId, cache: number, name: ContenderName, to: ContenderName, value: (course: Course, other: Course) => number | undefined): Figure => {
    const cell = at(model, cache)
    const [course, other] = [of(cell, name), of(cell, to)]
    if (course === undefined || other === undefined) return { missing: 'not part of the quick run' }
    return value(course, other) ?? { missing: course.missing ?? other.missing ?? 'no round had both' }
  }
  const ratio = (course: Course, other: Course) => ratioOf(course, other)?.median
  const worst = (course: Course, other: Course) => {
    const [mine, theirs] = [timesOf(course), timesOf(other)]
    return mine && theirs && mine.max / theirs.max
  }
  const rows = cells.flatMap(cell => cell.courses.map(course => ({ cell, course, times: timesOf(course) })))
  const ratioCells = (course: Course, to: Course | undefined) => {
    const found = to && ratioOf(course, to)
    return found === undefined ? ['-', '-'] : [found.median, `${found.lower.toFixed(3)} to ${found.upper.toFixed(3)}`]
  }
  return {
    figures: {
      'floor-downloaded': figure('downloaded', 1_024, 'ours', 'floor', ratio),
      'floor-f16': figure('f16', 1_024, 'ours', 'floor', ratio),
      'floor-134M': figure('134M', 1_024, 'ours', 'floor', ratio),
      'node-f16': figure('f16', 1_024, 'node-llama-cpp', 'ours', ratio),
      'node-24M': figure('24M', 1_024, 'node-llama-cpp', 'ours', ratio),
      'server-f16': figure('f16', 1_024, 'llama-server', 'ours', ratio),
      'server-worst': figure('f16', 4_096, 'llama-server', 'ours', worst),
      ...Object.fromEntries(caches.map(cache => [`recompute-${cache}`, figure('downloaded', cache, 'recompute', 'ours', ratio)])),
    },
    tables: [{
      id: 'token-time-ratios',
      title: 'Time per token as a ratio',
      columns: ['Model', 'Cache (tokens)', 'Contender', '/ floor', 'quartiles', '/ ours', 'quartiles '],
      digits: [undefined, 0, undefined, 3, undefined, 3, undefined],
      rows: rows.filter(({ times }) => times !== undefined).map(({ cell, course }) => [
        cell.title, cell.cache, contenderTitles[course.name], ...ratioCells(course, of(cell, 'floor')), ...ratioCells(course, of(cell, 'ours')),
      ]),
    }, {
      id: 'token-time',
      title: 'Time per token (milliseconds)',
      columns: ['Model', 'Cache (tokens)', 'Contender', 'median', 'p90', 'p99', 'worst', 'mean', 'tokens'],
      digits: [undefined, 0, undefined, 2, 2, 2, 2, 2, 0],
      rows: rows.flatMap(({ cell, course, times }) => (times === undefined ? [] : [[cell.title, cell.cache, contenderTitles[course.name], times.median, times.p90, times.p99, times.max, times.mean, times.tokens]])),
    }],
    plots: [],
    notes: ['p99 of fewer than 100 tokens is their worst.', 'llama-server\'s cache is three quarters full on average, as it drops half of it at a time; it generates more tokens, so that whole such periods are measured. The others are full, node-llama-cpp but for up to 100 tokens.'],
    missing: rows.flatMap(({ cell, course }) => (course.missing === undefined ? [] : [{ what: `${contenderTitles[course.name]}, ${cell.title}, cache ${cell.cache}`, reason: course.missing }])),
    data: cells.map(({ model, cache, courses }) => ({
      model, cache, courses: courses.map(({ name, blocks, missing }) => ({ name, missing, blocks: blocks.map(block => ({ ...block, times: block.times.map(time => Number(time.toFixed(4))) })) })),
    })),
  }
}
