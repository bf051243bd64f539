import { StreamingLLMError } from './errors.js'
import type { FinishReason, StreamEvent, Timings, Usage } from './events.js'
import { JobRunner, type TokenCounts } from './job-reader.js'
import { MessageLog } from './message-log.js'
import type { ChatMessage } from './messages.js'
import type { Model } from './model.js'
import type { NativeEvent, NativeSequenceOptions } from './native.js'
import { parseGenerateOptions, parseMessages, type GenerateOptions, type ParsedChatOptions, type ParsedGenerateOptions } from './options.js'
import { ChatTemplate } from './templates/chat-template.js'
import { finishEvent, nativeSampling, textStream, type TextStream } from './text-stream.js'
import { nextPrompt, systemTokens, wholePrompt, type TurnTokens } from './turn-prompt.js'

export interface Answer {
  text: string
  reason: FinishReason
  usage: Usage
  timings: Timings
}

/**
 * A conversation that never ends: sinks and a window of recent tokens stay in the cache, the rest is evicted and
 * forgotten. Made by `model.createChat()`. Turns queue up; each method throws `CLOSED` after `close()`.
 */
export class Chat {
  /** The system prompt, if there is one. It is not among `messages`. */
  readonly system: string | undefined
  /** The cache's sizes in tokens; `sinks` includes a pinned system prompt. */
  readonly limits: Readonly<Pick<NativeSequenceOptions, 'policy' | 'sinks' | 'window' | 'reanchorEvery'>>

  readonly #model: Model
  readonly #options: ParsedChatOptions
  readonly #template: ChatTemplate
  readonly #runner: JobRunner
  readonly #sizes: NativeSequenceOptions
  readonly #log: MessageLog
  // What a restored history left out between sinks and window: it counts as seen and evicted.
  #skipped = 0
  #begun = false

  /** @internal */
  constructor(model: Model, options: ParsedChatOptions, warn: (message: string) => void) {
    this.#model = model
    this.#template = chatTemplate(model, options.chatTemplate)
    const [first, ...rest] = options.messages
    const takesSystem = options.system === undefined && first?.role === 'system'
    this.system = takesSystem ? first!.content : options.system
    this.#options = this.#withPin(options)
    this.#sizes = model.limits(this.#options)
    const { policy, sinks, window, reanchorEvery } = this.#sizes
    this.limits = { policy, sinks, window, reanchorEvery }
    this.#runner = new JobRunner(model.openSequence(this.#options))
    this.#log = new MessageLog(options.keepMessages === 'all')
    for (const message of takesSystem ? rest : options.messages) this.#log.add(message, 0)
    if (!this.#template.incremental) {
      warn('this chat template changes earlier turns when later ones come, so each turn is decoded again from the start of the kept messages')
    }
  }

  /**
   * The messages so far: those still in the window, or all with `keepMessages: 'all'`. A reply that was left early is
   * there with exactly the text that was delivered.
   */
  get messages(): ChatMessage[] {
    return this.#log.messages
  }

  /** Tokens of the conversation: seen, in the cache, evicted. */
  get usage(): TokenCounts {
    const { seenTokens, cachedTokens, evictedTokens } = this.#runner.counts
    return { seenTokens: seenTokens + this.#skipped, cachedTokens, evictedTokens: evictedTokens + this.#skipped }
  }

  /** @internal A name of the whole history, evicted messages included. */
  get digest(): { count: number; hash: string } {
    return this.#log.digest
  }

  /**
   * Says something and streams the reply. Work starts at the first `next()`. Leaving early (`break`, `return()`, a
   * throw in the loop, the signal) is normal: the reply in `messages` is then what was delivered, to the character.
   * When `signal` fires the last event is `finish` with reason `abort`; nothing is thrown.
   *
   * @throws {StreamingLLMError} from the first `next()` on: TOKENIZE_FAILED, TEMPLATE_FAILED (the turn then leaves no
   * trace), CACHE_FULL, OUT_OF_MEMORY, DECODE_FAILED (the chat stays usable), CLOSED. Wrong options throw at once.
   */
  stream(text: string | ChatMessage, options: GenerateOptions = {}): TextStream {
    const [message] = parseMessages([typeof text === 'string' ? { role: 'user', content: text } : text], 'stream')
    return this.turn([message!], parseGenerateOptions(options, this.#options.sampling))
  }

  /** Says something and waits for the whole reply. Rejects with `signal.reason` when aborted. Throws as `stream`. */
  async ask(text: string | ChatMessage, options: GenerateOptions = {}): Promise<Answer> {
    let answer = ''
    for await (const event of this.stream(text, options)) {
      if (event.type === 'text') answer += event.text
      if (event.type !== 'finish') continue
      if (event.reason === 'abort') options.signal?.throwIfAborted()
      const { reason, usage, timings } = event
      return { text: answer, reason, usage, timings }
    }
    throw new StreamingLLMError('DECODE_FAILED', 'the reply ended without saying why')
  }

  /** @internal */
  turn(messages: ChatMessage[], options: ParsedGenerateOptions): TextStream {
    return textStream(this.#turn(messages, options))
  }

  async *#turn(messages: ChatMessage[], { signal, sampling, stop, maxTokens = 0, timeLimit = 0 }: ParsedGenerateOptions): AsyncGenerator<StreamEvent, void, undefined> {
    const release = await this.#runner.acquire(signal)
    if (release === undefined) {
      // Aborted while another turn was still going on: it never began, and leaves no trace.
      yield { type: 'finish', reason: 'abort', usage: { promptTokens: 0, completionTokens: 0, ...this.usage }, timings: { promptMs: 0, generationMs: 0, tokensPerSecond: 0 } }
      return
    }
    try {
      const { tokens, ends } = await this.#prompt(messages)
      messages.forEach((message, i) => this.#log.add(message, ends[i]!))
      let text = ''
      let noted = false
      const note = () => {
        if (!noted) this.#addReply(text)
        noted = true
      }
      try {
        const job = { type: 'generate', tokens: Int32Array.from(tokens), maxTokens, timeLimit, stop, sampling: nativeSampling(sampling) } as const
        for await (const event of this.#runner.run(job, signal)) {
          if (event.type === 'text') text += event.text
          if (event.type === 'finish') {
            // Noted before it is told, so that a reader who leaves at this event finds the books complete.
            note()
            const { usage, ...told } = finishEvent(event)
            yield { ...told, usage: { ...usage, ...this.usage } }
            return
          }
          const shown = this.#shown(event)
          if (shown !== undefined) yield shown
        }
      } finally {
        note()
      }
    } finally {
      release()
    }
  }

  /** The reply, as far as it was delivered, joins the history. */
  #addReply(text: string): void {
    this.#log.add({ role: 'assistant', content: text }, this.#runner.counts.seenTokens)
    const { evictedTokens } = this.#runner.counts
    if (evictedTokens > 0) this.#log.leave(this.#sizes.sinks + evictedTokens)
  }

  #shown(event: NativeEvent): StreamEvent | undefined {
    switch (event.type) {
      case 'evict': return { type: 'evict', tokens: event.tokens, messages: this.#log.leave(this.#sizes.sinks + event.total) }
      case 'prefill':
      case 'text':
      case 'rebase': return event
      default: return undefined
    }
  }

  /** Tokens of the new messages, with all that must come before them in the cache. `ends` counts from its start. */
  async #prompt(messages: ChatMessage[]): Promise<TurnTokens> {
    const { seenTokens } = this.#runner.counts
    if (this.#begun && this.#template.incremental) {
      const { tokens, ends } = await nextPrompt(this.#model, this.#template, this.system, messages)
      return { tokens, ends: ends.map(end => seenTokens + end) }
    }
    const earlier = this.#log.messages
    const { tokens, ends } = await wholePrompt(this.#model, this.#template, this.system, [...earlier, ...messages])
    if (this.#begun) {
      // The template rewrites what is in the cache: it is decoded anew.
      this.#runner.replace(this.#model.openSequence(this.#options))
      this.#skipped += Math.max(0, seenTokens - (ends[earlier.length - 1] ?? 0))
    }
    const { sinks, window, policy } = this.#sizes
    const surplus = policy === 'dense' ? 0 : Math.max(0, tokens.length - sinks - window)
    if (surplus > 0) {
      // Of a long history only what the cache would still hold is decoded.
      tokens.splice(sinks, surplus)
      this.#skipped += surplus
    }
    const shifted = ends.map(end => end - surplus)
    this.#log.renumber(shifted)
    if (surplus > 0) this.#log.leave(sinks)
    this.#begun = true
    return { tokens, ends: shifted.slice(earlier.length) }
  }

  /** The system prompt as sinks, if it is to be pinned and is short enough. */
  #withPin(options: ParsedChatOptions): ParsedChatOptions {
    const wanted = options.pinSystem ?? options.sinks === undefined
    if (!wanted || this.system === undefined || options.policy === 'dense') return options
    const { sinks, window } = this.#model.limits(options)
    const pinned = systemTokens(this.#model, this.#template, this.system)
    if (pinned === undefined || pinned > (sinks + window) / 4 || pinned <= sinks) return options
    return { ...options, sinks: pinned, window: sinks + window - pinned }
  }

  /** Gives the cells back; a reply in flight ends with `CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#runner.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function chatTemplate(model: Model, given: string | undefined): ChatTemplate {
  const { info } = model
  const source = given ?? info.chatTemplate
  if (source === undefined || source === '') {
    throw new StreamingLLMError('TEMPLATE_MISSING', `the model ${model.path} has no chat template; give one by the option chatTemplate, or use model.stream() for plain text`)
  }
  return new ChatTemplate(source, { bosToken: info.beginningText, eosToken: info.endText, specialTokens: info.specialTokens })
}
