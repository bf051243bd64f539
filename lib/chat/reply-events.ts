import type { StreamEvent, TokenProbability } from '../events.js'
import type { LoggedMessage } from '../messages.js'
import type { ReplyPart } from '../reply/reply-parts.js'
import type { ReplyReader } from '../reply/reply-reader.js'

type Spoken = Extract<
  StreamEvent,
  { type: 'text' | 'reasoning' | 'tool-call-start' | 'tool-call-arguments' | 'tool-call' | 'invalid-tool-call' }
>

/** What the model writes becomes events, and in the end a message. */
export class ReplyEvents {
  readonly #reader: ReplyReader | undefined
  readonly #message: LoggedMessage = { role: 'assistant', content: '' }
  #raw = ''
  // Probabilities of tokens whose text the reader keeps back.
  #tokens: TokenProbability[] = []
  /** Calls that were begun and are none: what is wrong with each. */
  readonly invalid: string[] = []

  constructor(reader: ReplyReader | undefined) {
    this.#reader = reader
  }

  push(text: string, tokens?: TokenProbability[]): Spoken[] {
    this.#raw += text
    if (this.#reader === undefined) {
      this.#message.content += text
      return [tokens === undefined ? { type: 'text', text } : { type: 'text', text, tokens }]
    }
    this.#tokens.push(...(tokens ?? []))
    return this.#spoken(this.#reader.push(text))
  }

  /** The reply is over. */
  end(): Spoken[] {
    const events = this.#spoken(this.#reader?.end() ?? [])
    if (this.#tokens.length > 0) events.push({ type: 'text', text: '', tokens: this.#tokens.splice(0) })
    return events
  }

  get message(): LoggedMessage {
    const { content } = this.#message
    return content === this.#raw ? this.#message : { ...this.#message, raw: this.#raw }
  }

  #spoken(parts: ReplyPart[]): Spoken[] {
    return parts.map(part => {
      switch (part.type) {
        case 'text':
        case 'reasoning': {
          if (part.type === 'text') this.#message.content += part.text
          else this.#message.reasoning = (this.#message.reasoning ?? '') + part.text
          const tokens = this.#tokens.splice(0)
          return tokens.length === 0 ? part : { ...part, tokens }
        }
        case 'tool-call': {
          const { index, name, arguments: args, writtenId } = part
          // Results must name the id that the model has read.
          const call = { id: writtenId ?? part.id, name, arguments: args }
          ;(this.#message.toolCalls ??= []).push(call)
          // Whoever gets the event may change it, and the message is what the cache holds.
          return { type: 'tool-call', index, ...structuredClone(call) }
        }
        case 'invalid-tool-call': {
          this.invalid.push(part.reason)
          return part
        }
        default:
          return part
      }
    })
  }
}
