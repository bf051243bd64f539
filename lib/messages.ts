/** Who said something. Templates of some models know more roles than these. */
export type Role = 'system' | 'user' | 'assistant' | (string & {})

/** One message of a conversation, as chat templates and the common HTTP interfaces have it. */
export interface ChatMessage {
  role: Role
  content: string
}

/** A tool call in a message, in the shape that chat templates expect. */
export interface TemplateToolCall {
  id: string
  type: 'function'
  /** Most templates take the arguments as an object, some as JSON text. */
  function: { name: string; arguments: unknown }
}

/** A message as chat templates take it: with calls, or as the answer to one. */
export interface TemplateMessage {
  role: Role
  content: string | null
  tool_calls?: readonly TemplateToolCall[]
  /** In a tool's answer: the call that it answers. */
  tool_call_id?: string
  /** In a tool's answer: the tool. */
  name?: string
}
