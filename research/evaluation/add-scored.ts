import type { Chat } from '../../lib/chat/chat.js'
import type { Model } from '../../lib/model/model.js'

/**
 * Adds an exchange to the chat as if it had been said. Returns the logarithm of the probability that the model gave to
 * each token of the reply, decoded one at a time as in generation.
 */
export async function addScored(model: Model, chat: Chat, question: string, reply: string): Promise<number[]> {
  const { conversation } = chat
  const { runner, log } = conversation
  const release = await runner.acquire()
  try {
    const { tokens, turns, ends } = await conversation.prepare([{ role: 'user', content: question }])
    log.add({ role: 'user', content: question }, ends[0]!)
    await runner.finish({ type: 'append', tokens: Int32Array.from(tokens), turns: Int32Array.from(turns) })
    const scores: number[] = []
    for await (const event of runner.run({ type: 'score', tokens: model.tokenize(reply) })) {
      if (event.type === 'scores') scores.push(...event.values)
    }
    log.add({ role: 'assistant', content: reply }, runner.counts.seenTokens)
    conversation.leave(runner.counts.evictedTokens)
    return scores
  } finally {
    release?.()
  }
}
