import type { ChatMessage, ToolCall } from './messages.js'

/** The prompt is being read. One such event at the start (`done: 0`), then one for each batch. */
export interface PrefillEvent {
  type: 'prefill'
  /** Tokens of the prompt decoded so far. */
  done: number
  /** Tokens of the prompt in all. */
  total: number
}

/** Generated text: everything that has piled up since the last event, always whole characters. */
export interface TextEvent {
  type: 'text'
  text: string
  /** With the option `logprobs`: the tokens whose text ends in this one, in order. */
  tokens?: TokenProbability[]
}

/** A token and how likely it was to the model, before anything of sampling. */
export interface TokenLikelihood {
  token: number
  /** Its text; of part of a character, `\ufffd`. Control tokens show their names. */
  text: string
  /** The natural logarithm of its probability. */
  logprob: number
}

/** A token of a reply, and the likeliest ones in its place, best first. */
export interface TokenProbability extends TokenLikelihood {
  top: TokenLikelihood[]
}

/**
 * What the model writes to itself before it answers, without the marks around it. Where its template marks reasoning.
 */
export interface ReasoningEvent {
  type: 'reasoning'
  text: string
  /** As those of a `text` event. */
  tokens?: TokenProbability[]
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
export interface ToolCallEvent extends ToolCall {
  type: 'tool-call'
  index: number
}

/** What was begun as a call and is none: broken JSON, an unknown tool, no end, arguments that do not fit its schema. */
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

/** A tool has been run. Its result is sent to the model next. */
export interface ToolResultEvent {
  type: 'tool-result'
  /** The call's. */
  id: string
  name: string
  /** What `execute` returned. */
  result?: unknown
  /** What it threw, in words, where it failed. */
  error?: string
}

/** Tokens have left the window since the last such event. What has left is forgotten. */
export interface EvictEvent {
  type: 'evict'
  /** How many tokens left. */
  tokens: number
  /** The messages whose last token left with them, oldest first. Empty below chat. */
  messages: ChatMessage[]
}

/** The kept tokens were decoded again from position 0, because positions had grown large. Rare. */
export interface RebaseEvent {
  type: 'rebase'
  /** Tokens decoded again: sinks and window. */
  tokens: number
}

/**
 * Why a reply ended: the model ended its turn (`end`), one of the `stop` strings came (`stop`), `maxTokens` was reached
 * (`length`), `timeLimit` passed (`time`), the caller's signal fired (`abort`), or the model has called tools that the
 * caller must answer (`tool-calls`). Those are tools without `execute`, and all after `maxToolRounds` rounds.
 */
export type FinishReason = 'end' | 'stop' | 'length' | 'time' | 'abort' | 'tool-calls'

export interface Usage {
  /** Tokens that this turn added as its prompt. */
  promptTokens: number
  /**
   * Tokens of the prompt whose cells were shared instead of decoded, because another chat or sequence of this model has
   * the same prefix, such as the same system prompt. Tokens that an aborted turn had not decoded may be among them.
   */
  reusedTokens: number
  /** Tokens generated and delivered in this turn. */
  completionTokens: number
  /** With `speculation: true`: tokens that were tried ahead of their turn, and how many of them were right. */
  speculation?: { draftedTokens: number; acceptedTokens: number }
  /** Tokens of the whole conversation so far, the evicted ones included. */
  seenTokens: number
  /**
   * Tokens of the conversation that are in the cache, at most sinks and window, and pending ones, which are decoded with
   * the next turn: one token, two with the policy `recompute`, and up to 48 with a recurrent model after a reply.
   */
  cachedTokens: number
  /** Tokens of the whole conversation that have been evicted. */
  evictedTokens: number
}

export interface Timings {
  /** Milliseconds spent on the prompt, up to the first generated token. */
  promptMs: number
  /** Milliseconds spent on generating, after the first token; waiting for a slow reader is not counted. */
  generationMs: number
  /** Generated tokens a second over `generationMs`; 0 for fewer than two tokens. */
  tokensPerSecond: number
}

/** The last event of every stream that does not throw. */
export interface FinishEvent {
  type: 'finish'
  reason: FinishReason
  usage: Usage
  timings: Timings
}

/** What a stream of generated text yields. */
export type StreamEvent =
  | PrefillEvent
  | TextEvent
  | ReasoningEvent
  | EvictEvent
  | RebaseEvent
  | FinishEvent
  | ToolCallStartPart
  | ToolCallArgumentsPart
  | ToolCallEvent
  | InvalidToolCallPart
  | ToolResultEvent
