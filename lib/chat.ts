import { StreamingLLMError } from './errors.js'
import type { FinishEvent, FinishReason, StreamEvent, Timings, Usage } from './events.js'
import { JobRunner, type TokenCounts } from './job-reader.js'
import { MessageLog } from './message-log.js'
import type { ChatMessage } from './messages.js'
import type { Model } from './model.js'
import type { NativeEvent, NativeSequence, NativeSequenceOptions } from './native.js'
import { parseGenerateOptions, parseMessages, type GenerateOptions, type ParsedChatOptions, type ParsedGenerateOptions } from './options.js'
import { ChatTemplate } from './templates/chat-template.js'
import { abortedInQueue, finishEvent, nativeSampling, textStream, type TextStream } from './text-stream.js'
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
  #native: NativeSequence
  // Seen and evicted, but not by the present native sequence: what a restored history left out between sinks and
  // window, and what had left before the sequence was made anew.
  #skipped = 0
  // Messages that have left but are kept, with `keepMessages: 'all'`.
  #left = 0
  #begun = false
  #closed = false

  /** @internal */
  constructor(model: Model, options: ParsedChatOptions, warn: (message: string) => void) {
    this.#model = model
    this.#template = chatTemplate(model, options.chatTemplate)
    const [first, ...rest] = options.messages
    const takesSystem = options.system === undefined && first?.role === 'system'
    this.system = takesSystem ? first!.content : options.system
    this.#options = this.#withPin(options, warn)
    this.#sizes = model.limits(this.#options)
    const { policy, sinks, window, reanchorEvery } = this.#sizes
    this.limits = { policy, sinks, window, reanchorEvery }
    this.#log = new MessageLog(options.keepMessages === 'all')
    for (const message of takesSystem ? rest : options.messages) this.#log.add(message, 0)
    if (!this.#template.incremental) {
      warn('this chat template changes earlier turns when later ones come, so each turn is decoded again from the start of the kept messages')
    }
    // Last, so that nothing that throws leaves it open.
    this.#native = model.openSequence(this.#options)
    this.#runner = new JobRunner(this.#native)
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
   * @throws {StreamingLLMError} from the first `next()` on: TOKENIZE_FAILED, TEMPLATE_FAILED, CACHE_FULL for a turn that
   * does not fit (the turn then leaves no trace), CACHE_FULL in mid-reply, OUT_OF_MEMORY, DECODE_FAILED (the chat stays
   * usable), CLOSED. Wrong options throw at once.
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

  async *#turn(messages: ChatMessage[], { signal, sampling, stop, speculation, maxTokens = 0, timeLimit = 0 }: ParsedGenerateOptions): AsyncGenerator<StreamEvent, void, undefined> {
    const release = await this.#runner.acquire(signal)
    if (release === undefined) {
      // Aborted while another turn was still going on: it never began, and leaves no trace.
      yield abortedInQueue(this.usage)
      return
    }
    try {
      this.#needOpen()
      const { tokens, ends } = await this.#prompt(messages)
      this.#needRoom(tokens.length)
      messages.forEach((message, i) => this.#log.add(message, ends[i]!))
      let text = ''
      let finish: FinishEvent | undefined
      try {
        const job = { type: 'generate', tokens: Int32Array.from(tokens), maxTokens, timeLimit, stop, sampling: nativeSampling(sampling), speculation } as const
        for await (const event of this.#runner.run(job, signal)) {
          if (event.type === 'text') text += event.text
          if (event.type === 'finish') {
            const { usage, ...told } = finishEvent(event)
            finish = { ...told, usage: { ...usage, ...this.usage } }
          }
          const shown = this.#shown(event)
          if (shown !== undefined) yield shown
        }
      } finally {
        this.#addReply(text)
      }
      // Before the last event is told: a reader who goes no further finds the books complete and the chat free.
      release()
      if (finish !== undefined) yield finish
    } finally {
      release()
    }
  }

  /** A dense cache that has no room for the turn refuses it before it leaves a trace. */
  #needRoom(coming: number): void {
    const { policy, window } = this.#sizes
    const { cachedTokens, seenTokens } = this.#runner.counts
    if (policy !== 'dense' || cachedTokens + coming <= window) return
    this.#begun &&= seenTokens > 0
    throw new StreamingLLMError('CACHE_FULL', `the dense policy has room for ${window} tokens; ${cachedTokens} are there and this turn adds ${coming}: use policy 'streaming', which goes on for ever, or a larger window`, { details: { window, cachedTokens, coming } })
  }

  /** The reply, as far as it was delivered, joins the history. */
  #addReply(text: string): void {
    this.#log.add({ role: 'assistant', content: text }, this.#runner.counts.seenTokens)
    const { evictedTokens } = this.#runner.counts
    if (evictedTokens > 0) this.#leave(evictedTokens)
  }

  /** The messages that have gone with the native sequence's first `evicted` evictions and had not been told before. */
  #leave(evicted: number): ChatMessage[] {
    const gone = this.#log.leave(this.#sizes.sinks + evicted)
    if (this.#options.keepMessages === 'all') this.#left += gone.length
    return gone
  }

  #shown(event: NativeEvent): StreamEvent | undefined {
    switch (event.type) {
      case 'evict': return { type: 'evict', tokens: event.tokens, messages: this.#leave(event.total) }
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
    const earlier = this.#log.messages.slice(this.#left)
    const { tokens, ends } = await wholePrompt(this.#model, this.#template, this.system, [...earlier, ...messages])
    this.#needOpen() // it may have been closed meanwhile
    const history = ends[earlier.length - 1] ?? 0
    if (this.#begun) {
      // The template rewrites what is in the cache: it is decoded anew. Closed first, since there may be no other.
      this.#skipped += Math.max(0, seenTokens - history)
      this.#native.close()
      this.#native = this.#model.openSequence(this.#options)
      this.#runner.replace(this.#native)
    }
    // Of a long history only what the cache would still hold is decoded; what is said now goes through it whole.
    const { sinks, window, policy } = this.#sizes
    const surplus = policy === 'dense' ? 0 : Math.max(0, Math.min(tokens.length - sinks - window, history - sinks))
    tokens.splice(sinks, surplus)
    this.#skipped += surplus
    const shifted = ends.map(end => end - surplus)
    this.#log.renumber([...Array<number>(this.#left).fill(0), ...shifted])
    if (surplus > 0) this.#leave(0)
    this.#begun = true
    return { tokens, ends: shifted.slice(earlier.length) }
  }

  /** The system prompt as sinks, if it is to be pinned and is short enough; any that fits, if that was asked for. */
  #withPin(options: ParsedChatOptions, warn: (message: string) => void): ParsedChatOptions {
    const asked = options.pinSystem === true
    const wanted = options.pinSystem ?? options.sinks === undefined
    if (!wanted || this.system === undefined || options.policy !== 'streaming') return options
    const { sinks, window } = this.#model.limits(options)
    const pinned = systemTokens(this.#model, this.#template, this.system)
    if (pinned === undefined) {
      if (asked) warn('this chat template has no place of its own for a system prompt, so it cannot be pinned')
      return options
    }
    if (pinned <= sinks || (!asked && pinned > (sinks + window) / 4)) return options
    if (pinned >= sinks + window) {
      throw new StreamingLLMError('WINDOW_TOO_LARGE', `the system prompt has ${pinned} tokens, which leaves nothing of the ${sinks + window} of sinks and window: pin a shorter one, or use a larger window`, { details: { pinned, sinks, window } })
    }
    const rest = sinks + window - pinned
    if (options.window !== undefined) return { ...options, sinks: pinned, window: rest }
    // Sinks take their cells twice while they move, for which `cacheTokens` may have no room.
    const fitting = this.#model.limits({ ...options, sinks: pinned })
    return { ...options, sinks: pinned, window: Math.min(rest, fitting.window + fitting.reanchorEvery) }
  }

  /** Gives the cells back; a reply in flight ends with `CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#runner.close()
  }

  #needOpen(): void {
    if (this.#closed) throw new StreamingLLMError('CLOSED', 'this chat has been closed; make a new one')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

// Compiling and probing a template takes some 20 ms of the event loop; most chats of a model have the same.
const lastTemplates = new WeakMap<Model, { source: string; template: ChatTemplate }>()

function chatTemplate(model: Model, given: string | undefined): ChatTemplate {
  const { info } = model
  const source = given ?? info.chatTemplate
  if (source === undefined || source === '') {
    throw new StreamingLLMError('TEMPLATE_MISSING', `the model ${model.path} has no chat template; give one by the option chatTemplate, or use model.stream() for plain text`)
  }
  const last = lastTemplates.get(model)
  if (last?.source === source) return last.template
  const template = new ChatTemplate(source, { bosToken: info.beginningText, eosToken: info.endText, specialTokens: info.specialTokens })
  lastTemplates.set(model, { source, template })
  return template
}
