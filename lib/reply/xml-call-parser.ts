import type { CallSyntax } from '../tools/call-syntax.js'
import { isText, type JsonSchema, parameterOf } from '../tools/tool-definitions.js'
import { parseJson } from '../util/json.js'
import { CallParser } from './call-parser.js'
import { isCut, isSpace, MarkerScanner } from './marker-scanner.js'
import type { CallContext } from './partial-call.js'

const nameLimit = 512
const [functionOpens, functionCloses, parameterOpens, parameterCloses] = [
  '<function=',
  '</function>',
  '<parameter=',
  '</parameter>',
]
const valueEnd = new MarkerScanner([parameterCloses])

type State = 'call' | 'name' | 'members' | 'key' | 'value' | 'closing'

/** One call whose arguments are written as plain text, each in an element of its own. They are passed on as JSON. */
export class XmlCallParser extends CallParser {
  readonly #wrapped: boolean
  #state: State
  #word = ''
  #schema: JsonSchema | undefined
  #keys = new Set<string>()
  // The value so far, if it can't be passed on before it is whole.
  #value: string[] = []
  #atStart = true

  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    super(context, syntax, raw)
    this.#wrapped = syntax.close !== undefined && !raw.trimEnd().endsWith(functionOpens)
    this.#state = this.#wrapped ? 'call' : 'name'
  }

  protected get complete(): boolean {
    return this.#state === 'closing'
  }

  protected step(text: string, at: number): number {
    switch (this.#state) {
      case 'call':
        return this.#expect(text, at, { [functionOpens]: 'name' })
      case 'name':
        return this.#readWord(text, at)
      case 'members':
        return this.#expect(text, at, { [parameterOpens]: 'key', [functionCloses]: 'closing' })
      case 'key':
        return this.#readWord(text, at)
      case 'value':
        return this.#readValue(text, at)
      case 'closing':
        // Written without its wrapper, the call is over here.
        if (this.#wrapped) return this.between(text, at, '', () => {}, false)
        this.finish()
        this.done = true
        return at
    }
  }

  /** White space, and one of the tags. */
  #expect(text: string, at: number, states: Partial<Record<string, State>>): number {
    if (isSpace(text.charAt(at))) return this.take(text, at, at + 1)
    for (const [tag, state] of Object.entries(states)) {
      if (isCut(tag, text, at)) return at
      if (!text.startsWith(tag, at)) continue
      this.#state = state!
      this.#word = ''
      if (state === 'closing') this.call!.write(this.#keys.size === 0 ? '{}' : '}')
      return this.take(text, at, at + tag.length)
    }
    return this.lose(at, 'The call is not as it should be written.')
  }

  /** A name, up to the end of its tag. */
  #readWord(text: string, at: number): number {
    const character = text.charAt(at)
    if (character !== '>') {
      if (character === '<' || character === '\n' || this.#word.length >= nameLimit)
        return this.lose(at, 'The call is not as it should be written.')
      this.#word += character
      return this.take(text, at, at + 1)
    }
    const word = this.#word.trim()
    if (this.#state === 'name') {
      this.call!.begin(word)
      this.#state = 'members'
    } else {
      this.#beginValue(word)
    }
    return this.take(text, at, at + 1)
  }

  #beginValue(key: string): void {
    if (this.#keys.has(key)) this.call!.fail(`The call gives ${JSON.stringify(key)} twice.`)
    const tool = Object.hasOwn(this.context.tools, this.call!.name ?? '')
      ? this.context.tools[this.call!.name!]
      : undefined
    this.#schema = parameterOf(tool, key)
    this.call!.write(`${this.#keys.size === 0 ? '{' : ', '}${JSON.stringify(key)}: `)
    if (this.#isText) this.call!.write('"')
    this.#keys.add(key)
    this.#value = []
    this.#atStart = true
    this.#state = 'value'
  }

  get #isText(): boolean {
    return isText(this.#schema)
  }

  #readValue(text: string, from: number): number {
    let at = from
    // One line break after the tag and one before the closing tag belong to the tags.
    if (this.#atStart) {
      this.#atStart = false
      if (text.charAt(at) === '\n') at++
    }
    const found = valueEnd.find(text, at)
    let end = found?.start ?? valueEnd.hold(text, at)
    if (end > at && text.charAt(end - 1) === '\n') end--
    // Halves of a character are never passed on one by one.
    else if (found === undefined && end > at && isHighSurrogate(text.charCodeAt(end - 1))) end--
    const piece = text.slice(at, end)
    if (this.#isText) this.call!.write(JSON.stringify(piece).slice(1, -1))
    else this.#value.push(piece)
    if (found === undefined) return this.take(text, from, end)
    this.call!.write(this.#isText ? '"' : asJson(this.#value.join(''), this.#schema))
    this.#state = 'members'
    return this.take(text, from, found.end)
  }
}

/** What was written where the schema has no text: JSON, if it is; some models write Python's words for truth. */
function asJson(text: string, schema: JsonSchema | undefined): string {
  const trimmed = text.trim()
  const word = schema?.type === 'boolean' ? trimmed.toLowerCase() : trimmed === 'None' ? 'null' : trimmed
  return parseJson(word) === undefined ? JSON.stringify(text) : word
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00
}
