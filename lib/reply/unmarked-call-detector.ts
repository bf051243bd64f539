import { afterSpace } from './marker-scanner.js'

/** White space in the start of a call's JSON, beyond which it is none. */
const spaceLimit = 64

/**
 * For models that write calls without a mark: whether a reply that begins with a bracket begins with a call of a known
 * tool. Only the name can tell, so the name has to come first.
 */
export class UnmarkedCallDetector {
  readonly #starts: readonly string[]

  constructor(names: readonly string[]) {
    this.#starts = names.flatMap(name => [
      `{"name":${JSON.stringify(name)}`,
      `{"type":"function","name":${JSON.stringify(name)}`,
    ])
  }

  /** `more` while it could still be either. */
  test(text: string, from: number): 'call' | 'text' | 'more' {
    const written = text.slice(from, from + this.#maxLength + spaceLimit).replace(/\s+/g, '')
    if (this.#starts.some(start => written.startsWith(start))) return 'call'
    if (!this.#starts.some(start => start.startsWith(written))) return 'text'
    return text.length - from < this.#maxLength + spaceLimit ? 'more' : 'text'
  }

  /** Where such a start may be: the first character that is no white space, if it is a bracket. */
  static at(text: string, from: number): number | undefined {
    const at = afterSpace(text, from)
    return text.charAt(at) === '{' ? at : undefined
  }

  get #maxLength(): number {
    return Math.max(...this.#starts.map(start => start.length))
  }
}
