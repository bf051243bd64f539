import { randomInt } from 'node:crypto'
import { type CallSyntax, callSyntaxes } from '../tools/call-syntax.js'
import type { MessageFormat } from '../tools/message-format.js'
import type { ToolDefinitions } from '../tools/tool-definitions.js'
import type { CallParser } from './call-parser.js'
import { afterSpace, isCut, isSpace, MarkerScanner } from './marker-scanner.js'
import { MessageReader } from './message-reader.js'
import { openParser } from './open-parser.js'
import type { CallContext } from './partial-call.js'
import { type ReasoningFormat, thinkTags } from './reasoning-format.js'
import type { ReplyPart } from './reply-parts.js'
import { UnmarkedCallDetector } from './unmarked-call-detector.js'

/** White space before a mark belongs to the mark, up to this many characters: no more is kept back for that. */
const spaceLimit = 8

export interface ReplyReaderOptions {
  /** The tools that may be called. Without any, what looks like a call is text. */
  tools?: ToolDefinitions | false
  /** How the model writes calls. Default: as Hermes does. */
  syntax?: CallSyntax
  /** How the model marks its reasoning; false leaves it in the text. Default: `<think>` and `</think>`. */
  reasoning?: ReasoningFormat | false
  /** How a reply is split into messages, where it is. Default: as in the syntax. */
  messages?: MessageFormat
  /** True when the prompt has opened the reasoning already. */
  reasoningOpen?: boolean
  /** True for a reply that is either calls or text: marks of calls in the midst of text are text. */
  callsOrText?: boolean
  /**
   * False where JSON at the start of the reply is no call, for it is what was asked for; but for models that write their
   * calls so. Default: true, unless `callsOrText`.
   */
  unmarkedCalls?: boolean
  /** What is wrong with the arguments of a call: such a call is an invalid one. Default: nothing. */
  check?: CallContext['check']
  /** Makes the ids of calls. Default: nine random letters and digits, which is the form that every template takes. */
  createId?: () => string
}

/**
 * Splits what a model writes, as it comes in, into text, reasoning and tool calls. It keeps back only what may be the
 * start of a mark, and takes any text whatsoever without throwing.
 *
 * Every character of the reply is in a `text` part or in the `raw` of a call, in order. Left out are reasoning with its
 * marks and the white space around them, and marks that a syntax ignores.
 */
export class ReplyReader {
  readonly #syntax: CallSyntax
  readonly #reasoning: ReasoningFormat | undefined
  readonly #reasoningEnd: MarkerScanner
  readonly #openings: MarkerScanner
  readonly #ignored: readonly string[]
  readonly #unmarked: UnmarkedCallDetector | undefined
  readonly #context: CallContext
  #parts: ReplyPart[] = []
  // What was pushed and not yet told apart.
  #rest = ''
  #at = 0
  #final = false
  #inReasoning: boolean
  readonly #callsOrText: boolean
  // Nothing but text comes from here on.
  #plain = false
  // Whether nothing but white space has come since the start, the reasoning, or a call. Only here reasoning may begin:
  // a text that mentions the mark goes on as text.
  #fresh: boolean
  // A call has come before the reasoning was closed; it may be closed behind it.
  #unclosed = false
  // White space at the start of the reasoning and after it is dropped.
  #skipSpace: boolean
  #opened: { raw: string; syntax: CallSyntax } | undefined
  #calls: CallParser | undefined
  readonly #messages: MessageReader | undefined

  /** `next` numbers and names the calls. */
  constructor(options: ReplyReaderOptions = {}, next = numbering(options.createId ?? randomId)) {
    const tools = options.tools || {}
    const names = Object.keys(tools)
    this.#syntax = options.syntax ?? callSyntaxes.hermes
    this.#reasoning = options.reasoning === false ? undefined : (options.reasoning ?? thinkTags)
    this.#ignored = [...(this.#reasoning?.ignored ?? []), ...(names.length === 0 ? [] : this.#syntax.ignored)]
    this.#callsOrText = options.callsOrText === true
    const openings = names.length === 0 ? [] : [...this.#syntax.open, ...this.#syntax.ignored]
    this.#openings = new MarkerScanner([...openings, ...(this.#reasoning?.ignored ?? [])])
    const endsReasoning = this.#syntax.endsReasoning === true && !this.#callsOrText
    this.#reasoningEnd = new MarkerScanner(
      this.#reasoning === undefined ? [] : [this.#reasoning.close, ...(endsReasoning ? openings : [])],
    )
    const unmarked = options.unmarkedCalls ?? !this.#callsOrText
    this.#unmarked =
      names.length > 0 && (unmarked || this.#syntax.bare)
        ? new UnmarkedCallDetector(names, { bareOnly: !unmarked })
        : undefined
    this.#fresh = this.#looksAtStart
    this.#inReasoning = this.#skipSpace = options.reasoningOpen === true && this.#reasoning !== undefined
    this.#context = {
      tools,
      check: options.check ?? (() => undefined),
      noCalls: this.#syntax.noCalls,
      emit: part => this.#emit(part),
      next,
    }
    const messages = options.messages ?? this.#syntax.messages
    if (messages !== undefined) this.#messages = this.#createMessages(messages, options, next)
  }

  /** Reads messages, whose text is for readers like this one. */
  #createMessages(format: MessageFormat, options: ReplyReaderOptions, next: CallContext['next']): MessageReader {
    const content: ReplyReaderOptions = {
      ...options,
      syntax: { ...this.#syntax, messages: undefined },
      messages: undefined,
      reasoningOpen: false,
    }
    return new MessageReader(format, {
      names: Object.keys(this.#context.tools),
      reasoning: this.#reasoning !== undefined,
      reasoningOpen: this.#inReasoning,
      answerIsText: this.#callsOrText,
      createContent: () => new ReplyReader(content, next),
      createCall: emit => openParser({ ...this.#context, emit }, this.#syntax, '', ''),
    })
  }

  /** Takes what the model has written next, and returns the parts that have come of it. */
  push(text: string): ReplyPart[] {
    if (this.#messages !== undefined) return this.#messages.push(text)
    if (this.#final) return []
    this.#rest = this.#rest === '' ? text : this.#rest + text
    return this.#run()
  }

  /** The reply is over: returns what was kept back, and closes what is open. Nothing can be pushed after it. */
  end(): ReplyPart[] {
    if (this.#messages !== undefined) return this.#messages.end()
    if (this.#final) return []
    this.#final = true
    return this.#run()
  }

  /** Whether a mark that came next would be part of a call's arguments. */
  get insideArguments(): boolean {
    return this.#calls?.insideArguments === true
  }

  #run(): ReplyPart[] {
    this.#at = 0
    while (this.#step());
    this.#rest = this.#rest.slice(this.#at)
    const parts = this.#parts
    this.#parts = []
    return parts
  }

  /** Reads what it can; false where more text is needed. */
  #step(): boolean {
    if (this.#opened !== undefined) return this.#openCalls(this.#opened)
    if (this.#calls !== undefined) return this.#readCalls(this.#calls)
    if (this.#skipSpace) {
      this.#at = afterSpace(this.#rest, this.#at)
      if (this.#at === this.#rest.length) return false
      this.#skipSpace = false
    }
    if (this.#inReasoning) return this.#readReasoning()
    return this.#fresh ? this.#readStart() : this.#readText()
  }

  #readReasoning(): boolean {
    const found = this.#reasoningEnd.find(this.#rest, this.#at)
    if (found === undefined) return this.#keepBack('reasoning', this.#reasoningEnd)
    this.#say('reasoning', this.#beforeSpace(found.start))
    this.#inReasoning = false
    if (found.marker === this.#reasoning?.close) {
      this.#at = found.end
      this.#fresh = this.#skipSpace = true
    } else {
      this.#fresh = false
      this.#unclosed = true
    }
    return true
  }

  get #looksAtStart(): boolean {
    return this.#reasoning !== undefined || this.#unmarked !== undefined || this.#callsOrText
  }

  /**
   * Where reasoning may begin, or a call without a mark, and where it is decided what a reply is that is calls or text.
   */
  #readStart(): boolean {
    const start = afterSpace(this.#rest, this.#at)
    const isCutHere = (mark: string | undefined) => mark !== undefined && isCut(mark, this.#rest, start)
    const close = this.#unclosed ? this.#reasoning?.close : undefined
    const waits = start === this.#rest.length || isCutHere(this.#reasoning?.open) || isCutHere(close)
    if (waits && !this.#final) return this.#waitAt(start)
    if (close !== undefined && this.#rest.startsWith(close, start)) {
      this.#say('text', this.#beforeSpace(start))
      this.#at = start + close.length
      this.#unclosed = false
      this.#skipSpace = true
      return true
    }
    if (this.#reasoning !== undefined && this.#rest.startsWith(this.#reasoning.open, start)) {
      this.#say('text', this.#beforeSpace(start))
      this.#at = start + this.#reasoning.open.length
      this.#fresh = this.#looksAtStart
      this.#inReasoning = this.#skipSpace = true
      return true
    }
    if (this.#unmarked !== undefined && !this.#openings.isAt(this.#rest, start)) {
      const found = this.#unmarked.test(this.#rest, start)
      if (found === 'more' && !this.#final) return this.#waitAt(start)
      if (typeof found === 'object') {
        const { close = this.#syntax.close } = found
        return this.#open(start, found.start, { ...this.#syntax, body: 'json', close })
      }
    }
    if (this.#callsOrText) {
      if (!this.#final && this.#openings.hold(this.#rest, start) === start) return this.#waitAt(start)
      this.#plain = this.#openings.find(this.#rest, start)?.start !== start
    }
    this.#fresh = false
    return true
  }

  #readText(): boolean {
    const found = this.#plain ? undefined : this.#openings.find(this.#rest, this.#at)
    if (found === undefined) return this.#keepBack('text', this.#openings)
    if (!this.#ignored.includes(found.marker)) return this.#open(found.start, found.end)
    this.#say('text', this.#beforeSpace(found.start))
    this.#at = found.end
    this.#skipSpace = true
    return true
  }

  /** A call begins, with what opens it from `start` to `end`. */
  #open(start: number, end: number, syntax = this.#syntax): boolean {
    this.#say('text', this.#beforeSpace(start))
    this.#opened = { raw: this.#rest.slice(this.#at, end), syntax }
    this.#at = end
    return true
  }

  #openCalls({ raw: opened, syntax }: { raw: string; syntax: CallSyntax }): boolean {
    const next = afterSpace(this.#rest, this.#at)
    const raw = opened + this.#rest.slice(this.#at, next)
    this.#at = next
    if (next === this.#rest.length && !this.#final) {
      this.#opened = { raw, syntax }
      return false
    }
    this.#opened = undefined
    this.#calls = openParser(this.#context, syntax, raw, this.#rest.charAt(next))
    return true
  }

  #readCalls(calls: CallParser): boolean {
    this.#at = calls.read(this.#rest, this.#at)
    if (!calls.done) {
      if (!this.#final) return false
      calls.end(this.#rest.slice(this.#at))
      this.#at = this.#rest.length
    }
    this.#calls = undefined
    this.#fresh = this.#looksAtStart
    return true
  }

  /** Passes on all that can't be the start of a mark, with white space before it. */
  #keepBack(type: 'text' | 'reasoning', marks: MarkerScanner): boolean {
    if (this.#final || this.#plain || marks.empty) this.#say(type, this.#rest.length)
    else this.#say(type, this.#beforeSpace(marks.hold(this.#rest, this.#at)))
    return false
  }

  #waitAt(start: number): boolean {
    this.#say('text', this.#beforeSpace(start))
    return false
  }

  /** The start of the white space before a position, as far as it may belong to a mark there. */
  #beforeSpace(end: number): number {
    const min = Math.max(this.#at, end - spaceLimit)
    let start = end
    while (start > min && isSpace(this.#rest.charAt(start - 1))) start--
    return start
  }

  /** Passes on what stands before a position. */
  #say(type: 'text' | 'reasoning', end: number): void {
    if (end <= this.#at) return
    this.#emit({ type, text: this.#rest.slice(this.#at, end) })
    this.#at = end
  }

  #emit(part: ReplyPart): void {
    this.#parts.push(part)
  }
}

function numbering(createId: () => string): CallContext['next'] {
  let count = 0
  return () => ({ index: count++, id: createId() })
}

const idCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function randomId(): string {
  return Array.from({ length: 9 }, () => idCharacters.charAt(randomInt(idCharacters.length))).join('')
}
