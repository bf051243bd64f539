import { ChatFormat } from '../../lib/chat/chat-format.js'
import { nextPrompt, wholePrompt } from '../../lib/chat/prompt-tokens.js'
import type { Model } from '../../lib/index.js'
import type { Question } from './answers.js'
import { type ArcQuestion, questionText } from './arc-questions.js'

/** Makes prompts of ARC's questions: `first` for a new stream, else behind the answer to the one before. */
export type ArcPrompts = (question: ArcQuestion, first: boolean) => Promise<Question>

/**
 * With the model's own chat template where it has one that goes turn by turn, each question a user's message and each
 * answer an assistant's; else as plain text.
 */
export function arcPrompts(model: Model): ArcPrompts {
  const { chatTemplate, bosToken } = model.nativeInfo
  const format =
    chatTemplate === undefined || chatTemplate === ''
      ? undefined
      : new ChatFormat(model.tokenizer, { chatTemplate, reasoning: 'text' })
  const encode = (text: string) => [...model.tokenize(text)]
  if (format?.template.incremental) {
    return async (question, first) => {
      const content = `${questionText(question)}\nAnswer with the ${/^\d/.test(question.answer) ? 'number' : 'letter'} only.`
      const { tokens } = await (first ? wholePrompt : nextPrompt)({ tokenizer: model.tokenizer, format }, undefined, [
        { role: 'user', content },
      ])
      return asked(question, tokens, encode(question.answer))
    }
  }
  return async (question, first) => {
    const beginning = bosToken === undefined ? [] : [bosToken]
    const tokens = [...(first ? beginning : encode('\n\n')), ...encode(`${questionText(question)}\nAnswer:`)]
    return asked(question, tokens, encode(` ${question.answer}`))
  }
}

/** The answer's last token is what tells the choices apart: what comes before it, such as a space, is given. */
function asked({ choices, answer }: ArcQuestion, prompt: number[], answerTokens: number[]): Question {
  const likely = choices.map(({ label }) => label).filter(label => label !== answer)
  return { prompt: [...prompt, ...answerTokens.slice(0, -1)], answer: answerTokens.slice(-1), likely }
}
