import type { LoggedMessage, TemplateMessage } from '../messages.js'
import type { ReasoningFormat } from '../reply/reasoning-format.js'
import type { MessageFormat } from '../tools/message-format.js'
import type { ToolCallFormat } from '../tools/tool-call-format.js'
import { callMessage, resultMessages, type ToolResult } from '../tools/tool-messages.js'
import { writeCalls } from '../tools/write-calls.js'

/** How a chat's model writes what is more than text. */
interface ReplyFormat {
  readonly toolFormat: ToolCallFormat
  readonly messages: MessageFormat | undefined
  readonly reasoning: ReasoningFormat | undefined
}

/**
 * A conversation's messages as its template takes them. `previous`: the reply before them, whose calls they may answer.
 */
export function templateMessages(
  messages: readonly LoggedMessage[],
  format: ReplyFormat,
  previous?: LoggedMessage,
): TemplateMessage[] {
  const all: TemplateMessage[] = []
  const names = new Map(previous?.toolCalls?.map(({ id, name }) => [id, name]))
  let results: ToolResult[] = []
  const giveBack = () => {
    if (results.length > 0) all.push(...resultMessages(format.toolFormat, results))
    results = []
  }
  for (const message of messages) {
    const { role, content, toolCalls = [], toolCallId = '' } = message
    for (const { id, name } of toolCalls) names.set(id, name)
    if (role === 'tool') {
      results.push({ id: toolCallId, name: names.get(toolCallId) ?? '', result: content })
      continue
    }
    giveBack()
    if (toolCalls.length > 0) all.push(callMessage(format.toolFormat, content, toolCalls))
    else all.push({ role, content: closedText(message, format) })
  }
  giveBack()
  return all
}

/**
 * What the model wrote. Reasoning that was cut off is closed: a template could not tell it from an answer. Where a reply
 * is several messages, it is the answer alone: the template writes the headers.
 */
function closedText(
  { content, raw = content, reasoning }: LoggedMessage,
  { messages, reasoning: marks }: ReplyFormat,
): string {
  if (messages !== undefined) return content
  return reasoning === undefined || marks === undefined || raw.includes(marks.close) ? raw : raw + marks.close
}

/** A reply as the model writes it. */
export function replyText(
  { content, raw, toolCalls = [] }: LoggedMessage,
  { messages }: Pick<ReplyFormat, 'messages'>,
  format: () => ToolCallFormat,
): string {
  if (raw !== undefined) return raw
  const text = messages === undefined ? content : messages.answer + content
  if (toolCalls.length === 0) return text
  return (content === '' ? '' : text) + writeCalls(format().syntax, toolCalls)
}
