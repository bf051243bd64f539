import { expect, test } from '@jest/globals'
import { StreamingLLMError } from '../../lib/errors.js'
import type { Model, Sequence } from '../../lib/index.js'
import { accuracyCurve, accuracyOf, accuracyText, interval } from '../../research/paper/accuracy.js'
import { answerAll, complete, stopsFor } from '../../research/paper/answers.js'
import { table5 } from '../../research/paper/arc.js'
import { choose, parseArc, questionText } from '../../research/paper/arc-questions.js'
import type { Outcomes, Setting } from '../../research/paper/experiment.js'
import { linesBack, linesBetween, registerLines } from '../../research/paper/register-lines.js'
import { figure9 } from '../../research/paper/stream-eval.js'

const published =
  '{"id":"x","question":{"stem":"What burns?","choices":[{"text":"ice","label":"A"},{"text":"wood","label":"B"}]},"answerKey":"B"}'
const columns =
  '{"id":"x","question":"What burns?","choices":{"text":["ice","wood"],"label":["A","B"]},"answerKey":"B"}'

test('both forms of ARC are read alike', () => {
  const question = {
    question: 'What burns?',
    choices: [
      { label: 'A', text: 'ice' },
      { label: 'B', text: 'wood' },
    ],
    answer: 'B',
  }
  expect(parseArc(`${published}\n${columns}\n\n`)).toEqual([question, question])
  expect(questionText(question)).toBe('Question: What burns?\nA. ice\nB. wood')
})

test.each([
  '{"question":"no choices","answerKey":"A"}',
  '{"question":"the answer is none of them","choices":{"text":["ice"],"label":["A"]},"answerKey":"B"}',
])('what is no question is named by its line: %s', line => {
  expect(() => parseArc(`${columns}\n${line}`)).toThrow(/line 2 is not a question/)
})

test('the seed decides which questions are asked, and in which order', () => {
  const all = Array.from({ length: 50 }, (_, i) => ({ question: String(i), choices: [], answer: '' }))
  const names = (seed: number) => choose(all, 20, seed).map(({ question }) => question)
  expect(names(1)).toEqual(names(1))
  expect(names(1)).not.toEqual(names(2))
  expect(new Set(names(1)).size).toBe(20)
})

test('each question of StreamEval asks for the line 20 lines back, with words that no line near it has', () => {
  const questions = [...registerLines(1_000, 5)]
  expect(questions).toHaveLength(1_000 / linesBetween - linesBack / linesBetween)
  const records: string[] = []
  for (const { text, answer } of questions) {
    const lines = text.split('\n').filter(line => line.startsWith('line '))
    const asked = lines.pop()!
    records.push(...lines)
    expect(records.at(-1 - linesBack)).toBe(`${asked}${answer}>`)
    const words = records
      .slice(-1 - linesBack)
      .flatMap(line => line.slice('line '.length, line.indexOf(':')).split('-'))
    expect(new Set(words).size).toBe(words.length)
  }
  expect(records).toHaveLength(1_000)
  expect([...registerLines(40, 5)]).toEqual([...registerLines(40, 5)])
  expect([...registerLines(40, 5)]).not.toEqual([...registerLines(40, 6)])
})

test("Wilson's interval", () => {
  // By the formula: (p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), for 10 of 40.
  const [low, high] = interval({ right: 10, questions: 40 })
  expect(low).toBeCloseTo(14.19, 2)
  expect(high).toBeCloseTo(40.19, 2)
  expect(interval({ right: 0, questions: 10 })[0]).toBe(0)
  expect(interval({ right: 0, questions: 10 })[1]).toBeCloseTo(27.75, 2)
  expect(accuracyText({ right: 1, questions: 2 })).toBe('50.0 % (9.5 to 90.5)')
  expect(accuracyText({ right: 0, questions: 0 })).toBe('no questions')
})

test('accuracy over parts of a stream', () => {
  const answers = { right: [true, true, false, true, false, false], seen: [10, 20, 30, 40, 50, 60] }
  expect(accuracyOf(answers)).toEqual({ right: 3, questions: 6 })
  expect(accuracyOf(answers, 0, 20)).toEqual({ right: 2, questions: 2 })
  expect(accuracyOf(answers, 20)).toEqual({ right: 1, questions: 4 })
  expect(accuracyCurve(answers, 3)).toEqual([
    { x: 20, y: (100 * 2) / 3 },
    { x: 50, y: 100 / 3 },
  ])
  expect(accuracyCurve({ right: [], seen: [] }, 3)).toEqual([])
})

/**
 * Tokens are characters. It says what it is told to, and counts tokens as the engine does: a stop string leaves
 * nothing.
 */
function speaker(say: (stream: string) => string, capacity = Infinity) {
  let stream = ''
  const add = (tokens: ArrayLike<number>) => {
    if (stream.length + tokens.length > capacity) throw new StreamingLLMError('CACHE_FULL', 'full')
    stream += String.fromCharCode(...Array.from(tokens))
  }
  const sequence = {
    append: async (tokens: ArrayLike<number>) => add(tokens),
    generate: ({
      tokens,
      stop,
      maxTokens,
      temperature,
    }: {
      tokens: number[]
      stop: string[]
      maxTokens: number
      temperature: number
    }) => ({
      async *text() {
        if (maxTokens !== 1 || temperature !== 0 || stop.length > 16) throw new Error('not what a question needs')
        add(tokens)
        const said = say(stream)
        if (stop.some(each => said.includes(each))) return
        stream += said
        yield said
      },
    }),
    get usage() {
      return { seenTokens: stream.length }
    },
  }
  const model = { detokenize: (tokens: number[]) => String.fromCharCode(...tokens) }
  return { model: model as unknown as Model, sequence: sequence as unknown as Sequence, stream: () => stream }
}

const codes = (text: string) => [...text].map(character => character.charCodeAt(0))
const ask = (prompt: string, answer: string) => ({
  prompt: codes(prompt),
  answer: codes(answer),
  likely: [...'0123456789'],
})

test('the right answer stays in the stream, whatever the model says', async () => {
  const knows = speaker(stream => (stream.endsWith('?') ? '4' : '2'))
  expect(await complete(knows.model, knows.sequence, ask('a?', '42'))).toEqual({ right: true, stray: false })
  expect(knows.stream()).toBe('a?42')

  const halfKnows = speaker(stream => (stream.endsWith('?') ? '4' : '7'))
  expect(await complete(halfKnows.model, halfKnows.sequence, ask('a?', '42'))).toEqual({ right: false, stray: false })
  expect(halfKnows.stream()).toBe('a?42')

  const babbles = speaker(() => '~')
  expect(await complete(babbles.model, babbles.sequence, ask('a?', '42'))).toEqual({ right: false, stray: true })
  expect(babbles.stream()).toBe('a?~42')
})

test('no stop string is in the right token, and the likely ones come first', () => {
  expect(stopsFor('C', ['A', 'B', 'C', 'D']).slice(0, 3)).toEqual(['A', 'B', 'D'])
  for (const text of ['C', ' C', '24', '1']) {
    const stops = stopsFor(text, [...'0123456789'])
    expect(stops).toHaveLength(16)
    for (const stop of stops) expect(text).not.toContain(stop)
  }
})

test('a dense cache that is full ends the questions and keeps the answers', async () => {
  const { model, sequence } = speaker(() => '1', 7)
  const answers = await answerAll(model, sequence, [ask('a?', '1'), ask('b?', '2'), ask('c?', '1')])
  expect(answers).toEqual({ right: [true, false], seen: [3, 6], strays: 0, full: 6 })
})

const model = { name: 'some model', path: '/nowhere', sha256: 'abc', trainedLength: 8_192 }
const setting = (texts: Setting['texts'], quick = true) => ({ quick, scale: 1, seed: 1, model, texts }) as Setting

test('Table 5 names what it lacks, and shows what there is beside the paper', () => {
  const file = { name: 'ARC-Easy', source: '', sha256: 'def', content: `${published}\n${columns}` }
  const table = table5(setting({ 'ARC-Easy-test.jsonl': file, 'ARC-Challenge-test.jsonl': { missing: 'no network' } }))
  const missing = table.cells.filter(cell => cell.missing !== undefined)
  expect(missing.map(cell => cell.missing)).toEqual(Array<string>(4).fill('no network'))
  const streaming = table.cells[0]!
  const outcomes = {
    value: cell => (cell === streaming ? { right: [true, false], seen: [500, 600], strays: 0, full: null } : undefined),
    reason: () => 'no network',
  } as Outcomes
  const { tables } = table.present(outcomes)
  const row = tables[0]!.rows.find(([name]) => name === 'StreamingLLM')!
  expect(row.slice(1)).toEqual([50, 'not measured: no network', 71.34, 55.03, 80.89, 65.61, 91.37, 80.2])
  expect(tables[1]!.rows.find(each => each[0] === 'ARC-Easy' && each[1] === 'StreamingLLM')!.slice(2)).toEqual([
    2,
    600,
    '50.0 % (9.5 to 90.5)',
    '0.0 % (0.0 to 79.3)',
  ])
})

test('Figure 9 goes beyond 100,000 tokens in the full run and stays within a minute in the quick one', () => {
  const tokens = (quick: boolean) =>
    figure9(setting({}, quick)).cells.map(cell => cell.work.reduce((sum, work) => sum + work.tokens, 0))
  expect(Math.min(...tokens(false).slice(0, 2))).toBeGreaterThan(100_000)
  expect(tokens(true).reduce((sum, each) => sum + each, 0)).toBeLessThan(60 * 230)
  const keys = figure9(setting({})).cells.map(cell => JSON.stringify(cell.key))
  expect(new Set(keys).size).toBe(3)
})
