/** Deeper values are none of a call. */
const maxDepth = 64

const constants: Readonly<Record<string, unknown>> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  0: '\0',
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '/': '/',
}

/**
 * A literal of Python (or of JSON) as a value: strings in either quotes, numbers, lists, tuples, dicts, constants.
 * `quote`: a mark around strings, within which nothing is escaped. Then keys may be bare, and what is missing is null.
 */
export function parseLiteral(text: string, quote?: string): { value: unknown } | undefined {
  const literal = new Literal(text, quote)
  try {
    const value = literal.value(0)
    return literal.isAtEnd ? { value } : undefined
  } catch (error) {
    if (error instanceof NoLiteral) return undefined
    throw error
  }
}

class NoLiteral extends Error {}

class Literal {
  readonly #text: string
  readonly #quote: string | undefined
  #at = 0

  constructor(text: string, quote: string | undefined) {
    this.#text = text
    this.#quote = quote
  }

  get isAtEnd(): boolean {
    return this.#next() === ''
  }

  value(depth: number): unknown {
    if (depth > maxDepth) throw new NoLiteral()
    const character = this.#next()
    if (this.#isAtQuote) return this.#marked()
    if (character === '"' || character === "'") return this.#string(character)
    if (this.#quote !== undefined && /[,\]}]/.test(character)) return null
    if (character === '[') return this.#list(']', depth)
    if (character === '(') return this.#list(')', depth)
    if (character === '{') return this.#dict(depth)
    const word = /[^\s,:[\](){}'"=]*/y
    word.lastIndex = this.#at
    const found = word.exec(this.#text)![0]
    this.#at += found.length
    if (Object.hasOwn(constants, found)) return constants[found]
    if (!/^[+-]?(\d[\d_]*)?(\.\d*)?(e[+-]?\d+)?$/i.test(found) || !/\d/.test(found)) throw new NoLiteral()
    return Number(found.replaceAll('_', ''))
  }

  #list(close: string, depth: number): unknown[] {
    this.#at++
    const items: unknown[] = []
    while (this.#next() !== close) {
      items.push(this.value(depth + 1))
      this.#separator(close)
    }
    this.#at++
    return items
  }

  #dict(depth: number): Record<string, unknown> {
    this.#at++
    const entries: [string, unknown][] = []
    while (this.#next() !== '}') {
      const key = this.#quote === undefined || this.#isAtQuote ? this.value(depth + 1) : this.#bareKey()
      if (typeof key !== 'string' && typeof key !== 'number') throw new NoLiteral()
      if (this.#next() !== ':') throw new NoLiteral()
      this.#at++
      entries.push([String(key), this.value(depth + 1)])
      this.#separator('}')
    }
    this.#at++
    return Object.fromEntries(entries)
  }

  #separator(close: string): void {
    const character = this.#next()
    if (character === ',') this.#at++
    else if (character !== close) throw new NoLiteral()
  }

  get #isAtQuote(): boolean {
    return this.#quote !== undefined && this.#text.startsWith(this.#quote, this.#at)
  }

  #marked(): string {
    const start = this.#at + this.#quote!.length
    const end = this.#text.indexOf(this.#quote!, start)
    if (end < 0) throw new NoLiteral()
    this.#at = end + this.#quote!.length
    return this.#text.slice(start, end)
  }

  #bareKey(): unknown {
    if (this.#next() === '"') return this.#string('"')
    const end = this.#text.indexOf(':', this.#at)
    if (end < 0) throw new NoLiteral()
    const key = this.#text.slice(this.#at, end).trim()
    this.#at = end
    return key
  }

  #string(quote: string): string {
    let read = ''
    for (this.#at++; ; this.#at++) {
      const character = this.#text.charAt(this.#at)
      if (character === '') throw new NoLiteral()
      if (character === quote) break
      if (character !== '\\') read += character
      else read += this.#escape()
    }
    this.#at++
    return read
  }

  /** What a backslash and what follows it stand for; it ends at the last character of it. */
  #escape(): string {
    const code = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y
    code.lastIndex = this.#at
    const found = code.exec(this.#text)
    if (found !== null) {
      const point = Number.parseInt(found[1] ?? found[2] ?? found[3]!, 16)
      if (point > 0x10ffff) throw new NoLiteral()
      this.#at += found[0].length - 1
      return String.fromCodePoint(point)
    }
    const character = this.#text.charAt(++this.#at)
    // As in Python, a backslash before anything else is one.
    return Object.hasOwn(escapes, character) ? escapes[character]! : `\\${character}`
  }

  /** The next character that is no white space. */
  #next(): string {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++
    return this.#text.charAt(this.#at)
  }
}
