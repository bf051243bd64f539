import type { CallSyntax } from '../tools/call-syntax.js'
import type { CallElements } from '../tools/element-syntaxes.js'
import { isText, type JsonSchema, parameterOf } from '../tools/tool-definitions.js'
import { CallParser } from './call-parser.js'
import { JsonValue } from './json-value.js'
import { isCut, isSpace, MarkerScanner } from './marker-scanner.js'
import type { CallContext } from './partial-call.js'
import { writtenValue } from './written-value.js'

/** Longer than any name, or than what may stand beside one. */
const wordLimit = 512
const cdata = { open: '<![CDATA[', close: ']]>' }
const malformed = 'The call is not as it should be written.'

type State = 'call' | 'name' | 'beside name' | 'members' | 'json' | 'key' | 'beside key' | 'value' | 'closing'

/** Calls whose arguments are elements of their own, by the texts of their syntax. They are passed on as JSON. */
export class ElementCallParser extends CallParser {
  readonly #elements: CallElements
  readonly #valueEnd: MarkerScanner
  readonly #cdataEnd = new MarkerScanner([cdata.close])
  #state: State
  #word = ''
  #key = ''
  #keys = new Set<string>()
  #schema: JsonSchema | undefined
  #isText = true
  // The value so far, if it can't be passed on before it is whole.
  #value: string[] = []
  #atStart = true
  #inCdata = false
  // All arguments as one JSON object, in place of the elements.
  #json: JsonValue | undefined

  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    super(context, syntax, raw)
    this.#elements = syntax.elements!
    this.#valueEnd = new MarkerScanner([this.#elements.valueEnd])
    const { call } = this.#elements
    this.#state = call === '' || raw.trimEnd().endsWith(call.trimEnd()) ? 'name' : 'call'
  }

  protected get complete(): boolean {
    return this.#state === 'closing'
  }

  protected step(text: string, at: number): number {
    const { call, nameEnd, callOpen, callEnd, key, keyEnd, valueOpen } = this.#elements
    switch (this.#state) {
      case 'call':
        return this.#expect(text, at, [[call, 'name']])
      case 'name':
        return nameEnd === '' ? this.#readBareName(text, at) : this.#readWord(text, at, nameEnd)
      case 'beside name':
        return this.#readWord(text, at, callOpen)
      case 'members':
        if (this.#keys.size === 0 && this.#json === undefined && text.charAt(at) === '{') {
          this.#json = new JsonValue()
          this.#state = 'json'
          return this.again(at)
        }
        return this.#expect(text, at, [
          [key, 'key'],
          [callEnd === '' ? this.close! : callEnd, 'closing'],
        ])
      case 'json':
        return this.#readJson(text, at, this.#json!)
      case 'key':
        return this.#readWord(text, at, keyEnd)
      case 'beside key':
        return this.#readWord(text, at, valueOpen)
      case 'value':
        return this.#readValue(text, at)
      case 'closing':
        return this.#readClosing(text, at)
    }
  }

  /** White space, and one of the tags. */
  #expect(text: string, at: number, states: readonly [tag: string, next: State][]): number {
    if (isSpace(text.charAt(at))) return this.take(text, at, at + 1)
    for (const [tag, state] of states) {
      if (isCut(tag, text, at)) return at
      if (!text.startsWith(tag, at)) continue
      this.#state = state
      this.#word = ''
      if (state !== 'closing') return this.take(text, at, at + tag.length)
      if (this.#json === undefined) this.call!.write(this.#keys.size === 0 ? '{}' : '}')
      // Where nothing but the end of all ends a call, that is for the closing to read.
      return tag === this.close ? this.again(at) : this.take(text, at, at + tag.length)
    }
    return this.lose(at, malformed)
  }

  /** A name without an end of its own: up to white space, or to the next tag. */
  #readBareName(text: string, at: number): number {
    const character = text.charAt(at)
    if (character !== '<' && !isSpace(character)) return this.#addToWord(text, at)
    if (this.#word === '') return isSpace(character) ? this.take(text, at, at + 1) : this.lose(at, malformed)
    this.#wordIsRead()
    return this.again(at)
  }

  /** A name, or what stands beside one, up to what ends it. */
  #readWord(text: string, at: number, end: string): number {
    if (isCut(end, text, at)) return at
    if (text.startsWith(end, at)) {
      this.#wordIsRead()
      return this.take(text, at, at + end.length)
    }
    const isName = this.#state === 'name' || this.#state === 'key'
    if (isName && (text.charAt(at) === '<' || text.charAt(at) === '\n')) return this.lose(at, malformed)
    return this.#addToWord(text, at)
  }

  #addToWord(text: string, at: number): number {
    if (this.#word.length >= wordLimit) return this.lose(at, malformed)
    this.#word += text.charAt(at)
    return this.take(text, at, at + 1)
  }

  #wordIsRead(): void {
    const word = this.#word.trim()
    this.#word = ''
    const { callOpen, valueOpen } = this.#elements
    switch (this.#state) {
      case 'name':
        this.call!.begin(word)
        this.#state = callOpen === '' ? 'members' : 'beside name'
        return
      case 'beside name':
        this.#state = 'members'
        return
      case 'key':
        this.#key = word
        if (valueOpen === '') this.#beginValue('')
        else this.#state = 'beside key'
        return
      default:
        this.#beginValue(word)
    }
  }

  #readJson(text: string, from: number, json: JsonValue): number {
    const at = json.read(text, from)
    this.call!.write(json.piece)
    if (json.complete) this.#state = 'members'
    return this.take(text, from, at)
  }

  /** `beside`: what stood beside its key. */
  #beginValue(beside: string): void {
    const key = this.#key
    if (this.#keys.has(key)) this.call!.fail(`The call gives ${JSON.stringify(key)} twice.`)
    const tool = Object.hasOwn(this.context.tools, this.call!.name ?? '')
      ? this.context.tools[this.call!.name!]
      : undefined
    this.#schema = parameterOf(tool, key)
    const said = this.#elements.types?.exec(beside)?.[1]
    const saysText = said === undefined ? undefined : said === 'string' || said === 'true'
    const mayBeText = isText(this.#schema)
    // The schema counts first, then what the call says. What nothing is known about is text.
    const isEither = mayBeText && (this.#schema === undefined || Array.isArray(this.#schema.type))
    this.#isText = mayBeText && (!isEither || (saysText ?? this.#schema === undefined))
    this.call!.write(`${this.#keys.size === 0 ? '{' : ', '}${JSON.stringify(key)}: `)
    if (this.#isText) this.call!.write('"')
    this.#keys.add(key)
    this.#value = []
    this.#atStart = true
    this.#inCdata = false
    this.#state = 'value'
  }

  #readValue(text: string, from: number): number {
    const onLines = this.#elements.written.afterKey.endsWith('\n')
    let at = from
    if (this.#atStart) {
      if (this.#elements.cdata && isCut(cdata.open, text, at)) return at
      this.#atStart = false
      this.#inCdata = this.#elements.cdata === true && text.startsWith(cdata.open, at)
      if (this.#inCdata) at += cdata.open.length
      // One line break after the tag and one before the closing tag belong to the tags.
      else if (onLines && text.charAt(at) === '\n') at++
    }
    const ends = this.#inCdata ? this.#cdataEnd : this.#valueEnd
    const found = ends.find(text, at)
    let end = found?.start ?? ends.hold(text, at)
    if (onLines && end > at && text.charAt(end - 1) === '\n') end--
    // Halves of a character are never passed on one by one.
    else if (found === undefined && end > at && isHighSurrogate(text.charCodeAt(end - 1))) end--
    this.#addToValue(text.slice(at, end))
    if (found === undefined) return this.take(text, from, end)
    if (this.#inCdata) {
      this.#inCdata = false
      return this.take(text, from, found.end)
    }
    this.call!.write(this.#isText ? '"' : writtenValue(this.#value.join(''), this.#schema))
    this.#state = 'members'
    return this.take(text, from, found.end)
  }

  #addToValue(piece: string): void {
    if (this.#isText) this.call!.write(JSON.stringify(piece).slice(1, -1))
    else this.#value.push(piece)
  }

  #readClosing(text: string, at: number): number {
    const { call } = this.#elements
    if (this.close === undefined) {
      this.finish()
      this.done = true
      return at
    }
    // Another call within the same opening.
    if (call !== '' && isCut(call, text, at)) return at
    if (call === '' || !text.startsWith(call, at)) return this.between(text, at, '', () => {}, false)
    this.beginNext()
    this.#state = 'call'
    this.#keys = new Set()
    this.#json = undefined
    return this.again(at)
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00
}
