import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StreamEvent } from '../../lib/events.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import type { Sequence } from '../../lib/index.js'
import { alternate, type Course, ratioOf, timesOf } from '../../research/bench/alternate.js'
import { type BenchCase, type CaseOutcome, isMet, tokensFor } from '../../research/bench/case.js'
import { rolling } from '../../research/bench/cases/long-run.js'
import { growthOf } from '../../research/bench/cases/memory.js'
import { present as presentTurns } from '../../research/bench/cases/turns.js'
import type { Contender, ContenderSetting } from '../../research/bench/contender.js'
import { questions } from '../../research/bench/questions.js'
import { randomModel, randomTokens } from '../../research/bench/random-model.js'
import { reportMarkdown } from '../../research/bench/report.js'
import { earlierResults, type Results, writeResults } from '../../research/bench/results.js'
import { timedTokens } from '../../research/bench/timed-tokens.js'
import { mean, median, quantile } from '../../research/report/statistics.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('statistics', () => {
  it('takes the middle, the quantiles by rank, and the mean', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
    expect(quantile([10, 30, 20, 40], 0.5)).toBe(20)
    expect(quantile([10, 30, 20, 40], 0.99)).toBe(40)
    expect(quantile([10], 0)).toBe(10)
    expect(mean([1, 2, 6])).toBe(3)
  })
})

const setting: ContenderSetting = { model: 'none', cache: 8, sinks: 4, threads: 1, fill: [] }

/** Takes as long for each token as it is told, and writes down what it was asked. */
class FakeContender implements Contender {
  constructor(
    readonly name: string,
    readonly log: string[],
    readonly time: (call: number) => number,
    readonly fails: (call: string) => string | undefined = () => undefined,
  ) {}
  #calls = 0

  async start(): Promise<void> {
    this.#note('start')
  }

  async generate(count: number): Promise<number[]> {
    this.#note(`generate ${count}`)
    const time = this.time(this.#calls++)
    return Array.from({ length: count }, () => time)
  }

  async close(): Promise<void> {
    this.#note('close')
  }

  #note(call: string): void {
    this.log.push(`${this.name} ${call}`)
    const failure = this.fails(call)
    if (failure !== undefined) throw new Error(failure)
  }
}

describe('contenders in turns', () => {
  it('start before anybody generates, begin in another order each round, and are closed', async () => {
    const log: string[] = []
    const entrants = ['a', 'b', 'c'].map(name => ({ name, contender: new FakeContender(name, log, () => 1) }))
    await alternate(entrants, setting, { rounds: 2, block: 5, warmUp: 2 })
    expect(log).toEqual([
      'a start',
      'b start',
      'c start',
      ...['a', 'b', 'c', 'b', 'c', 'a'].flatMap(name => [`${name} generate 2`, `${name} generate 5`]),
      'a close',
      'b close',
      'c close',
    ])
  })

  it('drops the warm-up, and lets one take part with blocks and rounds of its own', async () => {
    const log: string[] = []
    const [fast, slow] = await alternate(
      [
        { name: 'fast', contender: new FakeContender('fast', log, call => (call % 2 === 0 ? 100 : 1)) },
        { name: 'slow', contender: new FakeContender('slow', log, () => 7), block: 2, warmUp: 0, rounds: 1 },
      ],
      setting,
      { rounds: 3, block: 4, warmUp: 1 },
    )
    expect(timesOf(fast!)).toEqual({ tokens: 12, median: 1, p90: 1, p99: 1, max: 1, mean: 1 })
    expect(slow!.blocks).toEqual([{ round: 0, tokens: 2, times: [7, 7] }])
    expect(ratioOf(slow!, fast!)).toEqual({ median: 7, lower: 7, upper: 7, rounds: 1 })
  })

  it('say why one is missing, whether it cannot start or fails later, and go on without it', async () => {
    const log: string[] = []
    let generated = 0
    const courses = await alternate(
      [
        { name: 'sound', contender: new FakeContender('sound', log, () => 1) },
        {
          name: 'absent',
          contender: new FakeContender(
            'absent',
            log,
            () => 1,
            call => (call === 'start' ? 'it is not built' : undefined),
          ),
        },
        {
          name: 'failing',
          contender: new FakeContender(
            'failing',
            log,
            () => 1,
            call => (call.startsWith('generate') && ++generated > 1 ? 'it broke' : undefined),
          ),
        },
      ],
      setting,
      { rounds: 3, block: 2, warmUp: 0 },
    )
    expect(courses.map(({ missing, blocks }) => [missing, blocks.length])).toEqual([
      [undefined, 3],
      ['it is not built', 0],
      ['it broke', 1],
    ])
    expect(log.filter(each => each.endsWith('close'))).toHaveLength(3)
    expect(log).not.toContain('absent generate 2')
  })

  it('are closed when the run is interrupted', async () => {
    const log: string[] = []
    const controller = new AbortController()
    const contender = new FakeContender('a', log, () => {
      controller.abort(new Error('Ctrl-C'))
      return 1
    })
    await expect(
      alternate([{ name: 'a', contender }], setting, { rounds: 3, block: 1, warmUp: 0, signal: controller.signal }),
    ).rejects.toThrow('Ctrl-C')
    expect(log.at(-1)).toBe('a close')
  })
})

describe('ratios and times', () => {
  const course = (name: string, blocks: [round: number, tokens: number, times: number[]][]): Course => ({
    name,
    blocks: blocks.map(([round, tokens, times]) => ({ round, tokens, times })),
  })

  it('compare blocks of the same round only, by time per token', () => {
    const floor = course('floor', [
      [0, 2, [1, 1]],
      [1, 2, [2, 2]],
      [2, 2, [4, 4]],
    ])
    // In round 1 two tokens came at once: one interval, two tokens.
    const ours = course('ours', [
      [0, 2, [2, 2]],
      [1, 2, [8]],
      [2, 2, [4, 4]],
    ])
    expect(ratioOf(ours, floor)).toEqual({ median: 2, lower: 1, upper: 2, rounds: 3 })
    expect(timesOf(ours)).toEqual({ tokens: 6, median: 4, p90: 8, p99: 8, max: 8, mean: 20 / 6 })
    expect(ratioOf(course('late', [[7, 1, [1]]]), floor)).toBeUndefined()
    expect(timesOf(course('absent', []))).toBeUndefined()
  })

  it('roll over the last values', () => {
    expect(rolling([1, 9, 2, 8], 0.5, 2)).toEqual([
      { x: 2, y: 1 },
      { x: 3, y: 2 },
      { x: 4, y: 2 },
    ])
    expect(rolling([], 0.5, 5)).toEqual([])
    expect(rolling(Array(40_000).fill(1), 0.99, 500).length).toBeLessThan(250)
  })

  it('count growth of memory from a tenth of the run on', () => {
    const samples = [10, 500, 502, 507, 503, 501, 500, 500, 500, 500, 500].map((megabytes, i) => ({
      tokens: i,
      bytes: megabytes * 1e6,
      heap: 0,
    }))
    expect(growthOf(samples)).toEqual({ from: samples[1], growth: 7e6, allowed: 5e6 })
  })
})

describe('tokens of our own road', () => {
  const finish = (completionTokens: number, reason: 'length' | 'end'): StreamEvent => ({
    type: 'finish',
    reason,
    usage: { promptTokens: 0, reusedTokens: 0, completionTokens, seenTokens: 0, cachedTokens: 0, evictedTokens: 0 },
    timings: { promptMs: 0, generationMs: 0, tokensPerSecond: 0 },
  })
  const text: StreamEvent = { type: 'text', text: 'a' }

  function fake(replies: StreamEvent[][]): { sequence: Sequence; asked: { tokens: number[]; maxTokens: number }[] } {
    const asked: { tokens: number[]; maxTokens: number }[] = []
    const sequence = {
      async *generate(options: { tokens: number[]; maxTokens: number }) {
        asked.push({ tokens: options.tokens, maxTokens: options.maxTokens })
        for (const event of replies.shift() ?? []) yield event
      },
    }
    return { sequence: sequence as unknown as Sequence, asked }
  }

  it('are counted by the usage, not by the events', async () => {
    const { sequence } = fake([[text, text, finish(3, 'length')]])
    const { times, tokens, ends } = await timedTokens(sequence, 3, () => [])
    expect([times.length, tokens, ends]).toEqual([2, 3, 0])
  })

  it('go on with other tokens when the model ends its text', async () => {
    const { sequence, asked } = fake([
      [text, finish(1, 'end')],
      [text, text, finish(2, 'length')],
    ])
    const { times, tokens, ends } = await timedTokens(sequence, 3, () => [7, 8])
    expect([times.length, tokens, ends]).toEqual([3, 3, 1])
    expect(asked).toEqual([
      { tokens: [], maxTokens: 3 },
      { tokens: [7, 8], maxTokens: 2 },
    ])
  })
})

describe('models of random weights', () => {
  const shape = { layers: 2, width: 128, feedForward: 192, vocabulary: 600, tied: false }

  it('are sound files, the same each time', async () => {
    const file = Buffer.concat([...randomModel(shape)])
    const path = join(folder, 'random.gguf')
    await writeFile(path, file)
    const { architecture, metadata } = await checkModelFile(path)
    expect([architecture, metadata.get('llama.context_length'), metadata.get('llama.block_count')]).toEqual([
      'llama',
      8_192,
      2,
    ])
    expect(Buffer.concat([...randomModel(shape)]).equals(file)).toBe(true)
    // Tied, the output matrix is left out.
    const tied = Buffer.concat([...randomModel({ ...shape, tied: true })])
    const matrix = shape.width * shape.vocabulary * 2
    expect(file.length - tied.length).toBeGreaterThanOrEqual(matrix)
    expect(file.length - tied.length).toBeLessThan(matrix + 200)
  })

  it('have words as tokens after the one for a beginning, which others need to shift their context', () => {
    const [beginning, ...tokens] = randomTokens(shape, 1_000)
    expect(beginning).toBe(1)
    expect(Math.min(...tokens)).toBeGreaterThanOrEqual(271)
    expect(Math.max(...tokens)).toBeLessThan(600)
    expect(new Set(tokens).size).toBeGreaterThan(200)
  })
})

describe('the report', () => {
  const benchCase: Omit<BenchCase, 'run'> = {
    id: 'speed',
    title: 'Speed',
    about: 'How fast.',
    minutes: { quick: 1, full: 1 },
    bars: [
      { id: 'a', what: 'ours / floor', max: 1.05 },
      { id: 'b', what: 'theirs / ours', min: 2 },
      { id: 'c', what: 'gain' },
      { id: 'd', what: 'absent', min: 1 },
    ],
  }
  const outcome: CaseOutcome = {
    measurements: { a: 1.04, b: 1.5, c: 3, d: { missing: 'not built:\n run it' } },
    tables: [{ id: 't', title: 'Ratios', columns: ['Contender', '/ floor'], rows: [['ours', 1.04]] }],
    plots: [],
    notes: ['A note.'],
    missing: [{ what: 'server', reason: 'not built' }],
  }
  const results: Results = {
    facts: [['Processor', 'fast']],
    cases: {
      speed: { command: 'npm run bench -- --only speed', date: 'today', seconds: 3.2, busyCores: 0.25, outcome },
    },
  }

  it('shows each figure with its bar and whether it is met, never what was not measured as met', () => {
    const page = reportMarkdown(results, [benchCase])
    expect(page).toContain('| speed | ours / floor | 1.040 | <= 1.05 | yes |')
    expect(page).toContain('| speed | theirs / ours | 1.500 | >= 2 | **no** |')
    expect(page).toContain('| speed | gain | 3.000 | report | - |')
    expect(page).toContain('| speed | absent | not measured: not built:; run it | >= 1 | - |')
    expect(page).toContain('Not measured: server: not built')
    expect(page).toContain('```sh\nnpm run bench -- --only speed\n```')
    expect(page).toContain('other programs kept 0.25 cores busy')
    expect(page).not.toContain('Not run:')
  })

  it('says what failed and what was not run', () => {
    const failed: Results = {
      ...results,
      cases: { speed: { command: '', date: '', seconds: 0, busyCores: 0, failure: 'no model' } },
    }
    const page = reportMarkdown(failed, [benchCase, { ...benchCase, id: 'other' }])
    expect(page).toContain('| speed | ours / floor | not measured: no model | <= 1.05 | - |')
    expect(page).toContain('Not run: other.')
  })

  it('keeps results of other cases, and refuses a folder with those of another machine or another way to run', async () => {
    await writeResults(folder, results)
    expect(await earlierResults(folder, results.facts)).toEqual(results)
    expect((await earlierResults(join(folder, 'none'), [])).cases).toEqual({})
    const refused = { code: 'INVALID_OPTION', message: expect.stringContaining('would be lost') }
    await expect(earlierResults(folder, [['Processor', 'slow']])).rejects.toMatchObject(refused)
    await expect(earlierResults(folder, [...results.facts, ['Run', 'quick']])).rejects.toMatchObject(refused)
    for (const other of ['', '{}', '[1]', '{"facts": [1], "cases": {}}', 'not JSON']) {
      writeFileSync(join(folder, 'results.json'), other)
      await expect(earlierResults(folder, results.facts)).rejects.toMatchObject(refused)
      expect(readFileSync(join(folder, 'results.json'), 'utf8')).toBe(other)
    }
  })
})

describe('cases', () => {
  it('reach bars at the bar', () => {
    expect([
      isMet(1.05, { id: '', what: '', max: 1.05 }),
      isMet(1.06, { id: '', what: '', max: 1.05 }),
      isMet(2, { id: '', what: '', min: 2 }),
    ]).toEqual([true, false, true])
    expect(isMet({ missing: 'it' }, { id: '', what: '', max: 1 })).toBeUndefined()
    expect(isMet(NaN, { id: '', what: '', max: 1 })).toBe(false)
  })

  it('scale their tokens', () => {
    expect(tokensFor({ quick: true, scale: 0.5 }, { quick: 10, full: 100 })).toBe(5)
    expect(tokensFor({ quick: false, scale: 1 }, { quick: 10, full: 100 })).toBe(100)
    expect(tokensFor({ quick: true, scale: 0.001 }, { quick: 10, full: 100 })).toBe(1)
  })

  it('ask sixty different questions of as many words', () => {
    expect(new Set(questions).size).toBe(60)
    expect(questions.filter(each => each.split(' ').length !== 11)).toEqual([])
  })

  it('compare chats by whole runs only', () => {
    const turn = (firstTokenMs: number) => ({ firstTokenMs, totalMs: firstTokenMs + 100, tokens: 64 })
    const ours = { name: 'our-chat' as const, turns: Array.from({ length: 60 }, () => turn(10)) }
    const node = {
      name: 'node-llama-cpp-chat' as const,
      turns: Array.from({ length: 60 }, (_, i) => turn(i === 30 ? 500 : 20)),
    }
    expect(presentTurns([ours, node], 'a model', 60).measurements).toEqual({
      total: (59 * 120 + 600) / (60 * 110),
      worst: 50,
      growth: 1,
    })
    const broken = { ...node, turns: node.turns.slice(0, 7), missing: 'it broke' }
    const { measurements, missing } = presentTurns([ours, broken], 'a model', 60)
    expect(measurements).toEqual({ total: { missing: 'it broke' }, worst: { missing: 'it broke' }, growth: 1 })
    expect(missing).toEqual([{ what: 'node-llama-cpp chat', reason: 'it broke' }])
  })
})
