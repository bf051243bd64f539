import type { TextRange } from './prompt-pieces.js'

interface TrieNode {
  next: Map<number, TrieNode>
  /** A token ends here. */
  end: boolean
}

/** One occurrence of a special token in a text. */
export interface TokenOccurrence extends TextRange {
  token: string
}

const node = (): TrieNode => ({ next: new Map(), end: false })

/** The texts of a vocabulary's control tokens, made ready for finding them: there may be a thousand. */
export class SpecialTokens {
  readonly texts: readonly string[]
  /** Every character that occurs in one, but for white space. */
  readonly alphabet: ReadonlySet<string>
  readonly #root = node()

  constructor(texts: Iterable<string>) {
    this.texts = [...new Set(texts)].filter(text => text !== '')
    const alphabet = new Set<string>()
    for (const text of this.texts) {
      let at = this.#root
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i)
        let next = at.next.get(code)
        if (next === undefined) at.next.set(code, next = node())
        at = next
        if (text.charAt(i).trim() !== '') alphabet.add(text.charAt(i))
      }
      at.end = true
    }
    this.alphabet = alphabet
  }

  /**
   * All occurrences in order of their start, also those that overlap or lie inside of longer ones: which of them the
   * tokenizer would take is its own affair, and differs between tokenizers.
   */
  find(text: string): TokenOccurrence[] {
    const found: TokenOccurrence[] = []
    const first = this.#root.next
    for (let start = 0; start < text.length; start++) {
      let at = first.get(text.charCodeAt(start))
      for (let end = start + 1; at !== undefined; end++) {
        if (at.end) found.push({ start, end, token: text.slice(start, end) })
        if (end >= text.length) break
        at = at.next.get(text.charCodeAt(end))
      }
    }
    return found
  }

  /** The tokens of which `part` could be some of the text: it holds one, lies in one, or ends or starts as one starts or ends. */
  overlapping(part: string): string[] {
    return this.texts.filter(token => token.includes(part) || part.includes(token) || joins(part, token) || joins(token, part))
  }
}

/** Whether the end of one text is the start of another. */
function joins(left: string, right: string): boolean {
  for (let length = Math.min(left.length, right.length) - 1; length > 0; length--) {
    if (left.endsWith(right.slice(0, length))) return true
  }
  return false
}
