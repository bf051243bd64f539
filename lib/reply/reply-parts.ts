import type { InvalidToolCallPart, ToolCallArgumentsPart, ToolCallStartPart } from '../events.js'

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

/** What a reply is made of, in the order in which it is written. */
export type ReplyPart =
  | TextPart
  | ReasoningPart
  | ToolCallStartPart
  | ToolCallArgumentsPart
  | ToolCallPart
  | InvalidToolCallPart
