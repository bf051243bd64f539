/** What the model says. */
export interface TextPart {
  type: 'text'
  text: string
}

/** What the model writes to itself before it answers, without the marks around it. */
export interface ReasoningPart {
  type: 'reasoning'
  text: string
}

/** A call of a known tool has begun. Calls are numbered from 0 in each reply. */
export interface ToolCallStartPart {
  type: 'tool-call-start'
  index: number
  /** Made by this library, unique in the conversation. */
  id: string
  name: string
}

/** A piece of the arguments of the call that has begun. The pieces together are the JSON text of its `arguments`. */
export interface ToolCallArgumentsPart {
  type: 'tool-call-arguments'
  index: number
  text: string
}

/** A call that is complete. */
export interface ToolCallPart {
  type: 'tool-call'
  index: number
  id: string
  name: string
  arguments: Record<string, unknown>
  /** The id that the model itself has given to the call. Results must name this one: the model reads it. */
  writtenId?: string
  /** The call as the model wrote it, with the marks around it and white space before it. */
  raw: string
}

/** What was begun as a call and is none: broken JSON, an unknown tool, no end. */
export interface InvalidToolCallPart {
  type: 'invalid-tool-call'
  raw: string
  /** What is wrong with it, as a sentence that the model may be told. */
  reason: string
  /** The tool's name, if it could be read. */
  name?: string
  /** Of the call, if its start was reported. */
  index?: number
  id?: string
}

/** What a reply is made of, in the order in which it is written. */
export type ReplyPart =
  | TextPart
  | ReasoningPart
  | ToolCallStartPart
  | ToolCallArgumentsPart
  | ToolCallPart
  | InvalidToolCallPart
