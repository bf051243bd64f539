import type { Model } from '../../lib/index.js'
import type { Series } from '../report/plot.js'
import { accuracyCurve, accuracyOf, accuracyText } from './accuracy.js'
import { type Answers, answerAll, type Question } from './answers.js'
import { type Cell, type ExperimentMaker, type Setting, withSequence } from './experiment.js'
import { linesBack, linesBetween, registerLines } from './register-lines.js'

const methods = ['streaming', 'window', 'dense'] as const
type Method = (typeof methods)[number]

const names: Record<Method, string> = {
  streaming: 'StreamingLLM',
  window: 'Window attention',
  dense: 'Dense attention',
}

const sinks = 4
// A line and its share of the questions, for tokenizers that take digits one by one.
const tokensPerLine = 16
// Twenty lines and their questions are 350 tokens.
const cache = 512
const digits = '0123456789'

/** Figure 9, StreamEval: a line is asked for after every 10 lines, 20 lines back. */
export const figure9: ExperimentMaker = setting => {
  // Quick: 3 x 3,000 tokens, of which 17 answers of 5 digits = 45 s.
  const lines = Math.max(
    linesBack + linesBetween,
    Math.round(((setting.quick ? 3_000 : 110_000) * setting.scale) / tokensPerLine),
  )
  // Dense attention is shown until well past the length it was trained for, as far as the stream goes.
  const denseCache = Math.min(lines * tokensPerLine * 2, 2 * setting.model.trainedLength)
  const cacheOf = (method: Method) => (method === 'dense' ? denseCache : cache)
  const cells = methods.map(method => streamCell(setting, method, lines, cacheOf(method)))
  return {
    id: 'figure-9',
    title: 'Figure 9: StreamEval, questions about what was said a while ago',
    about:
      `A record of ${lines} made-up lines, "line amber-acorn: <12345>". After every ${linesBetween} lines the line ${linesBack} lines back is begun again, and all five digits of its number must be what ` +
      'the model finds likeliest. The right number then stays in the stream. What is asked for always lies within the cache: ' +
      'the question is whether the model can still use it after thousands of tokens.',
    cells,
    present: outcomes => {
      const series: Series[] = []
      const full: string[] = []
      let strays = 0
      const rows = methods.map((method, i) => {
        const answers = outcomes.value(cells[i]!)
        const first = `${names[method]}${method === 'streaming' ? ` (${sinks} + ${cache - sinks})` : method === 'window' ? ` (0 + ${cache})` : ''}`
        if (answers === undefined) return [first, `not measured: ${outcomes.reason(cells[i]!)}`, '', '', '', '']
        series.push({ name: names[method], points: accuracyCurve(answers, setting.quick ? 4 : 25) })
        strays += answers.strays
        if (answers.full !== null)
          full.push(`Dense attention ends after ${answers.full} tokens: its cache of ${cacheOf(method)} was full.`)
        return [
          first,
          answers.right.length,
          answers.seen.at(-1) ?? 0,
          accuracyText(accuracyOf(answers)),
          accuracyText(accuracyOf(answers, 0, cache)),
          accuracyText(accuracyOf(answers, cache)),
        ]
      })
      return {
        tables: [
          {
            id: 'figure-9',
            title: `Figure 9 in numbers: ${setting.model.name}`,
            columns: [
              'Policy',
              'Questions',
              'Tokens seen',
              'Accuracy (95 % interval)',
              `In the first ${cache} tokens`,
              'After them',
            ],
            rows,
          },
        ],
        plots: [
          {
            id: 'figure-9',
            title: 'StreamEval: answers about a line 20 lines back',
            subtitle: `${setting.model.name}, cache of ${cache} tokens (dense attention keeps all)`,
            x: { title: 'Tokens seen before the answer' },
            y: { title: 'Accuracy (%)', domain: [0, 100] },
            legend: 'Policy',
            kind: 'points',
            series,
          },
        ],
        notes: [
          'The paper asks Llama-2-7B and 13B-Chat and others, whose accuracy stays high to 120K tokens with StreamingLLM, while window attention fails as soon as the first token leaves and dense attention past the trained length.',
          `Each point is the accuracy over ${setting.quick ? 'about 4' : 'about 25'} questions. The lines are our own, made from the seed ${setting.seed}, in the form of LongEval's but shorter, so that small models can do it.`,
          ...full,
          ...(strays > 0
            ? [`${strays} wrong tokens could not be taken back and stand in the streams before the right answers.`]
            : []),
        ],
      }
    },
  }
}

function streamCell(setting: Setting, method: Method, lines: number, cache: number): Cell<Answers> {
  const { model, seed } = setting
  const questions = Math.max(0, Math.floor(lines / linesBetween) - linesBack / linesBetween)
  const tokens = Math.min(lines * tokensPerLine, method === 'dense' ? cache : Infinity)
  const answered = Math.round((questions * tokens) / (lines * tokensPerLine))
  const held = method === 'dense' ? tokens / 2 : Math.min(cache, tokens)
  return {
    label: `Figure 9, ${names[method]}`,
    key: {
      measured: 'stream-eval',
      model: model.sha256,
      method,
      cache,
      sinks: method === 'streaming' ? sinks : 0,
      lines,
      seed,
    },
    work: [
      { model, doing: 'append', tokens, cache: held },
      { model, doing: 'score', tokens: answered * 5, cache: held },
    ],
    measure: async progress => {
      const sizes = method === 'streaming' ? { sinks, window: cache - sinks } : { sinks: 0, window: cache }
      return await withSequence(setting, model, { policy: method, ...sizes }, async (sequence, loaded) => {
        let asked = 0
        return await answerAll(loaded, sequence, questionsOf(loaded, lines, seed), () => progress(++asked / questions))
      })
    },
  }
}

function* questionsOf(model: Model, lines: number, seed: number): Generator<Question, void, undefined> {
  let beginning = model.nativeInfo.bosToken === undefined ? [] : [model.nativeInfo.bosToken]
  for (const { text, answer } of registerLines(lines, seed)) {
    yield { prompt: [...beginning, ...model.tokenize(text)], answer: [...model.tokenize(answer)], likely: [...digits] }
    beginning = []
  }
}
