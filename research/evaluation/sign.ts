import type { Chat } from '../../lib/chat/chat.js'
import type { ChatMessage } from '../../lib/messages.js'
import type { Model } from '../../lib/model/model.js'

/**
 * The logarithm of the probability that the model begins its reply with these very words. The exchange stays in the
 * chat: `undo()` takes it back.
 */
export async function signLogProbability(
  model: Model,
  chat: Chat,
  question: ChatMessage,
  sign: string,
): Promise<number> {
  const tokens = [...model.tokenize(sign)]
  // The grammar makes it the sign; the bias makes it the sign's usual tokens, as there are many ways to spell it. What
  // is told are the model's own probabilities, before either.
  const options = {
    grammar: `root ::= ${JSON.stringify(sign)}`,
    logitBias: tokens.map((token): [number, number] => [token, 1_000]),
    temperature: 0,
    logprobs: 0,
  }
  const written: number[] = []
  let sum = 0
  for await (const event of chat.stream(question, options)) {
    if (event.type !== 'text') continue
    for (const { token, logprob } of event.tokens ?? []) {
      written.push(token)
      sum += logprob
    }
  }
  if (String(written) !== String(tokens))
    throw new Error(`${JSON.stringify(sign)} was written as tokens ${written}, not ${tokens}`)
  return sum
}
