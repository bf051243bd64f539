import { Deadline } from '../engine/deadline.js'
import type { TokenCounts } from '../engine/job-runner.js'
import { abortedInQueue, type TextStream, textStream } from '../engine/text-stream.js'
import { modelClosed, StreamingLLMError } from '../errors.js'
import type { FinishReason, StreamEvent, Timings, TokenProbability, Usage } from '../events.js'
import type { ChatMessage, ToolCall } from '../messages.js'
import { checkValue, reading } from '../options/check.js'
import { text as anyText, integer, nonEmptyString } from '../options/kinds.js'
import type { GenerateOptions, ParsedGenerateOptions } from '../options/parse.js'
import { mergeSampling } from '../options/sampling.js'
import { readOutput } from '../structured/response-format.js'
import type { StandardSchema } from '../structured/schema.js'
import { chosen } from '../tools/tool-call-grammar.js'
import { wantsCall } from '../tools/tool-definitions.js'
import { followingController, throwIfAborted } from '../util/abort.js'
import type { ChatContext, Conversation, RestoredFrom } from './conversation.js'
import { parseMessages } from './parse-messages.js'
import { parseGenerateOptions } from './parse-options.js'
import { waitForTurn } from './reentrancy.js'
import { writeSavedChat } from './saved-chat.js'
import { takeTurn } from './turn.js'

/** How a chat's cache is kept, and its sizes in tokens. */
export interface ChatLimits {
  /** As in the options; `window` is streaming without sinks; `refill` streaming where tokens cannot be moved. */
  readonly policy: 'streaming' | 'dense' | 'recompute' | 'refill'
  /** With a pinned system prompt, its tokens. */
  readonly sinks: number
  /** For `dense`: tokens in all. */
  readonly window: number
  readonly reanchorEvery: number
  readonly evict: 'token' | 'turn'
}

/** What `ask` returns. */
export interface Answer<Value = unknown> {
  text: string
  /** With `responseFormat`: what it says. */
  value?: Value
  /** The calls that the caller must answer, where `reason` is `tool-calls`. */
  toolCalls?: ToolCall[]
  /** What the model thought before it answered. */
  reasoning?: string
  /** With `logprobs`: the tokens of the text. */
  tokens?: TokenProbability[]
  reason: FinishReason
  usage: Usage
  timings: Timings
}

/**
 * A conversation that never ends: sinks and a window of recent tokens stay in the cache, the rest is evicted and
 * forgotten. Made by `model.createChat()`. Turns queue up; each method throws `CLOSED` after `close()`.
 */
export class Chat {
  readonly #context: ChatContext
  readonly #conversation: Conversation
  /**
   * For a chat from `restoreChat()`: what could be used of the file. `cache`: everything, so the next token is the one
   * that would have come; where other tools were given, the pinned system prompt now describes those. `tokens`: sinks
   * and window are decoded again with the next turn. `messages`: the messages that were in the window are.
   */
  readonly restoredFrom: RestoredFrom | undefined
  readonly #closing = new AbortController()

  /** @internal */
  constructor(context: ChatContext, conversation: Conversation, restoredFrom?: RestoredFrom) {
    this.#context = context
    this.#conversation = conversation
    this.restoredFrom = restoredFrom
  }

  #parse(given: GenerateOptions, call: string): ParsedGenerateOptions {
    const { presets, options, tokenizer } = this.#context
    return parseGenerateOptions(given, mergeSampling(presets, options.sampling), call, tokenizer.impossibleTrigger)
  }

  /** The system prompt, if there is one. It is not among `messages`. */
  get system(): string | undefined {
    return this.#conversation.system
  }

  /** How the cache is kept, and its sizes in tokens. */
  get limits(): ChatLimits {
    const { policy, sinks, window, reanchorEvery, byTurn } = this.#conversation.sizes
    return { policy, sinks, window, reanchorEvery, evict: byTurn === true ? 'turn' : 'token' }
  }

  /**
   * The messages so far: those still in the window, or all with `keepMessages: 'all'`. A reply that was left early is
   * there with exactly the text that was delivered.
   */
  get messages(): ChatMessage[] {
    return this.#conversation.log.messages
  }

  /** Tokens of the conversation: seen, in the cache, evicted. */
  get usage(): TokenCounts {
    return this.#conversation.usage
  }

  /** @internal */
  get conversation(): Conversation {
    return this.#conversation
  }

  /**
   * Adds a message of the user, or messages of any role, and streams the reply. Tool results are sent back to the
   * model, and its next reply continues the same stream; one `finish` ends it all. Work starts at the first `next()`.
   * Leaving early is normal (`break`, `return()`, a throw in the loop, the signal): the reply in `messages` is then
   * exactly what was delivered. If nothing was delivered, the turn leaves no trace, unless `keepUnanswered` is given.
   * When `signal` fires the last event is `finish` with reason `abort`; nothing is thrown. Do not wait for another call
   * of this chat within the loop: it would wait for this turn, and the turn for the loop.
   *
   * @throws {StreamingLLMError} from the first `next()` on: TOKENIZE_FAILED, TEMPLATE_FAILED, CACHE_FULL for a turn
   * that does not fit (the turn then leaves no trace), CACHE_FULL in mid-reply, OUT_OF_MEMORY, MODEL_CHANGED,
   * GRAMMAR_TOO_COMPLEX, DECODE_FAILED (the chat stays usable), INVALID_OPTION for a tool's answer to no call, BUSY
   * within a tool that this chat waits for, CLOSED. Wrong options throw at once.
   */
  stream(input: string | ChatMessage | ChatMessage[], options: GenerateOptions = {}): TextStream {
    const parsed = this.#parse(options, 'stream')
    return this.turn(parseInput(input, 'stream'), parsed)
  }

  /**
   * Says something and waits for the whole reply: what was said last, where tools were run in between. Rejects with
   * `signal.reason` when aborted.
   *
   * @throws {StreamingLLMError} as `stream`; with `responseFormat`, OUTPUT_INCOMPLETE and OUTPUT_INVALID
   */
  async ask<Output>(
    input: string | ChatMessage | ChatMessage[],
    options: GenerateOptions & { responseFormat: StandardSchema<Output> },
  ): Promise<Answer<Output> & { value: Output }>
  async ask(input: string | ChatMessage | ChatMessage[], options?: GenerateOptions): Promise<Answer>
  async ask(input: string | ChatMessage | ChatMessage[], options: GenerateOptions = {}): Promise<Answer> {
    return this.#answer(parseInput(input, 'ask'), options)
  }

  async #answer(messages: ChatMessage[], options: GenerateOptions): Promise<Answer> {
    const parsed = this.#parse(options, 'ask')
    // Of the whole answer: the turn's own does not know of the schema's library.
    const end = performance.now() + (parsed.timeLimit ?? Infinity)
    const left = () => (end === Infinity ? undefined : Math.max(1, end - performance.now()))
    let text = ''
    let reasoning = ''
    let toolCalls: ToolCall[] = []
    let tokens: TokenProbability[] = []
    for await (const event of this.turn(messages, parsed)) {
      if (event.type === 'text') {
        text += event.text
        tokens.push(...(event.tokens ?? []))
      }
      if (event.type === 'reasoning') reasoning += event.text
      if (event.type === 'tool-call') toolCalls.push({ id: event.id, name: event.name, arguments: event.arguments })
      if (event.type === 'tool-result') [text, toolCalls, tokens] = ['', [], []]
      if (event.type !== 'finish') continue
      if (event.reason === 'abort') throwIfAborted(parsed.signal)
      const { reason, usage, timings } = event
      return {
        text,
        reason,
        usage,
        timings,
        ...(reasoning === '' ? {} : { reasoning }),
        ...(reason === 'tool-calls' ? { toolCalls } : {}),
        ...(parsed.logprobs === undefined ? {} : { tokens }),
        ...(parsed.responseFormat === undefined
          ? {}
          : { value: await this.#output(parsed, left, text, reason, toolCalls) }),
      }
    }
    throw new StreamingLLMError('DECODE_FAILED', 'the reply ended without saying why')
  }

  /**
   * The reply's value, checked by its schema. The schema's library cannot block the chat: it has only the time that is
   * `left`.
   */
  async #output(
    { responseFormat, signal, timeLimit }: ParsedGenerateOptions,
    left: () => number | undefined,
    text: string,
    reason: FinishReason,
    toolCalls: ToolCall[],
  ): Promise<unknown> {
    const deadline = new Deadline(left())
    const { controller, unlink } = followingController(
      signal,
      deadline.signal,
      this.#closing.signal,
      this.#context.sequences.closing,
    )
    try {
      return await readOutput(responseFormat!, text, reason, toolCalls, controller.signal)
    } catch (error) {
      if (!controller.signal.aborted || error !== controller.signal.reason) throw error
      throwIfAborted(signal)
      this.#assertOpen()
      throw new StreamingLLMError(
        'OUTPUT_INVALID',
        `the reply is JSON of the schema's form, but the schema has not agreed to it within the timeLimit of ${timeLimit} ms: allow more, or use a schema that answers sooner`,
        { cause: error, details: { text } },
      )
    } finally {
      unlink()
      deadline.clear()
    }
  }

  /**
   * Several replies to the same, side by side: the question is decoded once, and this chat does not change. Each comes
   * with a chat of its own that goes on from it; close those that are not wanted. With a `seed`, the replies have it
   * and the ones after it.
   *
   * @param count 1 to 64
   * @throws {StreamingLLMError} as `ask`; NO_SEQUENCE_LEFT
   */
  async candidates<Output>(
    input: string | ChatMessage | ChatMessage[],
    count: number,
    options: GenerateOptions & { responseFormat: StandardSchema<Output> },
  ): Promise<(Answer<Output> & { value: Output; chat: Chat })[]>
  async candidates(
    input: string | ChatMessage | ChatMessage[],
    count: number,
    options?: GenerateOptions,
  ): Promise<(Answer & { chat: Chat })[]>
  async candidates(
    input: string | ChatMessage | ChatMessage[],
    count: number,
    options: GenerateOptions = {},
  ): Promise<(Answer & { chat: Chat })[]> {
    checkValue('candidates', 'count', count, integer(1, 64))
    const messages = parseInput(input, 'candidates')
    const { seed = Math.floor(Math.random() * 2 ** 31) } = this.#parse(options, 'candidates').sampling
    const chats = [await this.fork()]
    try {
      await chats[0]!.#exclusive(() => chats[0]!.#conversation.add(messages))
      while (chats.length < count) chats.push(await chats[0]!.fork())
      const answers = chats.map((chat, i) =>
        chat.#answer([], { ...options, seed: (seed + i) % (2 ** 32 - 1), keepUnanswered: true }),
      )
      return await Promise.all(answers.map(async (answer, i) => ({ ...(await answer), chat: chats[i]! })))
    } catch (error) {
      await Promise.all(chats.map(chat => chat.close()))
      throw error
    }
  }

  /**
   * Adds messages to the history as if they had been said, replies included, and decodes them: examples, an exchange
   * that another model had. The last of them must be the assistant's. Answers of tools are as those that `stream`
   * takes.
   *
   * @throws {StreamingLLMError} INVALID_OPTION, and as `stream`
   */
  async add(messages: ChatMessage[]): Promise<void> {
    const parsed = parseMessages(messages, 'add')
    if (parsed.at(-1)?.role !== 'assistant') {
      throw new StreamingLLMError(
        'INVALID_OPTION',
        "add: the last message must be the assistant's; what is to be answered goes to stream()",
      )
    }
    await this.#exclusive(() => this.#conversation.add(parsed))
  }

  /**
   * Takes the last reply back and streams another one to the same message; what precedes it in the cache is used again.
   * With the `seed` that it had, given here or to the chat, the reply is the same, provided that nothing has left the
   * window since its message was said. What the removed reply evicted does not come back, so the new one sees less. To
   * get the same reply again, ask a `fork()` from before.
   *
   * @throws {StreamingLLMError} as `stream`; EVICTED, from the first `next()` on, where there is no reply to a message
   * that is still in the window
   */
  regenerate(options: GenerateOptions = {}): TextStream {
    const parsed = this.#parse(options, 'regenerate')
    return this.turn([], parsed, async () => {
      const { present } = this.#conversation.log
      if (
        present.length < 2 ||
        present.at(-1)!.message.role !== 'assistant' ||
        present.at(-2)!.message.role === 'assistant'
      ) {
        throw new StreamingLLMError(
          'EVICTED',
          'regenerate: there is no reply to a message that is still in the window; say something first, or use a larger window',
        )
      }
      return this.#conversation.removeReply()
    })
  }

  /**
   * Takes the last exchanges back, each a reply and the messages that it answered, with all rounds of tools, as if they
   * had never been: 1 or more. What has left the window meanwhile does not come back. Fewer are taken back where not so
   * many are still in the window. Returns the messages, oldest first.
   */
  async undo(exchanges = 1): Promise<ChatMessage[]> {
    const count = checkValue('undo', 'exchanges', exchanges, integer(1))
    return this.#exclusive(async () => {
      const { present } = this.#conversation.log
      let from = present.length
      for (let i = 0; i < count; i++) {
        const before = (end: number) =>
          present.slice(0, Math.max(0, end - 1)).findLastIndex(({ message }) => message.role === 'assistant') + 1
        let next = before(from)
        if (next >= from) break
        // What tools answered goes with the question that led to their calls.
        while (next > 0 && present[next]!.message.role === 'tool') next = before(next)
        from = next
      }
      return this.#conversation.removeLast(present.length - from)
    })
  }

  /**
   * Another chat with the same history, to go on in another way. Costs no decoding: the two share cells of the cache as
   * far as they have the same in it. Waits for a reply in progress.
   *
   * @throws {StreamingLLMError} NO_SEQUENCE_LEFT, CLOSED
   */
  async fork(): Promise<Chat> {
    return this.#exclusive(async () => new Chat(this.#context, this.#conversation.fork()))
  }

  /**
   * Changes the system prompt in mid-conversation; undefined takes it away. A pinned one is decoded alone, and the rest
   * of the cache stays, which has seen the old one. Else the messages in the window are decoded again with the next
   * turn. Waits for a reply in progress.
   *
   * @throws {StreamingLLMError} INVALID_OPTION, WINDOW_TOO_LARGE, TEMPLATE_FAILED, TOKENIZE_FAILED, CLOSED
   */
  async setSystem(system: string | undefined): Promise<void> {
    if (system !== undefined) checkValue('setSystem', 'system', system, anyText)
    await this.#exclusive(() => this.#conversation.setSystem(system))
  }

  /**
   * Writes the chat to a file, with its tokens and all that the cache holds of it, for `model.restoreChat()`. It is
   * written to a temporary file and renamed when it is complete: a process that ends meanwhile leaves the one that was
   * there. Only its owner may read it. Waits for a reply in progress.
   *
   * @throws {StreamingLLMError} SAVE_FAILED, CLOSED
   */
  async save(path: string): Promise<void> {
    checkValue('save', 'path', path, nonEmptyString)
    await this.#exclusive(async () => writeSavedChat(path, await this.#conversation.save()))
  }

  /** @internal Goes back to the first `count` messages, which are in the window. */
  async truncateTo(count: number): Promise<void> {
    await this.#exclusive(() => this.#conversation.truncateTo(count))
  }

  /** Does something while no turn is in progress. */
  async #exclusive<T>(act: () => Promise<T>): Promise<T> {
    const isOver = waitForTurn(this.#conversation)
    let release: (() => void) | undefined
    try {
      release = await this.#conversation.runner.acquire()
      this.#assertOpen()
      return await act()
    } finally {
      release?.()
      isOver()
    }
  }

  /** @internal `before`: what is done first, once it is this turn's turn; it returns what undoes it. */
  turn(
    messages: ChatMessage[],
    options: ParsedGenerateOptions,
    before?: () => Promise<() => Promise<void>>,
  ): TextStream {
    const { toolChoice, tools = this.#context.format.tools } = options
    if (tools === undefined && wantsCall(toolChoice)) {
      throw new StreamingLLMError(
        'INVALID_OPTION',
        `'toolChoice' asks for a call, and the chat has no tools: give it some by the option tools`,
        { details: { option: 'toolChoice' } },
      )
    }
    if (tools !== undefined) chosen(tools.definitions, toolChoice)
    return textStream(this.#turn(messages, options, before))
  }

  async *#turn(
    messages: ChatMessage[],
    options: ParsedGenerateOptions,
    before?: () => Promise<() => Promise<void>>,
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const isOver = waitForTurn(this.#conversation)
    const deadline = new Deadline(options.timeLimit)
    let release: (() => void) | undefined
    try {
      release = await this.#conversation.runner.acquire(options.signal, deadline)
      if (release === undefined) {
        // Left while another turn was still going on: it never began, and leaves no trace.
        yield abortedInQueue(this.usage, options.signal?.aborted === true ? 'abort' : 'time')
        return
      }
      this.#assertOpen()
      const putBack = await before?.()
      const closed = [this.#closing.signal, this.#context.sequences.closing]
      const finish = yield* takeTurn(
        {
          context: this.#context,
          conversation: this.#conversation,
          assertOpen: () => this.#assertOpen(),
          closed,
          deadline,
        },
        messages,
        options,
        putBack,
      )
      // Before the last event: a reader that stops there finds the history complete and the chat free.
      release()
      isOver()
      if (finish !== undefined) yield finish
    } finally {
      release?.()
      isOver()
      deadline.clear()
    }
  }

  /** Gives the cells back; a reply in flight ends with `CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#conversation.close()
    this.#closing.abort()
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new StreamingLLMError('CLOSED', 'this chat has been closed; make a new one')
    if (this.#context.sequences.closing.aborted) throw modelClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function parseInput(input: string | ChatMessage | ChatMessage[], call: string): ChatMessage[] {
  const messages = parseMessages(
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : reading(call, 'messages', () => Array.isArray(input))
        ? input
        : [input],
    call,
  )
  if (messages.length === 0)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `${call}: there is no message to be answered; pass a text, or at least one message`,
      { details: { call } },
    )
  if (messages.at(-1)!.role !== 'assistant') return messages
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `${call}: the last message must be one that can be answered, not the assistant's; use add() for past exchanges`,
    { details: { call } },
  )
}
