import { type Model, type Sequence, StreamingLLMError } from '../../lib/index.js'

/** What became of the questions of one stream, in their order. */
export type Answers = {
  right: boolean[]
  /** Tokens that the sequence had seen up to each answer. */
  seen: number[]
  /** Wrong tokens that could not be taken back and stay in the stream before the right answer; 0 nearly always. */
  strays: number
  /** The tokens seen when a dense cache was full and no more could be asked; null if it never was. */
  full: number | null
}

export function noAnswers(): Answers {
  return { right: [], seen: [], strays: 0, full: null }
}

/** A prompt in tokens and the tokens that would be the right answer to it. */
export interface Question {
  prompt: readonly number[]
  answer: readonly number[]
  /** What wrong answers probably have in them, such as the labels of the other choices. */
  likely: readonly string[]
}

/** Asks one question after another in the same stream. Ends early where a dense cache is full. */
export async function answerAll(
  model: Model,
  sequence: Sequence,
  questions: Iterable<Question> | AsyncIterable<Question>,
  onAnswer: () => void = () => {},
  answers = noAnswers(),
): Promise<Answers> {
  for await (const question of questions) {
    try {
      const { right, stray } = await complete(model, sequence, question)
      answers.right.push(right)
      answers.seen.push(sequence.usage.seenTokens)
      if (stray) answers.strays++
    } catch (error) {
      if (!StreamingLLMError.isInstance(error) || error.code !== 'CACHE_FULL') throw error
      answers.full = answers.seen.at(-1) ?? 0
      return answers
    }
    onAnswer()
  }
  return answers
}

/**
 * Asks for the model's completion and leaves the right answer in the stream, whatever the completion was: so what
 * stands before the next question is the same for a model that knows and for one that does not. Decoding is greedy;
 * the completion is right if it begins with the answer, token by token.
 *
 * Nothing is decoded twice. What the model says wrongly is taken back by the way stop strings work: a token that has
 * one in it leaves no trace. Of characters that the right token does not have, as many are stop strings as may be.
 * `stray` tells that none of them was in a wrong token.
 */
export async function complete(
  model: Model,
  sequence: Sequence,
  { prompt, answer, likely }: Question,
): Promise<{ right: boolean; stray: boolean }> {
  let tokens = prompt
  for (const [i, token] of answer.entries()) {
    const expected = model.detokenize([token])
    const said = await oneToken(sequence, tokens, stopsFor(expected, likely))
    if (said !== expected) {
      await sequence.append(answer.slice(i))
      return { right: false, stray: said !== '' }
    }
    tokens = []
  }
  return { right: true, stray: false }
}

// Together these are in nearly every token that a model could say instead.
const common = [...' \n', ...'eaointrs', ...'.<*', ...'0123456789', ...'ABCDE']
const maxStops = 16

/** Texts that make a token wrong where `expected` is right, the likely ones first. */
export function stopsFor(expected: string, likely: readonly string[]): string[] {
  return [...new Set([...likely, ...common])].filter(text => text !== '' && !expected.includes(text)).slice(0, maxStops)
}

/** The greedy next token's text; none if it had a stop string in it or ended the turn, and so was taken back. */
async function oneToken(sequence: Sequence, tokens: readonly number[], stop: string[]): Promise<string> {
  let text = ''
  for await (const part of sequence.generate({ tokens: [...tokens], temperature: 0, maxTokens: 1, stop }).text())
    text += part
  return text
}
