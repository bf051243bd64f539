import type { Chat } from '../../lib/chat/chat.js'
import type { ChatMessage } from '../../lib/messages.js'
import type { Model } from '../../lib/model/model.js'

/** All that the cache of a chat holds, as text, with the names of special tokens. */
export async function cachedText(model: Model, chat: Chat): Promise<string> {
  return model.detokenize([...(await chat.conversation.keptTokens())], { special: true })
}

const start = '<|im_start|>'
const end = '<|im_end|>\n'

/**
 * The messages that a cache holds, by ChatML, SmolLM2's template: behind the system prompt whole messages, the user's
 * and the assistant's in turn; the last, a reply, has not been closed yet. A text in its place: what is wrong.
 */
export function parseCached(text: string, system: string): ChatMessage[] | string {
  const opening = `${start}system\n${system}${end}`
  if (!text.startsWith(opening))
    return `the cache does not begin with the system prompt, but with ${JSON.stringify(text.slice(0, opening.length))}`
  const messages: ChatMessage[] = []
  const parts = text.slice(opening.length).split(start)
  if (parts.shift() !== '') return 'behind the system prompt no message begins'
  for (const [i, part] of parts.entries()) {
    const role = i % 2 === 0 ? 'user' : 'assistant'
    if (!part.startsWith(`${role}\n`))
      return `message ${i} of the cache is not the ${role}'s, but begins with ${JSON.stringify(part.slice(0, 40))}`
    const isLast = i === parts.length - 1
    if (!isLast && !part.endsWith(end))
      return `message ${i} of the cache is not closed: it ends with ${JSON.stringify(part.slice(-40))}`
    const content = part.slice(role.length + 1, isLast ? undefined : -end.length)
    if (content.includes('<|im_')) return `message ${i} of the cache has a control token inside`
    messages.push({ role, content })
  }
  if (messages.at(-1)?.role !== 'assistant') return "the last message of the cache is not the assistant's"
  return messages
}

/**
 * What is wrong with the cache of a chat between two turns; undefined where it holds just the messages that the chat
 * says it does.
 */
export async function cacheViolation(model: Model, chat: Chat): Promise<string | undefined> {
  const parsed = parseCached(await cachedText(model, chat), chat.system ?? '')
  if (typeof parsed === 'string') return parsed
  const told = chat.messages
  if (parsed.length !== told.length)
    return `the cache holds ${parsed.length} messages, and the chat tells of ${told.length}`
  const other = parsed.findIndex(({ content }, i) => content !== told[i]!.content)
  if (other >= 0)
    return `message ${other} of the cache is ${JSON.stringify(parsed[other]!.content)}, and the chat tells of ${JSON.stringify(told[other]!.content)}`
  return undefined
}
