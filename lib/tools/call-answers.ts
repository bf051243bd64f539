import { StreamingLLMError } from '../errors.js'
import type { ChatMessage, ToolCall } from '../messages.js'

/**
 * What is said after `last`, with an answer to each call that it or a reply among it holds: templates want one for
 * each. The answers have the ids of their calls; a call that has none is told to have been cancelled, as when a turn
 * was left. Throws INVALID_OPTION for an answer to a call that does not exist, or that has been answered.
 */
export function withAnswers(last: ChatMessage | undefined, messages: readonly ChatMessage[]): ChatMessage[] {
  const all: ChatMessage[] = []
  let calls = last?.toolCalls
  for (let from = 0; from < messages.length; ) {
    const reply = messages.findIndex(({ role }, at) => at >= from && role === 'assistant')
    const end = reply < 0 ? messages.length : reply
    all.push(...answersTo(calls, messages.slice(from, end)), ...messages.slice(end, end + 1))
    calls = messages[end]?.toolCalls
    from = end + 1
  }
  return all
}

function answersTo(calls: readonly ToolCall[] | undefined, messages: readonly ChatMessage[]): ChatMessage[] {
  if (calls === undefined) return [...messages]
  // Two calls may have the same id, and each has its answer.
  const waiting = calls.map(({ id }) => id)
  const unnamed = [...waiting]
  for (const { toolCallId } of messages) take(unnamed, toolCallId)
  const answers = messages.map(message => {
    if (message.role !== 'tool') return message
    const id = message.toolCallId ?? unnamed.shift()
    if (id !== undefined && take(waiting, id)) return { ...message, toolCallId: id }
    throw noSuchCall(calls, id)
  })
  return [
    ...waiting.map(id => ({ role: 'tool', toolCallId: id, content: 'Error: the call was cancelled' })),
    ...answers,
  ]
}

/** False where it is not there. */
function take(ids: string[], id: string | undefined): boolean {
  const at = id === undefined ? -1 : ids.indexOf(id)
  if (at >= 0) ids.splice(at, 1)
  return at >= 0
}

function noSuchCall(calls: readonly ToolCall[], id: string | undefined): StreamingLLMError {
  const ids = calls.map(call => call.id)
  const what =
    id === undefined
      ? 'there are more answers of tools than calls'
      : `toolCallId ${JSON.stringify(id)} is not that of a call that waits for its answer`
  const called = ids.map(each => JSON.stringify(each)).join(', ')
  return new StreamingLLMError(
    'INVALID_OPTION',
    `${what}; the reply before it has called ${called}, and each call has one answer`,
    {
      details: { option: 'toolCallId', toolCallId: id, calls: ids },
    },
  )
}
