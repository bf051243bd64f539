import { parseJson } from '../util/json.js'
import { callKey, isCallKey } from './call-keys.js'
import { JsonValue } from './json-value.js'
import { afterSpace, isCut } from './marker-scanner.js'

/** So much of a reply is kept back at most until it is known whether it is a call. */
const limit = 4096

/** Elements that models put around a call without having been told to. */
const tags = ['tool_call', 'tool_calls', 'tools', 'tool', 'function_call', 'function_calls', 'function', 'call', 'json']
const openTags = tags.map(tag => `<${tag}>`)
const fence = '```'

/** Where a call without the mark of its syntax begins. */
export interface UnmarkedCall {
  /** Of its object, or of the list that holds it. */
  start: number
  /** What ends what stands around it: a fence's end, or an element's. */
  close?: string
}

/**
 * Whether a reply begins with a call of a known tool as bare JSON: an object or a list of some, in a fence or not, with
 * the name and the arguments in any order. Its braces may be doubled, as the template of Qwen 2.5 shows them. All keys
 * up to the name have to be those of a call, so that other JSON is hardly kept back.
 */
export class UnmarkedCallDetector {
  readonly #names: readonly string[]
  readonly #bareOnly: boolean

  /** `bareOnly`: an object whose first key is the name, as grammars of bare calls write it; nothing around it. */
  constructor(names: readonly string[], { bareOnly = false }: { bareOnly?: boolean } = {}) {
    this.#names = names
    this.#bareOnly = bareOnly
  }

  /** `more` while it could still be either. */
  test(text: string, from: number): UnmarkedCall | 'text' | 'more' {
    // No more than the limit, so that a reply that comes in pieces is read as it is whole.
    const isLong = text.length - from >= limit
    const found = this.#decide(isLong ? text.slice(0, from + limit) : text, from)
    return isLong && found === 'more' ? 'text' : found
  }

  #decide(text: string, from: number): UnmarkedCall | 'text' | 'more' {
    if (this.#bareOnly) {
      const kind = /^\{\s*"(name|type)"/.test(text.slice(from, from + 80)) ? this.#object(text, from) : undefined
      if (kind === 'call') return { start: from }
      return kind ?? (/^\{\s*("\w{0,4})?$/.test(text.slice(from)) ? 'more' : 'text')
    }
    const around = opening(text, from)
    if (around === 'text' || around === 'more') return around
    const { start } = around
    const next = afterSpace(text, start + 1)
    if (next === text.length) return 'more'
    const isDoubled = text.startsWith('{{', start)
    const kind = this.#object(text, text.charAt(start) === '[' ? next : start)
    if (kind !== 'call') return kind
    return isDoubled ? { close: '}', ...around, start: next } : around
  }

  #object(text: string, start: number): 'call' | 'text' | 'more' {
    if (text.charAt(start) !== '{') return 'text'
    let named = false
    for (let at = text.charAt(start + 1) === '{' ? start + 2 : start + 1; ; ) {
      at = afterSpace(text, at)
      if (at === text.length) return 'more'
      // A call with a known name goes on as one, however broken.
      const otherwise = named ? 'call' : 'text'
      if (text.charAt(at) === ',') at++
      else if (text.charAt(at) !== '"') return otherwise
      else {
        const key = readString(text, at)
        if (key === undefined) return 'more'
        if (!isCallKey(key.value)) return 'text'
        at = afterSpace(text, key.end)
        if (at === text.length) return 'more'
        if (text.charAt(at) !== ':') return otherwise
        at = afterSpace(text, at + 1)
        if (at === text.length) return 'more'
        switch (callKey(key.value, text.charAt(at))) {
          case 'wrapper': {
            const inner = this.#object(text, at)
            if (inner !== 'text' || !named) return inner
            break
          }
          case 'arguments':
            if (named) return 'call'
            break
          case 'name': {
            const known = this.#known(text, at)
            if (known !== 'name') return known
            named = true
          }
        }
        const end = afterValue(text, at)
        if (end === undefined) return 'more'
        at = end
      }
    }
  }

  /** Whether a known tool's name stands there. */
  #known(text: string, at: number): 'name' | 'text' | 'more' {
    if (text.charAt(at) !== '"') return 'text'
    const name = readString(text, at)
    if (name !== undefined) return this.#names.includes(name.value) ? 'name' : 'text'
    const written = text.slice(at + 1)
    return written.includes('\\') || this.#names.some(known => known.startsWith(written)) ? 'more' : 'text'
  }
}

/** What stands around a call, if anything does, and where the call begins. */
function opening(text: string, from: number): UnmarkedCall | 'text' | 'more' {
  const first = text.charAt(from)
  if (first === '{' || first === '[') return { start: from }
  if (isCut(fence, text, from) || openTags.some(tag => isCut(tag, text, from))) return 'more'
  const tag = tags[openTags.findIndex(open => text.startsWith(open, from))]
  let start = from
  if (tag !== undefined) start += tag.length + 2
  else if (text.startsWith(fence, from))
    start += fence.length + /^[\w-]{0,16}/.exec(text.slice(from + 3, from + 19))![0].length
  else return 'text'
  start = afterSpace(text, start)
  if (start === text.length) return 'more'
  if (text.charAt(start) !== '{' && text.charAt(start) !== '[') return 'text'
  return { start, close: tag === undefined ? fence : `</${tag}>` }
}

/** The string that begins there; undefined while it has no end. */
function readString(text: string, at: number): { value: string; end: number } | undefined {
  const end = afterValue(text, at)
  if (end === undefined) return undefined
  const value = parseJson(text.slice(at, end))?.value
  return { value: typeof value === 'string' ? value : '', end }
}

function afterValue(text: string, at: number): number | undefined {
  const value = new JsonValue()
  const end = value.read(text, at)
  return value.complete ? end : undefined
}
