import type { Table } from '../report/table.js'
import type { Cell, ExperimentMaker, Setting } from './experiment.js'
import { type Curve, perplexityCell, perplexityOrReason, scaled } from './perplexity.js'

/** Table 1: what the first tokens are matters less than that there are some. */
export const table1: ExperimentMaker = setting => {
  // Quick: 3 x (1,024 tokens read in batches + 800 scored) = 3 x 13 s.
  const cache = scaled(setting, 1_024)
  const tokens = scaled(setting, setting.quick ? 800 : 10_000)
  const cell = (sinks: number, newlines = 0) =>
    perplexityCell(
      setting,
      {
        model: setting.model,
        policy: sinks === 0 ? 'window' : 'streaming',
        sinks,
        window: cache - sinks,
        text: setting.text,
        from: cache,
        tokens,
        newlines,
      },
      `Table 1, ${newlines ? '4 newlines' : sinks} + ${cache - sinks}`,
    )
  const rows: [string, Cell<Curve>, number][] = [
    [`0 + ${cache} (window)`, cell(0), 5158.07],
    [`4 + ${cache - 4}`, cell(4), 5.4],
    [`4"\\n" + ${cache - 4}`, cell(4, 4), 5.6],
  ]
  return {
    id: 'table-1',
    title: 'Table 1: the first tokens, or four line breaks in their place',
    about:
      `Perplexity with a cache of ${cache} tokens, over ${tokens} tokens after the first ${cache}, which all three read alike. ` +
      "The paper's point: without the first tokens the model breaks, and four line breaks in their place do nearly as well as the real ones, so it is their being there that counts.",
    cells: rows.map(([, each]) => each),
    present: outcomes => ({
      tables: [
        {
          id: 'table-1',
          title: 'Table 1',
          columns: ['Cache', 'Perplexity, here', 'Perplexity, paper (Llama-2-13B)'],
          digits: [undefined, 2, 2],
          rows: rows.map(([name, each, paper]) => [name, perplexityOrReason(each, outcomes), paper]),
        },
      ],
      plots: [],
      notes: [
        'The paper measured Llama-2-13B on the first book (65K tokens) of the PG19 test set. Small models lose less without sinks than large ones, so the first row is less drastic here.',
      ],
    }),
  }
}

const fewSinks = [0, 1, 2, 4, 8]

/** Table 2: how many sinks it takes. */
export const table2: ExperimentMaker = setting => {
  // Quick: 5 x (256 read + 1,000 scored) = 5 x 10 s.
  const cache = scaled(setting, setting.quick ? 256 : 1_024)
  const tokens = scaled(setting, setting.quick ? 1_000 : 10_000)
  const cells = fewSinks.map(sinks => sinksCell(setting, sinks, cache, tokens))
  return {
    id: 'table-2',
    title: 'Table 2: how many sinks it takes',
    about: `Perplexity with 0, 1, 2, 4 and 8 sinks in a cache of ${cache} tokens, over ${tokens} tokens after the first ${cache}.`,
    cells,
    present: outcomes => ({
      tables: [
        withPaper(
          {
            id: 'table-2',
            title: 'Table 2',
            columns: ['Model', ...fewSinks.map(sinks => `${sinks} + ${cache - sinks}`)],
            rows: [[`${setting.model.name}, here`, ...cells.map(cell => perplexityOrReason(cell, outcomes))]],
          },
          [
            ['Falcon-7B, paper (0 + 2,048 to 8 + 2,040)', 17.9, 12.12, 12.12, 12.12, 12.12],
            ['MPT-7B, paper (the same)', 460.29, 14.99, 15, 14.99, 14.98],
            ['Pythia-12B, paper (the same)', 21.62, 11.95, 12.09, 12.09, 12.02],
            ['Llama-2-7B, paper (0 + 4,096 to 8 + 4,088)', 3359.95, 11.88, 10.51, 9.59, 9.54],
          ],
        ),
      ],
      plots: [],
      notes: ['The paper measured 400K tokens of the concatenated PG19 test set.'],
    }),
  }
}

function sinksCell(setting: Setting, sinks: number, cache: number, tokens: number): Cell<Curve> {
  return perplexityCell(
    setting,
    {
      model: setting.model,
      policy: sinks === 0 ? 'window' : 'streaming',
      sinks,
      window: cache - sinks,
      text: setting.text,
      from: cache,
      tokens,
    },
    `Table 2, ${sinks} + ${cache - sinks}`,
  )
}

/** Table 6: what a larger cache brings. */
export const table6: ExperimentMaker = setting => {
  // Quick: 4 x (2,048 read + 400 scored) = 4 x 14 s. All read the same tokens before, and score the same.
  const caches = [256, 512, 1_024, 2_048].map(cache => scaled(setting, cache))
  const from = Math.max(...caches)
  const tokens = scaled(setting, setting.quick ? 400 : 10_000)
  const cells = caches.map(cache =>
    perplexityCell(
      setting,
      {
        model: setting.model,
        policy: 'streaming',
        sinks: 4,
        window: cache - 4,
        text: setting.text,
        from,
        tokens,
      },
      `Table 6, 4 + ${cache - 4}`,
    ),
  )
  return {
    id: 'table-6',
    title: 'Table 6: what a larger cache brings',
    about: `Perplexity of streaming with 4 sinks and growing windows, over the same ${tokens} tokens after the first ${from}.`,
    cells,
    present: outcomes => ({
      tables: [
        withPaper(
          {
            id: 'table-6',
            title: 'Table 6',
            columns: ['Model', ...caches.map(cache => `4 + ${cache - 4}`)],
            rows: [[`${setting.model.name}, here`, ...cells.map(cell => perplexityOrReason(cell, outcomes))]],
          },
          [
            ['Falcon-7B, paper', 13.61, 12.84, 12.34, 12.84],
            ['MPT-7B, paper', 14.12, 14.25, 14.33, 14.99],
            ['Pythia-12B, paper', 13.17, 12.52, 12.08, 12.09],
            ['Llama-2-7B, paper (caches twice as large)', 9.73, 9.32, 9.08, 9.59],
          ],
        ),
      ],
      plots: [],
      notes: [
        'The paper found that a larger cache does not always lower the perplexity: models do not use all of the context they are given.',
      ],
    }),
  }
}

function withPaper(table: Table, rows: Table['rows']): Table {
  return { ...table, rows: [...table.rows, ...rows], digits: table.columns.map((_, i) => (i === 0 ? undefined : 2)) }
}
