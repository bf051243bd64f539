import type { CallSyntax } from '../tools/call-syntax.js'
import { CallParser } from './call-parser.js'
import { JsonValue } from './json-value.js'
import { isCut } from './marker-scanner.js'
import type { CallContext } from './partial-call.js'

/** Longer than any name with all that stands around it. */
const headerLimit = 512

/** One call with its name in front, then its arguments as JSON. */
export class NamedCallParser extends CallParser {
  readonly #pattern: RegExp
  readonly #open: readonly string[]
  #header: string | undefined = ''
  #value: JsonValue | undefined

  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    super(context, syntax, raw)
    this.#pattern = syntax.header!
    this.#open = syntax.open
  }

  override get insideArguments(): boolean {
    return this.#value?.complete === false
  }

  protected get complete(): boolean {
    // The reply is over, and so is the name.
    if (this.#header !== undefined) this.#begin()
    return this.#value?.complete ?? !this.call!.failed
  }

  protected step(text: string, at: number): number {
    if (this.#header !== undefined) return this.#readHeader(text, at, this.#header)
    const value = this.#value
    if (value === undefined || value.complete) return this.between(text, at, '', () => {}, false)
    const end = value.read(text, at)
    this.call!.write(value.piece)
    this.take(text, at, end)
    if (value.complete && this.close === undefined) {
      this.finish()
      this.done = true
    }
    return end
  }

  #readHeader(text: string, at: number, header: string): number {
    const markers = this.close === undefined ? this.#open : [this.close, ...this.#open]
    if (text.charAt(at) === '{') {
      if (this.#begin()) this.#value = new JsonValue()
      else return this.lose(at, 'The call names no tool.')
      return this.again(at)
    }
    // A call without arguments is one of a tool that takes none.
    if (markers.some(marker => text.startsWith(marker, at)))
      return this.#begin() ? this.again(at) : this.lose(at, 'The call names no tool.')
    if (markers.some(marker => isCut(marker, text, at))) return at
    if (header.length >= headerLimit) return this.lose(at, 'The call names no tool.')
    this.#header = header + text.charAt(at)
    return this.take(text, at, at + 1)
  }

  /** Reads the name from the header; false if there is none. */
  #begin(): boolean {
    const groups = this.#pattern.exec(this.#header ?? '')?.groups
    this.#header = undefined
    const name = groups?.name ?? groups?.plain
    if (name === undefined) {
      this.call!.fail('The call names no tool.')
      return false
    }
    this.call!.writtenId = groups?.id
    this.call!.begin(name)
    return true
  }
}
