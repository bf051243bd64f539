import { median, quantile } from '../../report/statistics.js'
import { type BenchCase, type Measurement, tokensFor } from '../case.js'
import { questions } from '../questions.js'
import { runTask } from '../run-task.js'
import type { Pair, SpeculationTask } from '../tasks/speculation.js'
import { sentences } from '../text.js'

export const speculation: BenchCase = {
  id: 'speculation',
  title: 'Speculation from the text itself',
  about:
    'The generate option `speculation`, on and off, in new chats of one loaded f16 model with the same prompt, another one first each time: milliseconds for each token of the reply after the first one. ' +
    'Two kinds of prompts: to repeat a quoted text with a small edit, where the history says much of what comes, and open questions, where it does not.',
  minutes: { quick: 0.7, full: 5 },
  bars: [
    { id: 'edit', what: 'without / with speculation, repeating a quoted text with a small edit', min: 1.3 },
    { id: 'questions', what: 'without / with speculation, open questions', min: 0.97 },
  ],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
      quick,
    } = context
    const path = await f16.path()
    const count = quick ? 3 : 12
    const work: [id: 'edit' | 'questions', title: string, prompts: string[]][] = [
      ['edit', 'a quoted text with a small edit', Array.from({ length: count }, (_, i) => editPrompt(i + 1))],
      ['questions', 'open questions', questions.slice(0, count)],
    ]
    const measured: { id: string; title: string; pairs: Pair[] }[] = []
    for (const [id, title, prompts] of work) {
      measured.push({
        id,
        title,
        pairs: await runTask<SpeculationTask, Pair[]>(
          'speculation',
          'speculationPairs',
          { path, threads, cache: 2_048, prompts, tokens: tokensFor(context, { quick: 96, full: 192 }) },
          signal,
        ),
      })
    }
    const ratios = (pairs: Pair[]) => pairs.map(({ off, on }) => off / on)
    return {
      measurements: Object.fromEntries(
        measured.map(({ id, pairs }): [string, Measurement] => [
          id,
          pairs.length > 0 ? median(ratios(pairs)) : { missing: 'no reply had two tokens' },
        ]),
      ),
      tables: [
        {
          id: 'speculation',
          title: 'Without / with speculation',
          columns: [
            'Prompts',
            'time per token',
            'quartiles',
            'replies',
            'of these the same',
            'of the reply found in the prompt',
          ],
          digits: [undefined, 3, undefined, 0, 0, 2],
          rows: measured.map(({ title, pairs }) => [
            title,
            median(ratios(pairs)),
            `${quantile(ratios(pairs), 0.25).toFixed(3)} to ${quantile(ratios(pairs), 0.75).toFixed(3)}`,
            pairs.length,
            pairs.filter(({ same }) => same).length,
            median(pairs.map(({ reply, prompt }) => foundShare(reply, prompt))),
          ]),
        },
        {
          id: 'speculation-times',
          title: 'Time per token (milliseconds, medians over the replies)',
          columns: ['Prompts', 'without', 'with'],
          digits: [undefined, 2, 2],
          rows: measured.map(({ title, pairs }) => [
            title,
            median(pairs.map(({ off }) => off)),
            median(pairs.map(({ on }) => on)),
          ]),
        },
      ],
      plots: [],
      notes: [
        'What is found in the prompt is counted in runs of four words: how far a model copies is its own affair, and bounds what there is to gain.',
      ],
      missing: [],
      data: measured,
    }
  },
}

function editPrompt(seed: number): string {
  return `Rewrite the following text with "stone bridge" in place of "bridge". Change nothing else.\n\n${sentences(12, seed)}`
}

/** The share of a text's runs of four words that another text has too. */
function foundShare(text: string, other: string): number {
  const runs = (of: string) => {
    const words = of
      .toLowerCase()
      .split(/\W+/)
      .filter(word => word !== '')
    return words.slice(3).map((_, i) => words.slice(i, i + 4).join(' '))
  }
  const known = new Set(runs(other))
  const all = runs(text)
  return all.length === 0 ? 0 : all.filter(run => known.has(run)).length / all.length
}
