// A small reader of GBNF that tells which texts a grammar takes. It knows what our grammars use: literals, classes, groups,
// choices, repetitions.

type Matcher = (text: string, at: number, next: (at: number) => boolean) => boolean

const empty: Matcher = (_, at, next) => next(at)
const sequence =
  (first: Matcher, second: Matcher): Matcher =>
  (text, at, next) =>
    first(text, at, middle => second(text, middle, next))

/** Throws for what is no grammar, and for rules that aren't there. */
export class Gbnf {
  readonly #rules = new Map<string, Matcher>()
  readonly #used = new Set<string>()
  #source = ''
  #at = 0

  constructor(source: string) {
    this.#source = source
    this.#skip(true)
    while (this.#at < source.length) {
      const name = this.#word()
      this.#skip(true)
      this.#expect('::=')
      this.#skip(true)
      if (this.#rules.has(name)) throw new Error(`Rule ${name} is there twice`)
      this.#rules.set(name, this.#choice(false))
      this.#skip(true)
    }
    for (const name of [...this.#used, 'root']) if (!this.#rules.has(name)) throw new Error(`Rule ${name} is missing`)
  }

  get names(): string[] {
    return [...this.#rules.keys()]
  }

  /** Whether the whole text is one that the grammar gives. */
  takes(text: string): boolean {
    return this.#rules.get('root')!(text, 0, at => at === text.length)
  }

  #choice(grouped: boolean): Matcher {
    const choices = [this.#sequence(grouped)]
    while (this.#source[this.#at] === '|') {
      this.#at++
      this.#skip(true)
      choices.push(this.#sequence(grouped))
    }
    return (text, at, next) => choices.some(choice => choice(text, at, next))
  }

  #sequence(grouped: boolean): Matcher {
    let matcher = empty
    while (this.#at < this.#source.length && !'|)\n'.includes(this.#source[this.#at]!))
      matcher = sequence(matcher, this.#repeated(grouped))
    return matcher
  }

  #repeated(grouped: boolean): Matcher {
    const one = this.#one()
    const bounds = /^(?:\*|\+|\?|\{(\d*)(,?)(\d*)\})/.exec(this.#source.slice(this.#at))
    if (bounds !== null) this.#at += bounds[0].length
    this.#skip(grouped)
    if (bounds === null) return one
    const [mark, least, comma, most] = bounds
    const from = mark === '+' ? 1 : mark.startsWith('{') ? Number(least) : 0
    const to =
      mark === '?'
        ? 1
        : mark.startsWith('{') && comma === ''
          ? from
          : mark.startsWith('{') && most !== ''
            ? Number(most)
            : Infinity
    const repeat =
      (count: number): Matcher =>
      (text, at, next) =>
        (count < to && one(text, at, after => after > at && repeat(count + 1)(text, after, next))) ||
        (count >= from && next(at))
    return repeat(0)
  }

  #one(): Matcher {
    const start = this.#source[this.#at]
    if (start === '"') {
      const found = /^"((?:\\.|[^"\\])*)"/.exec(this.#source.slice(this.#at))
      if (found === null) throw new Error(`No end of a literal: ${this.#source.slice(this.#at, this.#at + 40)}`)
      this.#at += found[0].length
      const literal = unescaped(found[1]!)
      return (text, at, next) => text.startsWith(literal, at) && next(at + literal.length)
    }
    if (start === '[') {
      const found = /^\[((?:\\.|[^\]\\])*)\]/.exec(this.#source.slice(this.#at))
      if (found === null) throw new Error('No end of a class')
      this.#at += found[0].length
      const pattern = new RegExp(`^[${found[1]}]$`, 's')
      return (text, at, next) => at < text.length && pattern.test(text[at]!) && next(at + 1)
    }
    if (start === '(') {
      this.#at++
      this.#skip(true)
      const choice = this.#choice(true)
      this.#expect(')')
      return choice
    }
    const name = this.#word()
    this.#used.add(name)
    return (text, at, next) => this.#rules.get(name)!(text, at, next)
  }

  #word(): string {
    const found = /^[A-Za-z0-9-]+/.exec(this.#source.slice(this.#at))
    if (found === null) throw new Error(`No name: ${JSON.stringify(this.#source.slice(this.#at, this.#at + 40))}`)
    this.#at += found[0].length
    return found[0]
  }

  #expect(text: string): void {
    if (!this.#source.startsWith(text, this.#at))
      throw new Error(`No ${text}: ${JSON.stringify(this.#source.slice(this.#at, this.#at + 40))}`)
    this.#at += text.length
  }

  #skip(lines: boolean): void {
    const found = (lines ? /^(?:\s|#[^\n]*)+/ : /^(?:[ \t]|#[^\n]*)+/).exec(this.#source.slice(this.#at))
    if (found !== null) this.#at += found[0].length
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_, character: string) => ({ n: '\n', t: '\t', r: '\r' })[character] ?? character)
}
