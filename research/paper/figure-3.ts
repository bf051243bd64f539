import type { Plot, Series } from '../report/plot.js'
import type { Table } from '../report/table.js'
import {
  type Cell,
  type Experiment,
  type ExperimentMaker,
  isMissing,
  type ModelFile,
  type Setting,
} from './experiment.js'
import {
  type Curve,
  countOf,
  overText,
  perplexityCell,
  perplexityOf,
  perplexityOrReason,
  perplexitySeries,
  sampledPerplexity,
  sampledSeries,
  scaled,
} from './perplexity.js'
import { explodingModel as defaultExploding } from './pinned-files.js'

type Policy = 'dense' | 'window' | 'recompute' | 'streaming'

const names: Record<Policy, string> = {
  dense: 'Dense attention',
  window: 'Window attention',
  recompute: 'Sliding window with recomputation',
  streaming: 'StreamingLLM',
}

interface Side {
  model: ModelFile
  cache: number
  tokens: number
  every: number
}

/** Figure 3: the four ways to read a long text, on a sound model and on one that explodes past its trained length. */
export const figure3: ExperimentMaker = (setting): Experiment => {
  // Quick: 3 x 2,000 tokens scored + 20 caches of 256 recomputed = 3 x 18 s + 22 s; the small model takes 20 s.
  const main = sideOf(setting, setting.model, setting.quick ? 2_000 : 20_000, setting.quick ? 100 : 50)
  const exploding = isMissing(setting.explodingModel)
    ? undefined
    : sideOf(setting, setting.explodingModel, setting.quick ? 4_000 : 20_000, 50)
  const reason = isMissing(setting.explodingModel) ? setting.explodingModel.missing : ''
  const sides: [string, Side, Record<Policy, Cell<Curve>>][] = [['figure-3', main, cellsOf(setting, main)]]
  if (exploding !== undefined) sides.push(['figure-3-exploding', exploding, cellsOf(setting, exploding)])
  return {
    id: 'figure-3',
    title: 'Figure 3: perplexity over a long text',
    about:
      'Dense attention keeps everything; window attention keeps the latest tokens; sliding window with recomputation decodes the latest tokens ' +
      "afresh for each token that is asked for (every k-th, as it is slow); StreamingLLM keeps 4 sinks and the latest tokens. Once with the report's model and once with one " +
      'whose dense attention explodes past its trained length.',
    cells: sides.flatMap(([, , cells]) => Object.values(cells)),
    present: outcomes => {
      const tables: Table[] = []
      const plots: Plot[] = []
      for (const [id, { model, cache, tokens, every }, cells] of sides) {
        const columns = [
          'Policy',
          `Perplexity over all ${tokens} tokens`,
          'Over the last quarter',
          `Over each ${every}th token, as recomputed`,
          'Milliseconds a scored token',
        ]
        const series: Series[] = []
        const rows = (Object.keys(names) as Policy[]).map(policy => {
          const curve = outcomes.value(cells[policy])
          if (curve === undefined) return [names[policy], perplexityOrReason(cells[policy], outcomes), '', '', '']
          series.push(
            policy === 'recompute'
              ? sampledSeries(`Recomputed, each ${every}th token`, curve, every)
              : perplexitySeries(names[policy], curve),
          )
          if (policy === 'streaming') series.push(sampledSeries('StreamingLLM, the same tokens', curve, every))
          return [
            names[policy],
            perplexityOf(curve),
            perplexityOf(curve, tokens * 0.75),
            sampledPerplexity(curve),
            curve.milliseconds / countOf(curve),
          ]
        })
        tables.push({
          id,
          title: `Figure 3 in numbers: ${model.name}, cache ${cache}`,
          columns,
          rows,
          digits: [undefined, 2, 2, 2, 1],
        })
        plots.push({
          id,
          title: 'Perplexity over a long text',
          subtitle: `${model.name}, cache ${cache} (4 sinks), trained on ${model.trainedLength.toLocaleString('en')} tokens`,
          ...overText,
          legend: 'Policy',
          series,
        })
      }
      const notes = [
        'Each point is the perplexity of the tokens around it; the dashed lines are those of few tokens, the same for both. The paper shows Llama-2, MPT, Falcon and Pythia over 20K tokens: dense attention fails past the trained length, window attention at the cache size; the other two stay flat.',
      ]
      if (exploding?.model.name === defaultExploding.name)
        notes.push(`${defaultExploding.name} was trained on 512 tokens at once, whatever its file says.`)
      if (exploding === undefined) notes.push(`Not measured with a model that explodes: ${reason}`)
      return { tables, plots, notes }
    },
  }
}

function sideOf(setting: Setting, model: ModelFile, tokens: number, every: number): Side {
  const scaledTokens = scaled(setting, tokens)
  return {
    model,
    cache: scaled(setting, 256),
    tokens: scaledTokens,
    every: Math.max(1, Math.min(every, Math.floor(scaledTokens / 4))),
  }
}

function cellsOf(setting: Setting, { model, cache, tokens, every }: Side): Record<Policy, Cell<Curve>> {
  const cell = (policy: Policy) =>
    perplexityCell(
      setting,
      {
        model,
        policy,
        sinks: 4,
        window: cache - 4,
        text: setting.text,
        from: 1,
        tokens,
        every: policy === 'recompute' ? every : 1,
        sampled: every,
      },
      `Figure 3, ${names[policy]}, ${model.name}`,
    )
  return { streaming: cell('streaming'), window: cell('window'), dense: cell('dense'), recompute: cell('recompute') }
}
