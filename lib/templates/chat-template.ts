import { StreamingLLMError } from '../errors.js'
import type { TemplateMessage } from '../messages.js'
import { atOnce, type Work } from '../util/pace.js'
import { CompiledTemplate, type RenderLimits, renderLimits } from './compiled-template.js'
import { MarkedRenderer } from './input-marking.js'
import { cutPieces, type PromptPiece, piecesText, type TurnPrompt } from './prompt-pieces.js'
import { SpecialTokens } from './special-tokens.js'
import { findSystemBoundary, type SystemBoundary } from './system-boundary.js'
import { probeTurns, type TurnCapabilities } from './turn-probe.js'
import { UnusedCharacters } from './unused-characters.js'

export type { PromptPiece, TurnPrompt } from './prompt-pieces.js'
export { piecesText }

export interface ChatTemplateOptions {
  /** Texts that templates write by these names; empty if not given. */
  bosToken?: string
  eosToken?: string
  /** Texts of the control tokens of the vocabulary. */
  specialTokens: readonly string[]
  /**
   * What one rendering of a short conversation may cost, and how much it may write. What is left out has its default.
   */
  limits?: Partial<RenderLimits>
  /** What the model writes before an answer at the start of a reply. Default: nothing. */
  answer?: string
  /** Variables that the template gets each time, such as `tools`. */
  variables?: Readonly<Record<string, unknown>>
}

/** What `continueTurn` has to know of the conversation. */
export interface TurnContext {
  /** The conversation's leading system message, which some templates look at in every turn. */
  system?: string
  /** The reply that the turn follows, where it holds calls that the turn answers. */
  after?: TemplateMessage
}

/** Characters of all contents together: more than that many bytes are tokenized no longer (`tokenize`). */
const maxCharacters = 64 * 2 ** 20

/** Roles are the program's words, and templates put them into control tokens: no more than a plain word. */
const rolePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/

/** A model's chat template: conversations into prompts, in whole or by turns. */
export class ChatTemplate {
  readonly #template: CompiledTemplate
  readonly #renderer: MarkedRenderer
  readonly #unused: UnusedCharacters
  readonly #bosToken: string
  readonly #answer: string
  #capabilities: TurnCapabilities | undefined
  #replyAlone: { key: string; text: string } | undefined
  #boundary: { found: SystemBoundary | undefined } | undefined

  /** Throws `TEMPLATE_FAILED` for a template that doesn't compile, or is longer than any. */
  constructor(source: string, options: ChatTemplateOptions) {
    this.#bosToken = options.bosToken ?? ''
    this.#answer = options.answer ?? ''
    this.#template = new CompiledTemplate(
      source,
      { bosToken: this.#bosToken, eosToken: options.eosToken ?? '' },
      { ...renderLimits, ...options.limits },
      options.variables,
    )
    const special = new SpecialTokens(options.specialTokens)
    this.#unused = new UnusedCharacters([source, ...special.texts])
    this.#renderer = new MarkedRenderer(this.#template, special, this.#unused)
  }

  /**
   * True when the template was found to render turns independently of the earlier ones, so that `continueTurn` is
   * exact. Found out at the first use, by rendering small conversations.
   */
  get incremental(): boolean {
    return this.#probed().incremental
  }

  /**
   * True when the template changes or drops `<think>` blocks of earlier replies. After a reply with one, `continueTurn`
   * gives the right text, but the cache before it differs from what the template would give.
   */
  get rewritesReasoning(): boolean {
    return this.#probed().rewritesReasoning
  }

  /**
   * A whole conversation from its start: for the first turn, for restored histories, and for templates that aren't
   * incremental. `addGenerationPrompt` opens the assistant's reply.
   *
   * Throws `TEMPLATE_FAILED` where the template raises, fails, or exceeds a limit; `INVALID_OPTION` for messages whose
   * role is no plain word or whose content is no string; `TEXT_TOO_LONG` for more than 64 million characters.
   */
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): PromptPiece[] {
    return atOnce(this.renderInParts(messages, addGenerationPrompt))
  }

  /** As `render`. */
  *renderInParts(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): Work<PromptPiece[]> {
    const { text, plain } = yield* this.#renderer.render(checked(messages), addGenerationPrompt)
    return cutPieces(text, plain)
  }

  /**
   * The start of the prompt that is the leading system message alone, up to the end of that message: what would be
   * pinned as sinks. It is a prefix of the rendering of any conversation that begins with that message. Undefined where
   * the template refuses system messages or puts them into the user's turn.
   *
   * Throws as `render`.
   */
  renderSystem(system: string): PromptPiece[] | undefined {
    const boundary = this.#systemBoundary()
    if (boundary === undefined) return undefined
    const [mark] = this.#marks(1, [system])
    const head = checked([{ role: 'system', content: system }])
    const { text, plain } = atOnce(this.#renderer.render([...head, { role: 'user', content: mark as string }], true))
    const before = text.indexOf(mark as string)
    let end: number
    if (boundary.by === 'alone') {
      const alone = this.#template.render(head, false)
      if (!text.startsWith(alone)) return undefined
      end = alone.length
    } else {
      end = before - boundary.header.length
      if (!text.startsWith(boundary.header, end)) return undefined
    }
    return end > 0 && end <= before ? cutPieces(text, plain, 0, end) : undefined
  }

  /**
   * The start of the prompt up to where the first turn begins: the system prompt, given or the template's own, and what
   * the template begins with. Empty pieces where turns begin at once (Llama 2); undefined where that cannot be told.
   *
   * Throws as `render`.
   */
  renderOpening(system: string | undefined): PromptPiece[] | undefined {
    if (system !== undefined) {
      const pieces = this.renderSystem(system)
      if (pieces !== undefined) return pieces
    }
    const head = system === undefined ? [] : checked([{ role: 'system', content: system }])
    const [first, reply] = this.#marks(2, [system ?? '']) as [string, string]
    const user = { role: 'user', content: first }
    const { text, plain } = atOnce(this.#renderer.render([...head, user], true))
    const before = text.indexOf(first)
    const turn = this.#turnText(
      [...head, { role: 'user', content: 'x' }, { role: 'assistant', content: reply }, user],
      reply,
    )
    if (before < 0 || turn === undefined) return undefined
    const header = turn.slice(0, turn.indexOf(first))
    // What a template writes once at the very start may be written before each turn as well.
    for (const beginning of [
      header,
      header.startsWith(this.#bosToken) ? header.slice(this.#bosToken.length) : header,
    ]) {
      if (text.slice(0, before).endsWith(beginning)) return cutPieces(text, plain, 0, before - beginning.length)
    }
    return undefined
  }

  /**
   * What follows the end of the marked reply, which is the last one but for the turn after it; undefined if that is
   * unclear.
   */
  #turnText(messages: readonly TemplateMessage[], mark: string): string | undefined {
    const whole = this.#template.render(messages, true)
    const start = whole.indexOf(mark)
    if (start < 0 || whole.includes(mark, start + mark.length)) return undefined
    const after = whole.slice(start + mark.length)
    return after.slice(this.#replyEnd(messages.slice(0, -1), mark, after))
  }

  /**
   * How many characters of what comes `after` a marked reply belong to that reply: those that come without a next turn
   * as well.
   */
  #replyEnd(upToReply: readonly TemplateMessage[], mark: string, after: string): number {
    const alone = this.#afterReply(upToReply, mark)
    let end = 0
    while (end < alone.length && alone[end] === after[end]) end++
    return end
  }

  /** What comes after a marked reply where nothing follows it: the same for each turn of a conversation, as a rule. */
  #afterReply(upToReply: readonly TemplateMessage[], mark: string): string {
    const key = JSON.stringify(upToReply)
    if (this.#replyAlone?.key === key) return this.#replyAlone.text
    try {
      const whole = this.#template.render(upToReply, false)
      const start = whole.indexOf(mark)
      const text = start < 0 ? '' : whole.slice(start + mark.length)
      this.#replyAlone = { key, text }
      return text
    } catch {
      return '' // A template that wants a user's message last says nothing about the end of replies.
    }
  }

  /**
   * What follows the assistant's own text in the cache: the end of its turn, the new messages, and the opening of the
   * next reply. Its cost doesn't depend on the length of the history, since it is rendered after a short dummy
   * conversation.
   *
   * Replies count as they were generated. Where a template trims them, the white space around a reply stays in the
   * cache, though a rendering of the whole conversation would not have it. Where a template writes white space before
   * replies that its opening of a reply doesn't have (Llama 2), the reply's own leading white space is in its place.
   *
   * Throws as `render`, and `TEMPLATE_FAILED` if the template isn't `incremental`.
   */
  continueTurn(newMessages: readonly TemplateMessage[], context: TurnContext = {}): TurnPrompt {
    return atOnce(this.continueTurnInParts(newMessages, context))
  }

  /** As `continueTurn`. */
  *continueTurnInParts(newMessages: readonly TemplateMessage[], context: TurnContext = {}): Work<TurnPrompt> {
    if (!this.incremental) {
      throw new StreamingLLMError(
        'TEMPLATE_FAILED',
        'This chat template rewrites earlier turns, so that a turn cannot be rendered by itself: render the conversation in whole.',
      )
    }
    return yield* this.#continuation(newMessages, context)
  }

  *#continuation(newMessages: readonly TemplateMessage[], { system, after: reply }: TurnContext): Work<TurnPrompt> {
    const added = checked(newMessages)
    const head = system === undefined ? [] : checked([{ role: 'system', content: system }])
    const [mark] = this.#marks(
      1,
      [...head, ...added].map(message => message.content ?? ''),
    ) as [string]
    if (reply?.tool_calls !== undefined)
      return yield* this.#afterCalls([...head, { role: 'user', content: 'x' }], checked([reply]), added, mark)
    const dummy = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: mark },
    ]
    const { text, plain } = yield* this.#renderer.render([...head, ...dummy, ...added], true)
    const start = text.indexOf(mark)
    if (start === -1 || text.includes(mark, start + mark.length)) {
      throw new StreamingLLMError(
        'TEMPLATE_FAILED',
        'The chat template does not write replies exactly once: render the conversation in whole.',
      )
    }
    const after = start + mark.length
    return {
      pieces: cutPieces(text, plain, after),
      turnAt: this.#replyEnd([...head, ...dummy], mark, text.slice(after)),
    }
  }

  /**
   * Templates read the calls when they write the answers, and some write nothing else of such a reply. So no mark in it
   * says where it ends.
   */
  *#afterCalls(
    before: readonly TemplateMessage[],
    reply: readonly TemplateMessage[],
    added: readonly TemplateMessage[],
    mark: string,
  ): Work<TurnPrompt> {
    const without = this.#template.render([...before, ...reply], false)
    const { text, plain } = yield* this.#renderer.render([...before, ...reply, ...added], true)
    let end = 0
    while (end < without.length && without[end] === text[end]) end++
    // What ends any reply ends this one, though it is part of what both have.
    const plainReply = this.#template.render([...before, { role: 'assistant', content: mark }], false)
    const ending = plainReply.slice(plainReply.indexOf(mark) + mark.length)
    const start = plainReply.includes(mark) && text.slice(0, end).endsWith(ending) ? end - ending.length : end
    return { pieces: cutPieces(text, plain, start), turnAt: end - start }
  }

  #probed(): TurnCapabilities {
    return (this.#capabilities ??= this.#template.together(() =>
      probeTurns(
        {
          whole: messages => this.#template.render(messages, true),
          continuation: (newMessages, system) => piecesText(atOnce(this.#continuation(newMessages, { system })).pieces),
        },
        this.#answer,
      ),
    ))
  }

  #systemBoundary(): SystemBoundary | undefined {
    this.#boundary ??= {
      found: this.#template.together(() =>
        findSystemBoundary(
          (messages, addGenerationPrompt) => this.#template.render(messages, addGenerationPrompt),
          this.#marks(3, []) as [string, string, string],
          this.#bosToken,
        ),
      ),
    }
    return this.#boundary.found
  }

  /** Different texts that occur neither in the template nor in `texts`. */
  #marks(count: number, texts: readonly string[]): string[] {
    return this.#unused.take(count, texts)
  }
}

/** The messages with nothing but what templates know of. */
function checked(messages: readonly TemplateMessage[]): TemplateMessage[] {
  let characters = 0
  return messages.map((message, i) => {
    const hasCalls = Array.isArray(message?.tool_calls)
    if (typeof message?.content !== 'string' && !(hasCalls && message.content === null)) {
      throw new StreamingLLMError('INVALID_OPTION', `The content of message ${i} is no string.`, {
        details: { message: i },
      })
    }
    if (typeof message.role !== 'string' || !rolePattern.test(message.role)) {
      throw new StreamingLLMError(
        'INVALID_OPTION',
        `The role of message ${i} is no plain word of at most 64 letters, digits, "_", "." and "-".`,
        {
          details: { message: i },
        },
      )
    }
    characters += message.content?.length ?? 0
    // The template would be blamed for it, or what tokenizes, a long time later.
    if (characters > maxCharacters) {
      throw new StreamingLLMError(
        'TEXT_TOO_LONG',
        `The messages up to message ${i} have ${characters} characters; at most ${maxCharacters} can be told at once. Pass a part of the history.`,
        {
          details: { message: i, length: characters, limit: maxCharacters },
        },
      )
    }
    const { role, content, tool_calls, tool_call_id, name } = message
    return {
      role,
      content,
      ...(tool_calls === undefined ? {} : { tool_calls }),
      ...(tool_call_id === undefined ? {} : { tool_call_id }),
      ...(name === undefined ? {} : { name }),
    }
  })
}
