import type { CallSyntax } from '../tools/call-syntax.js'
import { CallObject } from './call-object.js'
import { CallParser } from './call-parser.js'
import type { CallContext } from './partial-call.js'

/** Calls that are JSON objects: one or several, in a list or not. */
export class JsonCallParser extends CallParser {
  #object: CallObject | undefined
  // No object has been read yet.
  #open = true
  #list: boolean
  readonly #syntax: CallSyntax

  constructor(context: CallContext, syntax: CallSyntax, raw: string) {
    super(context, syntax, raw)
    this.#syntax = syntax
    this.#list = raw.trimEnd().endsWith('[')
  }

  protected get complete(): boolean {
    return !this.#open && this.#object === undefined
  }

  protected step(text: string, at: number): number {
    if (this.#object !== undefined) return this.#inside(text, at, this.#object)
    const character = text.charAt(at)
    if (this.#open && character === '[') this.#list = true
    if (character === ']' && this.#list && this.close === undefined && !this.#open) {
      this.take(text, at, at + 1)
      this.finish()
      this.done = true
      return at + 1
    }
    return this.between(
      text,
      at,
      '{',
      () => {
        if (!this.#open) this.beginNext()
        this.#open = false
        this.#object = new CallObject(this.call!, this.#syntax)
      },
      this.#open,
    )
  }

  #inside(text: string, from: number, object: CallObject): number {
    const at = this.take(text, from, object.read(text, from))
    if (object.broken) return this.lose(at, 'The call is not valid JSON.')
    if (object.complete) {
      this.#object = undefined
      // Nothing will say that the call is over, so it is.
      if (this.close === undefined && !this.#list) this.finish()
    }
    return at
  }
}
