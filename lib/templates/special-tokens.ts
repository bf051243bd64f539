import { StreamingLLMError } from '../errors.js'
import { partLength, type Work } from '../util/pace.js'
import type { TextRange } from './prompt-pieces.js'

interface TrieNode {
  next?: Map<number, TrieNode>
  /** The token that ends here. */
  token?: string
}

/** One occurrence of a special token in a text. */
export interface TokenOccurrence extends TextRange {
  token: string
}

// A vocabulary comes with a model's file, from anywhere. Known ones have some hundred control tokens, the largest some
// thousand, of at most 50 characters.
const charactersLimit = 1_000_000
const lengthLimit = 256

/** The texts of a vocabulary's control tokens, made ready for finding them: there may be a thousand. */
export class SpecialTokens {
  readonly texts: readonly string[]
  /** Every character that occurs in one, but for white space. */
  readonly alphabet: ReadonlySet<string>
  readonly #root: TrieNode = {}
  /** 1 for the UTF-16 units that one begins with: most places of a text are passed over by it. */
  readonly #firstCharacters = new Uint8Array(0x10000)

  /** Throws `TEMPLATE_FAILED` for texts among which none could be found in reasonable time. */
  constructor(texts: Iterable<string>) {
    this.texts = [...new Set(texts)].filter(text => text !== '')
    const alphabet = new Set<string>()
    let characters = 0
    for (const text of this.texts) {
      limit(text.length, lengthLimit, 'a control token of so many characters')
      limit((characters += text.length), charactersLimit, 'control tokens of so many characters together')
      let at = this.#root
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i)
        at.next ??= new Map()
        let next = at.next.get(code)
        if (next === undefined) at.next.set(code, (next = {}))
        at = next
        if (text.charAt(i).trim() !== '') alphabet.add(text.charAt(i))
      }
      at.token = text
      this.#firstCharacters[text.charCodeAt(0)] = 1
    }
    this.alphabet = alphabet
  }

  /** Whether any occurs in the text. */
  *isIn(text: string): Work<boolean> {
    for (let start = 0; start < text.length; start++) {
      if (start % partLength === partLength - 1) yield
      if (this.#at(text, start, () => true)) return true
    }
    return false
  }

  /**
   * All occurrences in order of their start, also those that overlap or lie inside longer ones: tokenizers differ in
   * which of them they take.
   */
  *each(text: string, visit: (occurrence: TokenOccurrence) => void): Work {
    for (let start = 0; start < text.length; start++) {
      if (start % partLength === partLength - 1) yield
      this.#at(text, start, token => {
        visit({ start, end: start + token.length, token })
        return false
      })
    }
  }

  /** The tokens that begin there, the shortest first, until `found` says that it was that one. */
  #at(text: string, start: number, found: (token: string) => boolean): boolean {
    if (this.#firstCharacters[text.charCodeAt(start)] === 0) return false
    let at = this.#root.next?.get(text.charCodeAt(start))
    for (let end = start + 1; at !== undefined; end++) {
      if (at.token !== undefined && found(at.token)) return true
      if (end >= text.length) return false
      at = at.next?.get(text.charCodeAt(end))
    }
    return false
  }

  /**
   * The tokens of which `part` could be some of the text: it holds one, lies in one, or ends or starts as one starts or
   * ends.
   */
  overlapping(part: string): string[] {
    return this.texts.filter(
      token => token.includes(part) || part.includes(token) || joins(part, token) || joins(token, part),
    )
  }
}

/** Whether the end of one text is the start of another. */
function joins(left: string, right: string): boolean {
  for (let length = Math.min(left.length, right.length) - 1; length > 0; length--) {
    if (left.charCodeAt(left.length - length) === right.charCodeAt(0) && left.endsWith(right.slice(0, length)))
      return true
  }
  return false
}

function limit(found: number, max: number, what: string): void {
  if (found <= max) return
  throw new StreamingLLMError(
    'TEMPLATE_FAILED',
    `The model's vocabulary has ${what}: ${found}, and the limit is ${max}. Use a model whose file is as it was made.`,
    {
      details: { found, limit: max },
    },
  )
}
