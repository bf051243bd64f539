import type { Experiment, ExperimentMaker } from './experiment.js'
import { perplexityCell, perplexityOrReason, perplexityOf, scaled } from './perplexity.js'

/** Figure 2, as far as it can be had: not the attention itself, but what is lost with each group of tokens. */
export const figure2: ExperimentMaker = (setting): Experiment => {
  // Quick: two of the cells are those of Table 2; the others take 2 x 10 s.
  const cache = scaled(setting, setting.quick ? 256 : 1_024)
  const tokens = scaled(setting, setting.quick ? 1_000 : 10_000)
  const groups: [string, number, number][] = [
    ['none', 4, cache - 4],
    ['the first four', 0, cache],
    ['the older half of the window', 4, Math.floor(cache / 2) - 4],
    ['the older three quarters of the window', 4, Math.floor(cache / 4) - 4],
  ]
  const cells = groups.map(([name, sinks, window]) => perplexityCell(setting, {
    model: setting.model, policy: sinks === 0 ? 'window' : 'streaming', sinks, window: Math.max(1, window), text: setting.text, from: cache, tokens,
  }, `Figure 2, without ${name}`))
  return {
    id: 'figure-2',
    title: 'Figure 2: attention maps (not reproduced)',
    about: 'The paper shows the mean attention logits of Llama-2-7B: from the third layer on, all heads look at the first tokens. llama.cpp gives logits and embeddings, and no attention weights: they stay inside '
      + 'its compute graph (with flash attention they are not even computed as a whole), and this library does not reach into it. What can be measured instead is what each group of tokens is worth: the perplexity without it.',
    cells,
    present: outcomes => {
      const base = outcomes.value(cells[0]!)
      return {
        tables: [{
          id: 'figure-2',
          title: `What is lost with a group of tokens: ${setting.model.name}, cache ${cache}, ${tokens} tokens`,
          columns: ['Tokens taken away', 'Cache', 'Perplexity', 'Times the whole cache\'s'],
          digits: [undefined, undefined, 2, 3],
          rows: groups.map(([name, sinks, window], i) => {
            const curve = outcomes.value(cells[i]!)
            return [name, `${sinks} + ${window}`, perplexityOrReason(cells[i]!, outcomes), curve && base ? perplexityOf(curve) / perplexityOf(base) : '']
          }),
        }],
        plots: [],
        notes: ['Where four tokens from the start are worth more than half the window, attention leans on them: what the maps show by other means.'],
      }
    },
  }
}
