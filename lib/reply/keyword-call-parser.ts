import type { CallSyntax } from '../tools/call-syntax.js'
import type { CallKeywords } from '../tools/keyword-syntaxes.js'
import { isText, parameterOf, parametersOf } from '../tools/tool-definitions.js'
import { escapePattern } from '../util/escape-pattern.js'
import { CallObject } from './call-object.js'
import { CallParser } from './call-parser.js'
import { parseLiteral } from './literal-value.js'
import { afterSpace, isCut, isSpace } from './marker-scanner.js'
import type { CallContext } from './partial-call.js'

const nameLimit = 512
/** White space after a quote, beyond which it is not known what follows. */
const spaceLimit = 64
const malformed = 'The call is not as it should be written.'

type State = 'start' | 'name' | 'argument' | 'object' | 'closing'

/**
 * Calls with their arguments as keywords in brackets: `name(key="value")` in a list, or `call:name{key:value}`. Each
 * argument is passed on as JSON when it is whole. Models that know JSON calls better write these in the list, too.
 */
export class KeywordCallParser extends CallParser {
  readonly #syntax: CallSyntax
  readonly #keywords: CallKeywords
  readonly #keyed: RegExp
  #state: State = 'start'
  #word = ''
  #keys = new Set<string>()
  #position = 0
  // The argument so far, the brackets that are open in it, and the quote of the string that it is in.
  #argument: string[] = []
  #depth = 0
  #quote: string | undefined
  #object: CallObject | undefined

  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    super(context, syntax, raw)
    this.#syntax = syntax
    this.#keywords = syntax.keywords!
    const { assign, quote } = this.#keywords
    const key =
      quote === undefined ? '[^\\s=,"\'()[\\]{}]+' : `(?:${escapePattern(quote)}.*?${escapePattern(quote)}|[^:]+?)`
    this.#keyed = new RegExp(`^\\s*(${key})\\s*${assign}(?!=)\\s*([\\s\\S]*)$`, 'u')
  }

  protected get complete(): boolean {
    return this.#state === 'closing'
  }

  protected step(text: string, at: number): number {
    switch (this.#state) {
      case 'start':
        return this.#readStart(text, at)
      case 'name':
        return this.#readName(text, at)
      case 'argument':
        return this.#readArgument(text, at)
      case 'object':
        return this.#readObject(text, at, this.#object!)
      case 'closing':
        return this.#readClosing(text, at)
    }
  }

  #readStart(text: string, at: number): number {
    const { call } = this.#keywords
    const character = text.charAt(at)
    if (isSpace(character) || (call === '' && character === '[')) return this.take(text, at, at + 1)
    if (character === '{') {
      this.#object = new CallObject(this.call!, this.#syntax)
      this.#state = 'object'
      return this.again(at)
    }
    if (isCut(call, text, at)) return at
    if (!text.startsWith(call, at)) return this.lose(at, malformed)
    this.#state = 'name'
    return call === '' ? this.again(at) : this.take(text, at, at + call.length)
  }

  #readName(text: string, at: number): number {
    const character = text.charAt(at)
    if (character === this.#keywords.open) {
      this.call!.begin(this.#word.trim())
      this.#state = 'argument'
    } else {
      if (character === '<' || character === '\n' || this.#word.length >= nameLimit) return this.lose(at, malformed)
      this.#word += character
    }
    return this.take(text, at, at + 1)
  }

  /** One character of an argument, or the mark of a string. */
  #readArgument(text: string, at: number): number {
    const { quote: mark, close } = this.#keywords
    if (mark !== undefined && this.#quote !== '"') {
      if (isCut(mark, text, at)) return at
      if (text.startsWith(mark, at)) {
        this.#quote = this.#quote === undefined ? mark : undefined
        return this.#keep(text, at, at + mark.length)
      }
    }
    const character = text.charAt(at)
    if (this.#quote !== undefined) {
      if (character === '\\' && this.#quote !== mark) {
        if (at + 1 === text.length) return at
        return this.#keep(text, at, at + 2)
      }
      if (character === this.#quote) {
        const isEnd = mark !== undefined || this.#depth > 0 || this.#endsText(text, at + 1)
        if (isEnd === undefined) return at
        if (isEnd) this.#quote = undefined
      }
    } else if (character === '"' || (character === "'" && mark === undefined)) {
      // A mark within a bare word is no quote.
      if (mark === undefined || /[:,[{(\s]$/.test(this.#argument.at(-1) ?? ',')) this.#quote = character
    } else if ('([{'.includes(character)) {
      this.#depth++
    } else if (this.#depth > 0 && ')]}'.includes(character)) {
      this.#depth--
    } else if (this.#depth === 0 && (character === ',' || character === close)) {
      if (!this.#argumentIsRead(character === ',')) return this.lose(at, malformed)
      if (character === close) {
        this.call!.write(this.#keys.size === 0 ? '{}' : '}')
        this.#state = 'closing'
      }
      return this.take(text, at, at + 1)
    }
    return this.#keep(text, at, at + 1)
  }

  /**
   * Whether a quote ends the text that is an argument. Some templates write quotes in it without a backslash, and so do
   * models: one that more text follows belongs to it. Undefined while that is not known.
   */
  #endsText(text: string, after: number): boolean | undefined {
    const next = afterSpace(text, after)
    if (next - after > spaceLimit) return true
    return next === text.length ? undefined : text.charAt(next) === ',' || text.charAt(next) === this.#keywords.close
  }

  #keep(text: string, from: number, to: number): number {
    this.#argument.push(text.slice(from, to))
    return this.take(text, from, to)
  }

  /** Passes an argument on. Without a key, it is the one at its place among the tool's. False: it is none. */
  #argumentIsRead(isFollowed: boolean): boolean {
    const written = this.#argument.join('')
    this.#argument = []
    if (written.trim() === '') return !isFollowed
    const { quote } = this.#keywords
    const tool = Object.hasOwn(this.context.tools, this.call!.name ?? '')
      ? this.context.tools[this.call!.name!]
      : undefined
    const [, named, value = written] = this.#keyed.exec(written) ?? []
    const names = tool === undefined ? [] : Object.keys((parametersOf(tool).properties as object | undefined) ?? {})
    const key =
      named === undefined
        ? names[this.#position]
        : quote === undefined
          ? named
          : named.replaceAll(quote, '').replace(/^"(.*)"$/, '$1')
    this.#position++
    if (key === undefined) return false
    if (this.#keys.has(key)) this.call!.fail(`The call gives ${JSON.stringify(key)} twice.`)
    const bare = value.trim()
    const parsed = parseLiteral(bare, quote) ?? (quote === undefined ? parseLiteral(withEscapes(bare)) : undefined)
    const schema = parameterOf(tool, key)
    const isOnlyText = schema !== undefined && isText(schema) && !Array.isArray(schema.type)
    const isBare = parsed === undefined || (isOnlyText && typeof parsed.value !== 'string')
    this.call!.write(
      `${this.#keys.size === 0 ? '{' : ', '}${JSON.stringify(key)}: ${JSON.stringify(isBare ? bare : parsed.value)}`,
    )
    this.#keys.add(key)
    return true
  }

  #readObject(text: string, from: number, object: CallObject): number {
    const at = this.take(text, from, object.read(text, from))
    if (object.broken) return this.lose(at, 'The call is not valid JSON.')
    if (object.complete) this.#state = 'closing'
    return at
  }

  #readClosing(text: string, at: number): number {
    const begins = this.#keywords.call === '' && /[\p{L}_{]/u.test(text.charAt(at))
    if (!begins) return this.between(text, at, '', () => {}, false)
    this.beginNext()
    this.#state = 'start'
    this.#word = ''
    this.#keys = new Set()
    this.#position = 0
    return this.again(at)
  }
}

/** A text in quotes, with a backslash before each quote within it. */
function withEscapes(text: string): string {
  const quote = text.charAt(0)
  if ((quote !== '"' && quote !== "'") || text.length < 2 || !text.endsWith(quote)) return text
  const inner = text.slice(1, -1).replace(/\\[\s\S]|["']/g, found => (found === quote ? `\\${quote}` : found))
  return quote + inner + quote
}
