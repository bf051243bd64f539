/** Who said something. Templates of some models know more roles than these. */
export type Role = 'system' | 'user' | 'assistant' | 'tool' | (string & {})

/** One message of a conversation. */
export interface ChatMessage {
  role: Role
  content: string
  /** Of an assistant's message: the tools that it calls, in order. */
  toolCalls?: ToolCall[]
  /** Of a tool's message: which call it answers. */
  toolCallId?: string
  /** Of an assistant's message: what the model thought before it answered. Not read from callers' messages. */
  reasoning?: string
}

/** A call of a tool that a model has made. */
export interface ToolCall {
  id: string
  /** The tool's. */
  name: string
  arguments: Record<string, unknown>
}

/** A message in a chat's own history. */
export interface LoggedMessage extends ChatMessage {
  /** What the model wrote, to the letter, where that is not `content`. */
  raw?: string
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
