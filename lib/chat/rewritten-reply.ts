import type { LoggedMessage } from '../messages.js'
import type { ChatFormat } from './chat-format.js'

/** Whether a reply has another form once another turn follows: without its reasoning. */
export function isRewritten(
  { template, reasoning, reasoningMode, messages }: ChatFormat,
  message: LoggedMessage,
): boolean {
  if (message.role !== 'assistant' || reasoningMode === 'keep') return false
  const thought = reasoning === undefined ? /<\/?think>/.test(message.content) : message.reasoning !== undefined
  // Templates of such models get the answer alone.
  return thought && (template.rewritesReasoning || reasoningMode === 'drop' || messages !== undefined)
}

/** Without the reasoning of replies that another turn follows, where it is to go and the template would leave it in. */
export function withoutReasoning(format: ChatFormat, messages: readonly LoggedMessage[]): LoggedMessage[] {
  if (format.template.rewritesReasoning) return [...messages]
  const turn = messages.findLastIndex(({ role }) => role !== 'assistant')
  return messages.map((message, i) => {
    if (i > turn || message.reasoning === undefined || !isRewritten(format, message)) return message
    const { raw: _, reasoning: __, ...rest } = message
    return rest
  })
}
