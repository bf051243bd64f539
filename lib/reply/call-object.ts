import type { CallSyntax } from '../tools/call-syntax.js'
import { isObject, parseJson } from '../util/json.js'
import { callKey, isCallKey } from './call-keys.js'
import { JsonValue } from './json-value.js'
import { afterSpace } from './marker-scanner.js'
import type { PartialCall } from './partial-call.js'

type Expecting = 'object' | 'key' | 'colon' | 'value'

/**
 * Reads a call that is a JSON object with a name and arguments, and passes on both as they come. Models write the keys
 * in one order or the other, call the arguments one thing or another, and some write them as JSON in a string, or the
 * whole call as the `function` of an object.
 */
export class CallObject {
  complete = false
  /** Not an object at all, from here on. */
  broken = false
  readonly #call: PartialCall
  readonly #syntax: Pick<CallSyntax, 'nameIsKey' | 'ids'>
  #expecting: Expecting = 'object'
  #key = ''
  #value = new JsonValue()
  // The call itself, where the object holds it as one of its values.
  #inner: CallObject | undefined
  // A value that has to be whole before it says something; undefined while its pieces are passed on.
  #collected: string[] | undefined

  constructor(call: PartialCall, syntax: Pick<CallSyntax, 'nameIsKey' | 'ids'>) {
    this.#call = call
    this.#syntax = syntax
  }

  /** Reads from there on. Returns the position after what belongs to the object, or at what breaks it. */
  read(text: string, from: number): number {
    let at = from
    while (at < text.length && !this.complete && !this.broken) {
      if (this.#inner !== undefined) {
        at = this.#readInner(text, at, this.#inner)
        continue
      }
      if (this.#inside) {
        at = this.#readValue(text, at)
        continue
      }
      at = afterSpace(text, at)
      if (at < text.length) at = this.#step(text.charAt(at), at)
    }
    return at
  }

  // Between values.
  #step(character: string, at: number): number {
    switch (this.#expecting) {
      case 'object':
        if (character !== '{') break
        this.#expecting = 'key'
        return at + 1
      case 'key':
        if (character === '}') {
          this.complete = true
          return at + 1
        }
        // Doubled braces, which templates show that were written for something that halves them.
        if (character === ',' || (character === '{' && this.#isEmpty)) return at + 1
        if (character !== '"') break
        this.#isEmpty = false
        this.#start([])
        return at
      case 'colon':
        if (character !== ':') break
        this.#expecting = 'value'
        return at + 1
      case 'value':
        if (character === ',' || character === '}' || character === ']') break
        if (this.#syntax.nameIsKey && character === '{' && !isCallKey(this.#key)) {
          this.#call.begin(this.#key)
          this.#start(undefined)
          return at
        }
        switch (callKey(this.#key, character)) {
          case 'wrapper':
            this.#inner = new CallObject(this.#call, this.#syntax)
            return at
          case 'arguments':
            this.#start(character === '{' ? undefined : [])
            return at
          default:
            this.#start([])
            return at
        }
    }
    this.broken = true
    return at
  }

  #inside = false
  #isEmpty = true

  #start(collected: string[] | undefined): void {
    this.#value = new JsonValue()
    this.#collected = collected
    this.#inside = true
  }

  #readValue(text: string, from: number): number {
    const at = this.#value.read(text, from)
    if (this.#collected === undefined) this.#call.write(this.#value.piece)
    else this.#collected.push(this.#value.piece)
    if (!this.#value.complete) return at
    this.#inside = false
    if (this.#expecting === 'key') {
      const key = parseJson(this.#collected!.join(''))
      if (typeof key?.value !== 'string') this.broken = true
      else this.#key = key.value
      this.#expecting = 'colon'
    } else {
      this.#expecting = 'key'
      if (this.#collected !== undefined) this.#take(this.#collected.join(''))
    }
    return at
  }

  #readInner(text: string, from: number, inner: CallObject): number {
    const at = inner.read(text, from)
    this.broken = inner.broken
    if (inner.complete) {
      this.#inner = undefined
      this.#expecting = 'key'
    }
    return at
  }

  #take(text: string): void {
    const kind = callKey(this.#key, text.charAt(0))
    if (kind === 'arguments') return this.#takeArguments(text)
    const value = parseJson(text)?.value
    if (typeof value !== 'string') return
    if (kind === 'name') this.#call.begin(value)
    // A position is the same for a call of each reply, so it names none.
    else if (kind === 'id' && this.#syntax.ids !== 'position') this.#call.writtenId = value
  }

  #takeArguments(text: string): void {
    const value = parseJson(text)?.value
    if (value === null) return
    if (typeof value === 'string' && isObject(parseJson(value)?.value)) this.#call.write(value)
    else if (typeof value === 'string' && value.trim() === '') return
    else this.#call.write(text)
  }
}
