import type { MessageFormat, MessageKind } from '../tools/message-format.js'
import type { CallParser } from './call-parser.js'
import { afterSpace, isCut, isSpace, MarkerScanner } from './marker-scanner.js'
import type { ReplyPart } from './reply-parts.js'

/** Longer than any header. */
const headerLimit = 512
/** White space before a mark belongs to the mark, up to this many characters. */
const spaceLimit = 8

/** Reads the text of messages. */
export interface ContentReader {
  push(text: string): ReplyPart[]
  end(): ReplyPart[]
  readonly insideArguments: boolean
}

export interface MessageReaderOptions {
  /** Of the tools that may be called. */
  names: readonly string[]
  /** Reasoning is reported as such, not as text. */
  reasoning: boolean
  /** The prompt has begun a message that is reasoning. */
  reasoningOpen: boolean
  /** An answer goes on to the end of the reply: marks in it are its own. */
  answerIsText: boolean
  /** Reads an answer, with the calls that it may hold. */
  createContent(): ContentReader
  /** Reads a message that is a call, header and all. Its parts go to `emit`. */
  createCall(emit: (part: ReplyPart) => void): CallParser
}

/** Splits a reply that is several messages: each is read as what its header says, and the headers are left out. */
export class MessageReader {
  readonly #format: MessageFormat
  readonly #options: MessageReaderOptions
  // What a message may begin with where the one before it is over.
  readonly #openings: readonly string[]
  readonly #boundaries: MarkerScanner
  readonly #contents: MarkerScanner
  #parts: ReplyPart[] = []
  #rest = ''
  #at = 0
  #final = false
  // What is being read; undefined where a header is to come.
  #kind: MessageKind | undefined
  #skipSpace = true
  #content: ContentReader | undefined
  #call: CallParser | undefined
  // What the call's parser has left for later.
  #callRest = ''

  constructor(format: MessageFormat, options: MessageReaderOptions) {
    this.#format = format
    this.#options = options
    this.#openings = [...format.headers, ...format.begun(options.names)]
    this.#boundaries = new MarkerScanner([...format.headers, ...format.ends])
    this.#contents = new MarkerScanner(format.contents)
    this.#kind = options.reasoningOpen ? 'reasoning' : undefined
  }

  push(text: string): ReplyPart[] {
    if (this.#final) return []
    this.#rest += text
    return this.#run()
  }

  end(): ReplyPart[] {
    if (this.#final) return []
    this.#final = true
    return this.#run()
  }

  #run(): ReplyPart[] {
    this.#at = 0
    while (this.#kind === undefined ? this.#readHeader() : this.#readMessage(this.#kind));
    if (this.#final) this.#finish()
    this.#rest = this.#rest.slice(this.#at)
    return this.#parts.splice(0)
  }

  #readHeader(): boolean {
    const start = afterSpace(this.#rest, this.#at)
    if (start === this.#rest.length) return false
    const end = this.#contents.find(this.#rest, start)?.end
    const opening = this.#openings.find(opening => this.#rest.startsWith(opening, start))
    const header = end === undefined || end - start > headerLimit ? undefined : this.#rest.slice(start, end)
    if (opening !== undefined && header !== undefined && this.#format.header?.test(header) !== false) {
      this.#at = end!
      this.#begin(this.#format.kinds.find(([pattern]) => pattern.test(header))?.[1] ?? 'content', header)
      return true
    }
    const mayBecomeOne =
      opening === undefined
        ? this.#openings.some(opening => isCut(opening, this.#rest, start))
        : end === undefined && this.#rest.length - start <= headerLimit
    if (mayBecomeOne) {
      if (this.#final) this.#endHeader(start)
      return false
    }
    // An answer without a header, or text that begins like one.
    this.#begin('content', '')
    this.#skipSpace = false
    this.#pass('content', start + (opening?.length ?? 0))
    return true
  }

  /** The reply is over within a header: the start of a call is reported as one, what else it is has said nothing. */
  #endHeader(start: number): void {
    const header = this.#rest.slice(start)
    this.#at = this.#rest.length
    const isCall = this.#format.kinds.some(([pattern, kind]) => kind === 'call' && pattern.test(header))
    if (isCall && this.#options.names.length > 0) this.#begin('call', header)
  }

  #begin(kind: MessageKind, header: string): void {
    const { names, createCall } = this.#options
    // Without tools, what looks like a call is text.
    this.#kind = kind === 'call' && names.length === 0 ? 'content' : kind
    this.#skipSpace = true
    if (this.#kind !== 'call') return
    this.#call = createCall(part => this.#parts.push(part))
    this.#readCall(header)
  }

  #readMessage(kind: MessageKind): boolean {
    if (this.#skipSpace) {
      this.#at = afterSpace(this.#rest, this.#at)
      if (this.#at === this.#rest.length) return false
      this.#skipSpace = false
    }
    if (kind === 'content' && this.#options.answerIsText) {
      this.#pass(kind, this.#rest.length)
      return false
    }
    const found = this.#boundaries.find(this.#rest, this.#at)
    if (found === undefined) {
      const hold = this.#final ? this.#rest.length : this.#boundaries.hold(this.#rest, this.#at)
      this.#pass(kind, this.#final ? hold : this.#beforeSpace(hold))
      return false
    }
    const isEnd = this.#format.ends.includes(found.marker)
    const isText = isEnd ? false : this.#beginsText(found.start)
    if (isText === true) {
      this.#pass(kind, found.end)
      return true
    }
    this.#pass(kind, this.#beforeSpace(found.start))
    if (isText === undefined) return false
    if (this.#content?.insideArguments === true || this.#call?.insideArguments === true) {
      this.#pass(kind, found.end)
      return true
    }
    this.#finish()
    this.#kind = undefined
    this.#at = isEnd ? found.end : found.start
    return true
  }

  /** Whether what begins like a header is none; undefined while that is open. */
  #beginsText(start: number): boolean | undefined {
    const { header } = this.#format
    if (header === undefined) return false
    const end = this.#contents.find(this.#rest, start)?.end
    if (end !== undefined) return !header.test(this.#rest.slice(start, end))
    return this.#final || this.#rest.length - start > headerLimit ? true : undefined
  }

  /** Passes on what stands before a position. */
  #pass(kind: MessageKind, end: number): void {
    const text = this.#rest.slice(this.#at, end)
    this.#at = end
    if (text === '') return
    if (kind === 'call') return this.#readCall(text)
    if (kind === 'reasoning' && this.#options.reasoning) this.#parts.push({ type: 'reasoning', text })
    else this.#parts.push(...(this.#content ??= this.#options.createContent()).push(text))
  }

  #readCall(text: string): void {
    this.#callRest += text
    if (this.#call === undefined || this.#call.done) return
    this.#callRest = this.#callRest.slice(this.#call.read(this.#callRest, 0))
  }

  /** The message is over. What comes behind a call in it says nothing. */
  #finish(): void {
    if (this.#call?.done === false) this.#call.end(this.#callRest)
    this.#parts.push(...(this.#content?.end() ?? []))
    this.#call = this.#content = undefined
    this.#callRest = ''
  }

  #beforeSpace(end: number): number {
    const min = Math.max(this.#at, end - spaceLimit)
    let start = end
    while (start > min && isSpace(this.#rest.charAt(start - 1))) start--
    return start
  }
}
