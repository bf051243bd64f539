import { accuracyOf, accuracyText, percent } from './accuracy.js'
import { type Answers, answerAll, noAnswers } from './answers.js'
import { arcPrompts } from './arc-prompts.js'
import { type ArcQuestion, choose, parseArc, questionText } from './arc-questions.js'
import { type Cell, type ExperimentMaker, isMissing, type Outcomes, type Setting, withSequence } from './experiment.js'

const sets = ['ARC-Easy', 'ARC-Challenge'] as const
type Set = (typeof sets)[number]

const methods = ['dense', 'window', 'streaming', 'one-shot'] as const
type Method = (typeof methods)[number]

const names: Record<Method, string> = {
  dense: 'Dense attention',
  window: 'Window attention',
  streaming: 'StreamingLLM',
  'one-shot': 'One-shot (each question alone)',
}

const paperModels = ['Llama-2-7B-Chat', 'Llama-2-13B-Chat', 'Llama-2-70B-Chat']
const outOfMemory = ['out of memory', 'out of memory', 'out of memory']
/** Accuracy in percent, in the order of the models. */
const paper: Record<Set, Record<Method, (number | string)[]>> = {
  'ARC-Easy': {
    dense: outOfMemory,
    window: [3.58, 0.25, 0.12],
    streaming: [71.34, 80.89, 91.37],
    'one-shot': [71.25, 78.16, 91.29],
  },
  'ARC-Challenge': {
    dense: outOfMemory,
    window: [1.39, 0.34, 0.32],
    streaming: [55.03, 65.61, 80.2],
    'one-shot': [53.16, 63.31, 78.5],
  },
}

const sinks = 4
const quickQuestions = 40
// Beginnings and ends of messages, the instruction, and what this guess is too low by.
const tokensAround = 22
const charactersPerToken = 4.5

/** Table 5: all questions of ARC as one endless conversation. */
export const table5: ExperimentMaker = setting => {
  // Quick: 2 x 3 x 40 questions of 70 tokens and 2 x 512 tokens = 80 s; most come after the cache is full.
  const cache = setting.quick ? 512 : 1_024
  const cells = Object.fromEntries(
    sets.map(set => {
      const file = setting.texts[`${set}-test.jsonl`] ?? { missing: `there is no file ${set}-test.jsonl` }
      const questions = isMissing(file) ? [] : arcQuestions(setting, file.content)
      const missing = isMissing(file)
        ? file.missing
        : questions.length === 0
          ? `there are no questions in ${set}-test.jsonl`
          : undefined
      const of = (method: Method) =>
        arcCell(setting, set, method, cache, questions, isMissing(file) ? '' : file.sha256, missing)
      return [set, { streaming: of('streaming'), window: of('window'), 'one-shot': of('one-shot'), dense: of('dense') }]
    }),
  ) as Record<Set, Record<Method, Cell<Answers>>>
  const order = ['streaming', 'window', 'one-shot', 'dense'] as const
  return {
    id: 'table-5',
    title: 'Table 5: questions answered in one endless stream',
    about:
      `The questions of ARC (AI2 Reasoning Challenge, test sets) one after another in a single sequence with a cache of ${cache} tokens, each followed by its right answer; ` +
      "one-shot asks each in a sequence of its own. At each answer's place the model's likeliest token must be exactly the label of the right choice. Guessing among four choices gives 25 %.",
    cells: order.flatMap(method => sets.map(set => cells[set][method])),
    present: outcomes => {
      const rows = methods.map(method => [
        names[method],
        ...sets.map(set => percentOrReason(cells[set][method], outcomes)),
        ...paperModels.flatMap((_, i) => sets.map(set => paper[set][method][i]!)),
      ])
      const columns = [
        'Method',
        ...sets.map(set => `${set}, here (%)`),
        ...paperModels.flatMap(model => sets.map(set => `${set}, ${model}, paper (%)`)),
      ]
      const details = sets.flatMap(set =>
        methods.map(method => detail(set, method, cache, cells[set][method], outcomes)),
      )
      return {
        tables: [
          {
            id: 'table-5',
            title: `Table 5: accuracy on ARC, ${setting.model.name}`,
            columns,
            rows,
            digits: columns.map((_, i) => (i === 0 ? undefined : i < 3 ? 1 : 2)),
          },
          {
            id: 'table-5-details',
            title: 'Table 5 with its uncertainty',
            columns: [
              'Questions',
              'Method',
              'Asked',
              'Tokens',
              'Accuracy (95 % interval)',
              `After the first ${cache} tokens`,
            ],
            rows: details,
          },
        ],
        plots: [],
        notes: notes(
          setting,
          cache,
          sets.flatMap(set => methods.map(method => outcomes.value(cells[set][method]))),
        ),
      }
    },
  }
}

function arcQuestions({ quick, scale, seed }: Setting, content: string): ArcQuestion[] {
  const all = parseArc(content)
  return choose(all, Math.max(1, Math.round((quick ? quickQuestions : all.length) * scale)), seed)
}

function arcCell(
  setting: Setting,
  set: Set,
  method: Method,
  cache: number,
  questions: ArcQuestion[],
  text: string,
  missing: string | undefined,
): Cell<Answers> {
  const { model, seed } = setting
  const guess = questions.reduce(
    (sum, question) => sum + tokensAround + questionText(question).length / charactersPerToken,
    0,
  )
  const tokens = Math.round(method === 'dense' ? Math.min(guess, cache) : guess)
  return {
    label: `Table 5, ${set}, ${names[method]}`,
    key: { measured: 'arc', model: model.sha256, text, method, cache, sinks, questions: questions.length, seed },
    work: [
      { model, doing: 'append', tokens, cache: method === 'one-shot' ? 64 : Math.min(cache, tokens) },
      // What was said is taken back, and the token before it decoded again.
      {
        model,
        doing: 'score',
        tokens: Math.round((questions.length * tokens) / Math.max(1, guess)),
        cache: method === 'one-shot' ? 128 : Math.min(cache, tokens),
      },
    ],
    missing,
    measure: async progress => {
      const answers = noAnswers()
      const told = () => progress(answers.right.length / questions.length)
      if (method === 'one-shot') {
        for (const question of questions) await stream(setting, method, cache, [question], told, answers)
        return answers
      }
      return await stream(setting, method, cache, questions, told, answers)
    },
  }
}

async function stream(
  setting: Setting,
  method: Method,
  cache: number,
  questions: readonly ArcQuestion[],
  told: () => void,
  answers: Answers,
): Promise<Answers> {
  const policy = method === 'one-shot' ? 'streaming' : method
  const sizes = policy === 'dense' ? { sinks: 0, window: cache } : { sinks, window: cache - sinks }
  return await withSequence(setting, setting.model, { policy, ...sizes }, async (sequence, model) => {
    const prompts = arcPrompts(model)
    const prompted = async function* () {
      for (const [i, question] of questions.entries()) yield await prompts(question, i === 0)
    }
    return await answerAll(model, sequence, prompted(), told, answers)
  })
}

function percentOrReason(cell: Cell<Answers>, outcomes: Outcomes): number | string {
  const answers = outcomes.value(cell)
  if (answers === undefined) return `not measured: ${outcomes.reason(cell)}`
  if (answers.full !== null) return `cache full after ${answers.right.length} questions`
  return percent(accuracyOf(answers)) ?? 'no questions'
}

function detail(set: Set, method: Method, cache: number, cell: Cell<Answers>, outcomes: Outcomes): (string | number)[] {
  const answers = outcomes.value(cell)
  if (answers === undefined) return [set, names[method], `not measured: ${outcomes.reason(cell)}`, '', '', '']
  const alone = method === 'one-shot'
  const tokens = alone ? answers.seen.reduce((sum, seen) => sum + seen, 0) : (answers.seen.at(-1) ?? 0)
  const later = alone
    ? ''
    : accuracyText(accuracyOf(answers, cache), answers.full === null ? 'no questions' : 'its cache is full')
  return [set, names[method], answers.right.length, tokens, accuracyText(accuracyOf(answers)), later]
}

function notes(setting: Setting, cache: number, all: (Answers | undefined)[]): string[] {
  const strays = all.reduce((sum, answers) => sum + (answers?.strays ?? 0), 0)
  const lines = [
    `The paper's dense attention ran out of memory. Here it is given the same ${cache} tokens of cache as the others and ends, with an error that says so, when they are full.`,
    'The paper streams all questions to models of 7B parameters and more. A model of 135M hardly does better than guessing here, and window attention costs it less: ' +
      "what it can show is that streaming answers about as one-shot does and goes on without end. The paper's gap between window and streaming takes a larger instruction-tuned model; " +
      'with a small one the intervals overlap.',
    "Accuracy among the choices' labels alone is not measured: the likeliest of all tokens must be the right label.",
  ]
  if (setting.quick)
    lines.push(
      `The paper's cache has 1,024 tokens. In the quick run it has ${cache}, and some of the questions still come before it is full, while window attention has all it needs; the last column leaves them out.`,
    )
  if (strays > 0)
    lines.push(`${strays} wrong tokens could not be taken back and stand in the streams before the right answers.`)
  return lines
}
