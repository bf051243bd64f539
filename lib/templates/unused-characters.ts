import { StreamingLLMError } from '../errors.js'

/**
 * Ranges of single UTF-16 units without case, white space or composition: private use first, then Chinese characters.
 */
const ranges: readonly (readonly [number, number])[] = [
  [0xe000, 0xf8ff],
  [0x4e00, 0x9fff],
]
const privateUse = /[\ue000-\uf8ff]/g

/** Characters that occur in none of the texts at hand, to stand for others. */
export class UnusedCharacters {
  readonly #reserved: ReadonlySet<string>
  readonly #pool: readonly string[]

  /** `reserved`: texts whose characters are never given out. */
  constructor(reserved: readonly string[]) {
    this.#reserved = new Set(reserved.join(''))
    this.#pool = this.#free(0, this.#reserved)
  }

  /**
   * That many characters that occur in none of `texts`. The first ones of private use, as a rule: people may write
   * those as well (icon fonts), and then others are taken.
   *
   * Throws `TEMPLATE_FAILED` when so many different characters are used that none are left.
   */
  take(count: number, texts: readonly string[]): string[] {
    const used = new Set<string>()
    for (const text of texts) for (const match of text.matchAll(privateUse)) used.add(match[0])
    const taken: string[] = []
    for (let i = 0; i < this.#pool.length && taken.length < count; i++) {
      const character = this.#pool[i] as string
      if (!used.has(character)) taken.push(character)
    }
    if (taken.length < count)
      taken.push(...this.#free(1, new Set([...this.#reserved, ...texts.join('')])).slice(0, count - taken.length))
    if (taken.length < count) {
      throw new StreamingLLMError(
        'TEMPLATE_FAILED',
        'The messages use so many different characters that none are left to mark their text with.',
      )
    }
    return taken
  }

  #free(range: number, used: ReadonlySet<string>): string[] {
    const [first, last] = ranges[range] as readonly [number, number]
    const free: string[] = []
    for (let code = first; code <= last; code++) {
      const character = String.fromCharCode(code)
      if (!used.has(character)) free.push(character)
    }
    return free
  }
}
