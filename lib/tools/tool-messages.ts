import type { TemplateMessage } from '../messages.js'
import { templateTools, toolsFor } from './template-tools.js'
import type { ToolCallFormat } from './tool-call-format.js'
import type { ToolCall, ToolDefinitions } from './tool-definitions.js'
import { writeCalls } from './write-calls.js'

/** What a tool has given back. */
export interface ToolResult {
  /** The call's `writtenId`, where it has one, or else its `id`. */
  id: string
  name: string
  /** Text, or anything else, which is written as JSON. */
  result: unknown
}

/** The variables that a template has to be given for these tools: none, where the system prompt has to say it all. */
export function toolVariables(format: ToolCallFormat, tools: ToolDefinitions): Record<string, unknown> {
  return format.toolsVariable === undefined
    ? {}
    : { ...format.variables, [format.toolsVariable]: toolsFor(format.toolsVariable, templateTools(tools)) }
}

/** An assistant's message that holds calls, as the template takes it. `content` is what was said before them. */
export function callMessage(format: ToolCallFormat, content: string, calls: readonly ToolCall[]): TemplateMessage {
  if (calls.length === 0) return { role: 'assistant', content }
  if (!format.rendersCalls) {
    return { role: 'assistant', content: content + (content === '' ? '' : '\n') + writeCalls(format.syntax, calls) }
  }
  return {
    role: 'assistant',
    content: content === '' ? format.emptyContent : content,
    tool_calls: calls.map(call => ({
      id: call.id,
      type: 'function',
      function: {
        name: call.name,
        arguments: format.argumentsAs === 'string' ? JSON.stringify(call.arguments ?? {}) : (call.arguments ?? {}),
      },
    })),
  }
}

/**
 * The messages that give results back: one for each, or one of the user for all, where the template has no such role.
 */
export function resultMessages(format: ToolCallFormat, results: readonly ToolResult[]): TemplateMessage[] {
  if (results.length === 0) return []
  if (format.results === 'tool') {
    return results.map(({ id, name, result }) => ({
      role: 'tool',
      content: resultText(result),
      tool_call_id: id,
      name,
    }))
  }
  // In one message, since many templates insist on turns.
  const content = results.map(({ result }) => `<tool_response>\n${resultText(result)}\n</tool_response>`).join('\n')
  return [{ role: 'user', content }]
}

function resultText(result: unknown): string {
  return typeof result === 'string' ? result : (JSON.stringify(result) ?? 'null')
}
