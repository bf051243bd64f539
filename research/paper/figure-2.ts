import type { HeatMaps, Plot } from '../report/plot.js'
import type { Table } from '../report/table.js'
import { type MeanAttention, measureAttention } from './attention.js'
import type { Cell, Experiment, ExperimentMaker } from './experiment.js'
import { perplexityCell, perplexityOf, perplexityOrReason, scaled } from './perplexity.js'

const length = 16

/** Figure 2: what the tokens of short sentences look at, and what is lost without each group of tokens. */
export const figure2: ExperimentMaker = (setting): Experiment => {
  const { model, text } = setting
  // Quick: 64 sentences in some 10 s. Of the perplexities, two are those of Table 2; the others take 2 x 10 s.
  const sentences = scaled(setting, setting.quick ? 64 : 256)
  const attention: Cell<MeanAttention> = {
    label: 'Figure 2, attention maps',
    key: { measured: 'attention', model: model.sha256, text: text.sha256, sentences, length },
    work: [{ model, doing: 'append', tokens: sentences * length, cache: length, times: 2 }],
    measure: progress => measureAttention(setting, { sentences, length }, progress),
  }
  const cache = scaled(setting, setting.quick ? 256 : 1_024)
  const tokens = scaled(setting, setting.quick ? 1_000 : 10_000)
  const groups: [string, number, number][] = [
    ['none', 4, cache - 4],
    ['the first four', 0, cache],
    ['the older half of the window', 4, Math.max(1, Math.floor(cache / 2) - 4)],
    ['the older three quarters of the window', 4, Math.max(1, Math.floor(cache / 4) - 4)],
  ]
  const cells = groups.map(([name, sinks, window]) =>
    perplexityCell(
      setting,
      {
        model,
        policy: sinks === 0 ? 'window' : 'streaming',
        sinks,
        window,
        text,
        from: cache,
        tokens,
      },
      `Figure 2, without ${name}`,
    ),
  )
  return {
    id: 'figure-2',
    title: 'Figure 2: attention maps',
    about:
      `Where the tokens of ${sentences} sentences of ${length} tokens look, as llama.cpp shows it of its compute graph without flash attention: the mean of all heads of a layer. The paper's point: after the first layers ` +
      'most of the attention falls on the first tokens, whatever they are. Below, what is lost when a group of tokens is taken away.',
    cells: [attention, ...cells],
    present: outcomes => {
      const base = outcomes.value(cells[0]!)
      const maps = outcomes.value(attention)
      return {
        tables: [
          ...(maps === undefined ? [] : [attentionTable(maps, model.name)]),
          {
            id: 'figure-2-without',
            title: `What is lost without a group of tokens: ${model.name}, cache ${cache}, ${tokens} tokens`,
            columns: ['Tokens taken away', 'Cache', 'Perplexity', "Times the whole cache's"],
            digits: [undefined, undefined, 2, 3],
            rows: groups.map(([name, sinks, window], i) => {
              const curve = outcomes.value(cells[i]!)
              return [
                name,
                `${sinks} + ${window}`,
                perplexityOrReason(cells[i]!, outcomes),
                curve && base ? perplexityOf(curve) / perplexityOf(base) : '',
              ]
            }),
          },
        ],
        plots: maps === undefined ? [] : [heatMaps(maps, model.name), sharesPlot(maps, model.name)],
        notes: [
          'The paper shows the attention logits of Llama-2-7B over 256 sentences, before the softmax and of one head a layer; llama.cpp shows the weights after it, here over all heads.',
        ],
      }
    },
  }
}

/** The first, and then some spread over the rest. */
function shownLayers(count: number): number[] {
  const spread = [0, 1, 2, ...[0.3, 0.45, 0.6, 0.8, 1].map(share => Math.round(share * (count - 1)))]
  return [...new Set(spread.filter(layer => layer < count))].sort((a, b) => a - b)
}

function heatMaps({ layers, sentences }: MeanAttention, name: string): HeatMaps {
  return {
    id: 'figure-2',
    title: 'Where the tokens of a sentence look',
    subtitle: `${name}, mean of all heads and of ${sentences} sentences of ${length} tokens`,
    x: { title: 'Token looked at' },
    y: { title: 'Token' },
    legend: 'Attention weight (share of 1)',
    panels: shownLayers(layers.length).map(layer => ({
      name: `Layer ${layer}`,
      values: layers[layer]!.map((row, token) => row.map((weight, seen) => (seen > token ? null : weight))),
    })),
  }
}

/** The share of the last half's attention that the first `count` tokens get. */
function shareOf(layer: number[][], count: number): number {
  const rows = layer.slice(length / 2)
  return rows.reduce((sum, row) => sum + row.slice(0, count).reduce((a, b) => a + b, 0), 0) / rows.length
}

const evenly = (count: number) =>
  Array.from({ length: length / 2 }, (_, i) => count / (length / 2 + i + 1)).reduce((a, b) => a + b, 0) / (length / 2)

function sharesPlot({ layers, sentences }: MeanAttention, name: string): Plot {
  const line = (title: string, count: number) => ({
    name: title,
    points: layers.map((layer, x) => ({ x, y: 100 * shareOf(layer, count) })),
  })
  return {
    id: 'figure-2-shares',
    title: 'How much attention the first tokens get',
    subtitle: `${name}, tokens 9 to 16 of ${sentences} sentences`,
    x: { title: 'Layer' },
    y: { title: 'Share of the attention (%)', domain: [0, 100] },
    legend: 'Looked at',
    series: [
      line('The first token', 1),
      line('The first four tokens', 4),
      {
        name: 'The first four, if all tokens got the same',
        dashed: true,
        points: [0, layers.length - 1].map(x => ({ x, y: 100 * evenly(4) })),
      },
    ],
  }
}

function attentionTable({ layers }: MeanAttention, name: string): Table {
  return {
    id: 'figure-2',
    title: `Share of the attention of tokens 9 to 16 in percent: ${name}`,
    columns: ['Layer', 'On the first token', 'On the first four', 'On the first four if spread evenly'],
    digits: [0, 1, 1, 1],
    rows: shownLayers(layers.length).map(layer => [
      layer,
      100 * shareOf(layers[layer]!, 1),
      100 * shareOf(layers[layer]!, 4),
      100 * evenly(4),
    ]),
  }
}
