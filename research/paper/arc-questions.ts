import { SeededRandom } from '../../test/tools/tiny-random.js'
import { shuffled } from './shuffled.js'

/** A question of the AI2 Reasoning Challenge. */
export interface ArcQuestion {
  question: string
  choices: { label: string; text: string }[]
  /** The right choice's label. */
  answer: string
}

/**
 * Reads JSON lines, as AI2 publishes them or as the Hugging Face dataset has them. Throws a TypeError that names the
 * line.
 */
export function parseArc(content: string): ArcQuestion[] {
  const questions: ArcQuestion[] = []
  content.split('\n').forEach((line, i) => {
    if (line.trim() === '') return
    const question = questionOf(JSON.parse(line))
    if (question === undefined) throw new TypeError(`line ${i + 1} is not a question of ARC: ${line.slice(0, 80)}`)
    questions.push(question)
  })
  return questions
}

function questionOf(json: unknown): ArcQuestion | undefined {
  const { question, choices, answerKey } = json as { question?: unknown; choices?: unknown; answerKey?: unknown }
  const published = typeof question === 'object' && question !== null
  const stem: unknown = published ? (question as { stem?: unknown }).stem : question
  const given = published
    ? (question as { choices?: { label?: unknown; text?: unknown }[] }).choices
    : pairs(choices as { label?: unknown[]; text?: unknown[] } | undefined)
  if (typeof stem !== 'string' || typeof answerKey !== 'string' || !Array.isArray(given)) return undefined
  const all = given.map(({ label, text }) => ({ label: String(label), text: String(text) }))
  return all.some(({ label }) => label === answerKey) ? { question: stem, choices: all, answer: answerKey } : undefined
}

function pairs(columns: { label?: unknown[]; text?: unknown[] } | undefined) {
  return columns?.label?.map((label, i) => ({ label, text: columns.text?.[i] }))
}

/** As many of the questions, in an order that the seed decides. */
export function choose(questions: readonly ArcQuestion[], count: number, seed: number): ArcQuestion[] {
  return shuffled(questions, new SeededRandom(seed)).slice(0, count)
}

/** The question as it is put to the model. */
export function questionText({ question, choices }: ArcQuestion): string {
  return [`Question: ${question}`, ...choices.map(({ label, text }) => `${label}. ${text}`)].join('\n')
}
