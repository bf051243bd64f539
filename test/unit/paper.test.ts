import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duration, type Speed, secondsOf, secondsOfCell } from '../../research/paper/estimate.js'
import type { Cell, ModelFile, Plain, Setting } from '../../research/paper/experiment.js'
import { experiments } from '../../research/paper/experiments.js'
import { type Curve, perplexityOf, perplexitySeries } from '../../research/paper/perplexity.js'
import { mobyDick, questions } from '../../research/paper/pinned-files.js'
import { proseOf } from '../../research/paper/prose.js'
import { writeReport } from '../../research/paper/report.js'
import { distinctCells, outcomesOf, runCells } from '../../research/paper/run-cells.js'
import { findFile, sha256 } from '../../research/paper/sources.js'
import { CellStore, hashOfKey } from '../../research/paper/store.js'
import type { Plot } from '../../research/report/plot.js'
import { plotPng, plotSvg } from '../../research/report/render-plot.js'
import { tableJson, tableMarkdown } from '../../research/report/table.js'

const silent = () => {}
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paper-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function cell(name: string, measure: Cell<Plain>['measure'], missing?: string): Cell<Plain> {
  return { key: { name }, label: name, work: [], measure, missing }
}

describe('finished cells', () => {
  it('are not measured again by a run that goes on', async () => {
    const calls: string[] = []
    const cells = ['a', 'b', 'c'].map(name =>
      cell(name, async () => {
        calls.push(name)
        if (name === 'b' && calls.length === 2) throw new Error('interrupted')
        return name.toUpperCase()
      }),
    )
    const first = await runCells(cells, { store: await CellStore.open(folder), speeds: new Map(), say: silent })
    expect([first.value(cells[0]!), first.value(cells[1]!), first.reason(cells[1]!)]).toEqual([
      'A',
      undefined,
      'interrupted',
    ])
    const second = await runCells(cells, { store: await CellStore.open(folder), speeds: new Map(), say: silent })
    expect(calls).toEqual(['a', 'b', 'c', 'b'])
    expect(cells.map(each => second.value(each))).toEqual(['A', 'B', 'C'])
  })

  it('survive an interruption, which ends the run at once', async () => {
    const controller = new AbortController()
    const cells = [
      cell('a', async () => 1),
      cell('b', async progress => {
        controller.abort(new Error('Ctrl-C'))
        progress(0.5)
        return 2
      }),
      cell('c', async () => 3),
    ]
    const outcomes = await runCells(cells, {
      store: await CellStore.open(folder),
      speeds: new Map(),
      signal: controller.signal,
      say: silent,
    })
    expect(cells.map(each => outcomes.value(each))).toEqual([1, undefined, undefined])
    expect(outcomes.reason(cells[2]!)).toMatch(/ended before/)
  })

  it('are found by their key, whatever the order of its names, and not by another', async () => {
    expect(hashOfKey({ a: 1, b: { c: 2, d: 3 } })).toBe(hashOfKey({ b: { d: 3, c: 2 }, a: 1 }))
    expect(hashOfKey({ a: 1 })).not.toBe(hashOfKey({ a: 2 }))
  })

  it('are measured again when their file is spoilt, or when asked to begin afresh', async () => {
    const store = await CellStore.open(folder)
    await store.put({ name: 'x' }, 7, 1)
    expect((await CellStore.open(folder)).get({ name: 'x' })?.value).toBe(7)
    await writeFile(join(folder, (await readdir(folder))[0]!), '{"key":{"name":"x"},"val')
    expect((await CellStore.open(folder)).get({ name: 'x' })).toBeUndefined()
    await store.put({ name: 'x' }, 8, 1)
    expect((await CellStore.open(folder, { fresh: true })).get({ name: 'x' })).toBeUndefined()
  })

  it('that seem too long for what is left come last, and are given up when the time is over', async () => {
    const model = modelFile('m')
    const order: string[] = []
    const long = (name: string, measure: (progress: (share: number) => void) => Promise<number>) => ({
      ...cell(name, async () => 0),
      measure: async (progress: (share: number) => void) => {
        order.push(name)
        return await measure(progress)
      },
      work: [{ model, doing: 'score' as const, tokens: 100_000, cache: 0 }],
    })
    const misjudged = long('misjudged', async () => 1)
    const endless = long('endless', async progress => {
      for (let share = 0; share < 1000; share++) {
        progress(share / 1000)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      return 1
    })
    const short = cell('short', async () => order.push('short'))
    const speeds = new Map([[model.sha256, speedOf(10, 0)]])
    const outcomes = await runCells([misjudged, endless, short], {
      store: await CellStore.open(folder),
      speeds,
      timeLimit: 0.2,
      say: silent,
    })
    expect(order).toEqual(['short', 'misjudged', 'endless'])
    expect(outcomes.value(misjudged)).toBe(1)
    expect(outcomes.value(endless)).toBeUndefined()
    expect(outcomes.reason(endless)).toMatch(/17 minutes/)
  })
})

const speedOf = (score: number, append: number, perThousand = 0): Speed => ({
  score: { base: score, perThousand },
  append: { base: append, perThousand },
})
const modelFile = (name: string): ModelFile => ({ name, path: name, sha256: sha256(name), trainedLength: 8_192 })

describe('the estimate', () => {
  it('counts tokens alone, in batches, and whole caches', () => {
    const speed = speedOf(10, 4, 2)
    const model = modelFile('m')
    expect(secondsOf({ model, doing: 'score', tokens: 1_000, cache: 500 }, speed)).toBeCloseTo(11)
    expect(secondsOf({ model, doing: 'append', tokens: 1_000, cache: 500, times: 2 }, speed)).toBeCloseTo(10)
    // 3 caches of 1,000 tokens, which see 500 others on average
    expect(secondsOf({ model, doing: 'recompute', tokens: 3, cache: 1_000 }, speed)).toBeCloseTo(15)
    expect([duration(30), duration(600), duration(7_200)]).toEqual(['30 s', '10 minutes', '2.0 hours'])
  })

  it('leaves the quick run within its 15 minutes at the speed of SmolLM2 on 2 cores', () => {
    const setting = settingOf({ quick: true })
    const speeds = new Map([
      // 110 tokens a second at a cache of 256, 95 at 1,024; caches of 256, 1,024 and 4,096 recomputed in 1.1, 4.5 and
      // 25 s
      [setting.model.sha256, { score: { base: 8.6, perThousand: 1.9 }, append: { base: 3.9, perThousand: 1.1 } }],
      [setting.tinyModel.sha256, speedOf(0.3, 0.1)],
      [(setting.explodingModel as ModelFile).sha256, speedOf(0.6, 0.2, 0.5)],
    ])
    const cells = distinctCells(experiments.map(make => make(setting)))
    const seconds = cells.reduce((sum, each) => sum + secondsOfCell(each, speeds), 0)
    expect(seconds).toBeGreaterThan(300)
    expect(seconds).toBeLessThan(12 * 60) // and some 80 s for the questions of Table 5, where these can be had
  })
})

function settingOf({ quick }: { quick: boolean }): Setting {
  return {
    quick,
    scale: 1,
    seed: 1,
    threads: 1,
    longTokens: 30_000,
    model: modelFile('model'),
    explodingModel: modelFile('exploding'),
    tinyModel: modelFile('tiny'),
    text: { name: 'text', source: 'test', sha256: sha256('text'), content: 'text' },
    texts: Object.fromEntries(questions.map(({ file }) => [file, { missing: 'not in this test' }])),
    open: () => Promise.reject(new Error('nothing is measured in this test')),
  }
}

describe('the experiments', () => {
  it('have names of their own, and the cache sizes that Figure 10 must have', () => {
    for (const quick of [true, false]) {
      const all = experiments.map(make => make(settingOf({ quick })))
      expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
      const caches = all.find(({ id }) => id === 'figure-10')!.cells.map(({ key }) => key['cache'])
      expect(caches).toEqual(expect.arrayContaining([256, 1_024, 4_096]))
    }
  })

  it('make a report where nothing was measured, each with its reasons', async () => {
    const all = experiments.map(make => make(settingOf({ quick: true })))
    const outcomes = outcomesOf(await CellStore.open(join(folder, 'cells')))
    const page = await writeReport(all, outcomes, {
      folder,
      introduction: ['<hello>'],
      facts: [['Seed', '1']],
      commands: ['npm run paper'],
    })
    const html = await readFile(page, 'utf8')
    expect(html).toContain('&lt;hello&gt;')
    for (const { id } of all) expect(html).toContain(`<section id="${id}">`)
    expect(html.match(/not measured: the run was ended before/g)!.length).toBeGreaterThan(20)
    expect(JSON.parse(await readFile(join(folder, 'tables', 'table-2.json'), 'utf8')).rows[2]).toMatchObject({
      Model: 'MPT-7B, paper (the same)',
      '0 + 256': 460.29,
    })
  })

  it('put measured values into tables and plots', async () => {
    const all = experiments.map(make => make(settingOf({ quick: true })))
    const store = await CellStore.open(join(folder, 'cells'))
    const values: Record<string, Plain> = { latency, attention, perplexity: curve(), 'K-shift': curve() }
    for (const { key } of distinctCells(all)) {
      const value = values[key['measured'] as string]
      if (value !== undefined) await store.put(key, value, 1)
    }
    await writeReport(all, outcomesOf(store), { folder, introduction: [], facts: [], commands: [] })
    const speedUps = JSON.parse(await readFile(join(folder, 'tables', 'figure-10.json'), 'utf8')).rows as Record<
      string,
      number
    >[]
    expect(speedUps.map(row => row['Speed-up of means'])).toEqual([50, 50, 50])
    // Attention that is spread evenly is what the table compares with.
    const shares = JSON.parse(await readFile(join(folder, 'tables', 'figure-2.json'), 'utf8')).rows as Record<
      string,
      number
    >[]
    expect(shares[1]!['On the first four']).toBeCloseTo(shares[1]!['On the first four if spread evenly']!)
    const plots = await readdir(join(folder, 'plots'))
    for (const id of [
      'figure-2',
      'figure-2-shares',
      'figure-3',
      'figure-3-exploding',
      'figure-5',
      'drift',
      'figure-10-latency',
      'figure-10-speed-up',
      'figure-10-memory',
      'key-shift',
      'reanchor-every',
    ]) {
      expect(plots).toEqual(expect.arrayContaining([`${id}.svg`, `${id}.png`]))
    }
  })
})

const attention = {
  sentences: 2,
  layers: [0, 1, 2].map(() =>
    Array.from({ length: 16 }, (_, token) =>
      Array.from({ length: 16 }, (_, seen) => (seen > token ? 0 : 1 / (token + 1))),
    ),
  ),
}
const latency = {
  streaming: [8, 10, 12],
  recompute: [400, 600],
  streamingBytes: 1e8,
  recomputeBytes: 1e8,
  cacheBytes: 1e7,
}

function curve(): Curve & { [name: string]: Plain } {
  const ends = Array.from({ length: 50 }, (_, i) => (i + 1) * 2_000)
  return {
    ends,
    counts: ends.map(() => 10),
    sums: ends.map((_, i) => 30 + i / 10),
    milliseconds: 1_000,
    samples: [3, 3],
  }
}

describe('perplexity', () => {
  it('is the exponential of the mean over the parts asked for, and infinite where one is', () => {
    const parts: Curve = { ends: [10, 20, 30], counts: [10, 10, 5], sums: [20, 40, 5], milliseconds: 1 }
    expect(perplexityOf(parts)).toBeCloseTo(Math.exp(65 / 25))
    expect(perplexityOf(parts, 10, 20)).toBeCloseTo(Math.exp(4))
    expect(perplexityOf({ ...parts, sums: [20, null, 5] })).toBe(Infinity)
    expect(perplexitySeries('x', parts, { around: 0 }).points.map(({ y }) => Math.log(y))).toEqual(
      [2, 4, 1].map(value => expect.closeTo(value)),
    )
  })
})

describe('tables', () => {
  const table = {
    id: 't',
    title: 'T',
    columns: ['What', 'How|much'],
    rows: [
      ['a|b', 1234.5],
      ['c', 'not measured: no\nmodel'],
    ],
    digits: [undefined, 1],
  }

  it('are Markdown that a bar or a line break in a cell does not break', () => {
    expect(tableMarkdown(table)).toBe(
      '### T\n\n| What | How\\|much |\n| --- | ---: |\n| a\\|b | 1,234.5 |\n| c | not measured: no model |\n',
    )
  })

  it('are JSON with numbers as they are', () => {
    expect(JSON.parse(tableJson(table)).rows).toEqual([
      { What: 'a|b', 'How|much': 1234.5 },
      { What: 'c', 'How|much': 'not measured: no\nmodel' },
    ])
  })
})

describe('plots', () => {
  const plot: Plot = {
    id: 'p',
    title: 'A title that is rather long, as some are, and must still be shown in whole',
    x: { title: 'Position (tokens)' },
    y: { title: 'Perplexity (log scale)', scale: 'log' },
    legend: 'Policy',
    series: [
      {
        name: 'Sliding window with recomputation, each 100th token',
        dashed: true,
        points: [
          { x: 1, y: 40 },
          { x: 10_000, y: 41 },
        ],
      },
      {
        name: 'Dense <attention>',
        points: [
          { x: 1, y: 40 },
          { x: 10_000, y: 1e6 },
        ],
      },
    ],
    rule: { y: 22.2, label: "The paper's most" },
  }

  it.each(['line', 'points', 'bars'] as const)('of kind %s show their words in whole, and draw to PNG', async kind => {
    const svg = await plotSvg({ ...plot, kind, ...(kind === 'bars' ? { rule: undefined } : {}) })
    expect(svg).toMatch(/^<svg [^>]*>[\s\S]*<\/svg>$/)
    for (const word of [
      plot.title,
      'Position (tokens)',
      'Perplexity (log scale)',
      'Policy',
      'Sliding window with recomputation, each 100th token',
      'Dense &lt;attention&gt;',
    ])
      expect(svg).toContain(word)
    if (kind !== 'bars') expect(svg).toContain('The paper')
    expect(svg).not.toMatch(/NaN|Infinity|…/)
    const png = plotPng(svg)
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    expect(png.readUInt32BE(16)).toBeGreaterThan(1_400)
    expect(png.length).toBeGreaterThan(15_000)
  })
})

describe('texts', () => {
  it('come from the given folder first, then from the cache, if the checksum is right', async () => {
    const pinned = {
      file: 'x.txt',
      name: 'x',
      sources: [{ address: 'http://127.0.0.1:9/x.txt', sha256: sha256('the text'), start: 4 }],
    }
    await writeFile(join(folder, 'x.txt'), 'another text')
    expect(await findFile(pinned, folder, folder)).toMatchObject({ source: 'given by option', start: 0 })
    await writeFile(join(folder, `${sha256('the text').slice(0, 12)}-x.txt`), 'the text')
    expect((await findFile(pinned, undefined, folder)).bytes.subarray(4).toString()).toBe('text')
    await writeFile(join(folder, `${sha256('the text').slice(0, 12)}-x.txt`), 'spoilt')
    await expect(findFile(pinned, undefined, folder)).rejects.toThrow(/x\.txt could not be had \(http:.*--texts/)
  })

  it("in AI2's form become one line { id, question, choices, answerKey } each", () => {
    const nested = {
      id: 'q',
      question: { stem: 'Why?', choices: [{ text: 'so', label: 'A', para: 'long' }] },
      answerKey: 'A',
    }
    const convert = questions[0]!.sources[0]!.convert!
    expect(JSON.parse(convert(`${JSON.stringify(nested)}\n`))).toEqual({
      id: 'q',
      question: 'Why?',
      choices: { text: ['so'], label: ['A'] },
      answerKey: 'A',
    })
    expect(mobyDick.sources.every(source => /^[0-9a-f]{64}$/.test(source.sha256))).toBe(true)
  })

  it('of packages are sentences without code, tables and badges', () => {
    const sentence =
      'This is a paragraph of words that says something about a package, and goes on for long enough to be kept.'
    expect(
      proseOf(
        `# Title\n\n[![badge](a)](b)\n\n${sentence}\n\n\`\`\`js\n${sentence}\n\`\`\`\n\n| ${sentence} |\n\nShort.\n`,
      ),
    ).toBe(sentence)
  })
})
