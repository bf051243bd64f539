import type { FinishEvent, StreamEvent, Usage } from '../events.js'
import type { RestoredFrom } from '../index.js'
import type { ChatMessage } from '../messages.js'
import type { ModelDevice } from '../model/place-model.js'
import type { GenerateOptions } from '../options/parse.js'
import type { ImpossibleTrigger } from '../structured/grammar-check.js'
import { type CommandOutcome, findCommand } from './chat-commands.js'
import { withLineEnds } from './line-history.js'
import type { Entry } from './message-composer.js'
import type { Talker } from './reply.js'

/** The part of a chat that its commands need. */
export interface CommandedChat extends Talker {
  readonly system: string | undefined
  readonly limits: { policy: string; sinks: number; window: number; evict: 'token' | 'turn' }
  readonly usage: Pick<Usage, 'seenTokens' | 'cachedTokens' | 'evictedTokens'>
  readonly messages: readonly ChatMessage[]
  /** `messages` may hold evicted ones as well, if the chat was saved with them. */
  readonly conversation: { log: { present: readonly { message: ChatMessage }[] } }
  readonly restoredFrom: RestoredFrom | undefined
  setSystem(system: string | undefined): Promise<void>
  regenerate(options?: GenerateOptions): AsyncIterable<StreamEvent>
  undo(exchanges?: number): Promise<ChatMessage[]>
  save(path: string): Promise<void>
  close(): Promise<void>
}

/** What the commands need of a model. */
export interface CommandedModel {
  readonly path: string
  readonly info: { name?: string; quantization: string; parameters: number }
  readonly device: ModelDevice
  readonly tokenizer: { readonly impossibleTrigger: ImpossibleTrigger }
  restoreChat(path: string): Promise<CommandedChat>
}

/**
 * A chat, what its next replies are asked for with, and what was last heard of it: what commands look at and change.
 */
export class ChatSession {
  /** Of the last reply. */
  last: FinishEvent | undefined

  constructor(
    readonly model: CommandedModel,
    public chat: CommandedChat,
    public options: GenerateOptions,
  ) {}

  /**
   * Does what was typed: the reply to a message, or what a command has to say or to stream.
   *
   * @param width of the screen, in characters
   * @throws {StreamingLLMError} INVALID_OPTION for a command that there is not, and as the chat
   */
  async take({ text, asIs }: Entry, width: number): Promise<CommandOutcome> {
    if (asIs) return this.#say(text)
    const message = withLineEnds(text)
    if (!message.startsWith('/')) return this.#say(message)
    if (message.startsWith('//')) return this.#say(message.slice(1))
    const [, name = '', argument = ''] = /^\/(\S*)\s*(.*)$/s.exec(message) ?? []
    return findCommand(name).act(this, argument.trim(), width)
  }

  #say(text: string): CommandOutcome {
    return { reply: signal => this.chat.stream(text, { ...this.options, signal }) }
  }
}
