/**
 * GBNF as its documentation describes it, read by nothing that the library has: a parser, a recogniser and a maker of
 * random sentences, to judge the grammars that the library writes.
 */
export type Gbnf =
  | { type: 'character'; matches(codePoint: number): boolean; ranges: [number, number][] }
  | { type: 'sequence'; parts: Gbnf[] }
  | { type: 'choice'; options: Gbnf[] }
  | { type: 'repeat'; item: Gbnf; min: number; max: number }
  | { type: 'rule'; name: string }

interface Random {
  below(limit: number): number
  chance(probability: number): boolean
}

export class GbnfGrammar {
  readonly rules = new Map<string, Gbnf>()
  readonly #heights = new Map<Gbnf, number>()

  constructor(source: string) {
    const parser = new Parser(source)
    for (const { name, body } of parser.rules()) this.rules.set(name, body)
    for (let changed = true; changed; ) {
      changed = false
      for (const body of this.rules.values()) if (this.#updateHeight(body)) changed = true
    }
  }

  /** The names of rules that no rule refers to, but for the root. */
  unusedRules(): string[] {
    const used = new Set(['root'])
    const visit = (part: Gbnf): void => {
      if (part.type === 'rule') used.add(part.name)
      else if (part.type === 'sequence') part.parts.forEach(visit)
      else if (part.type === 'choice') part.options.forEach(visit)
      else if (part.type === 'repeat') visit(part.item)
    }
    for (const body of this.rules.values()) visit(body)
    return [...this.rules.keys()].filter(name => !used.has(name))
  }

  /** Whether the whole text is a sentence. */
  accepts(text: string): boolean {
    return this.#read(text).accepted
  }

  /** Whether the text, or more, can be what a sentence begins with; where a rule has no end, so far as it goes. */
  begins(text: string): boolean {
    const { accepted, goesOn } = this.#read(text)
    return accepted || goesOn
  }

  /** `goesOn`: behind the text a character is waited for. */
  #read(text: string): { accepted: boolean; goesOn: boolean } {
    const characters = Array.from(text, character => character.codePointAt(0)!)
    const known = new Map<Gbnf, Map<number, Set<number>>>()
    let goesOn = false
    // What begins with itself, behind what may be empty, is known from the pass before; until nothing is new.
    let visited = new Map<Gbnf, Set<number>>()
    let isNew = false
    const ends = (part: Gbnf, start: number): Set<number> => {
      if (part.type === 'character') {
        if (start === characters.length && part.ranges.length > 0) goesOn = true
        return new Set(start < characters.length && part.matches(characters[start]!) ? [start + 1] : [])
      }
      let positions = known.get(part)
      if (positions === undefined) known.set(part, (positions = new Map()))
      const before = positions.get(start) ?? new Set<number>()
      let seen = visited.get(part)
      if (seen === undefined) visited.set(part, (seen = new Set()))
      if (seen.has(start)) return before
      seen.add(start)
      positions.set(start, before)
      const found = find(part, start)
      if ([...found].some(end => !before.has(end))) isNew = true
      const all = new Set([...before, ...found])
      positions.set(start, all)
      return all
    }
    const after = (part: Gbnf, starts: Iterable<number>) =>
      new Set([...starts].flatMap(start => [...ends(part, start)]))
    const find = (part: Exclude<Gbnf, { type: 'character' }>, start: number): Set<number> => {
      switch (part.type) {
        case 'rule':
          return ends(this.rules.get(part.name)!, start)
        case 'sequence':
          return part.parts.reduce((starts, each) => after(each, starts), new Set([start]))
        case 'choice':
          return new Set(part.options.flatMap(option => [...ends(option, start)]))
        case 'repeat': {
          let current = new Set([start])
          for (let i = 0; i < part.min; i++) current = after(part.item, current)
          const all = new Set(current)
          for (let i = part.min; i < part.max && current.size > 0; i++) {
            current = new Set([...after(part.item, current)].filter(end => !all.has(end)))
            for (const end of current) all.add(end)
          }
          return all
        }
      }
    }
    let last
    do {
      isNew = false
      visited = new Map()
      last = ends(this.rules.get('root')!, 0)
    } while (isNew)
    return { accepted: last.has(characters.length), goesOn }
  }

  /** A random sentence; below `depth` rules within each other, the shortest way to an end is taken. */
  sentence(random: Random, depth = 30): string {
    const make = (part: Gbnf, left: number): string => {
      switch (part.type) {
        case 'character': {
          const [from, to] = part.ranges[random.below(part.ranges.length)]!
          // the ends are where mistakes are
          const codePoint = random.chance(0.2)
            ? from
            : random.chance(0.2)
              ? to
              : from + random.below(Math.min(to - from + 1, random.chance(0.5) ? 90 : Infinity))
          return String.fromCodePoint(codePoint)
        }
        case 'rule':
          return make(this.rules.get(part.name)!, left - 1)
        case 'sequence':
          return part.parts.map(each => make(each, left)).join('')
        case 'choice': {
          const min = Math.min(...part.options.map(option => this.#heights.get(option) ?? Infinity))
          const possible = part.options.filter(option => (this.#heights.get(option) ?? Infinity) <= Math.max(left, min))
          return make(possible[random.below(possible.length)]!, left)
        }
        case 'repeat': {
          const more = (this.#heights.get(part.item) ?? Infinity) > left ? 0 : part.max - part.min
          let count = part.min
          if (more > 0 && more < Infinity && random.chance(0.3)) count += random.below(more + 1)
          else while (count < part.max && more > 0 && random.chance(0.6)) count++
          return Array.from({ length: count }, () => make(part.item, left)).join('')
        }
      }
    }
    return make(this.rules.get('root')!, depth)
  }

  /** How many rules have to be within each other for a sentence of a part to end. */
  #updateHeight(part: Gbnf): boolean {
    let changed = false
    const visit = (each: Gbnf) => {
      if (this.#updateHeight(each)) changed = true
    }
    const height = (each: Gbnf) => this.#heights.get(each) ?? Infinity
    let own
    switch (part.type) {
      case 'character':
        own = 0
        break
      case 'rule':
        own = 1 + height(this.rules.get(part.name)!)
        break
      case 'sequence':
        part.parts.forEach(visit)
        own = Math.max(0, ...part.parts.map(height))
        break
      case 'choice':
        part.options.forEach(visit)
        own = Math.min(...part.options.map(height))
        break
      case 'repeat':
        visit(part.item)
        own = part.min === 0 ? 0 : height(part.item)
        break
    }
    if (own < height(part)) {
      this.#heights.set(part, own)
      changed = true
    }
    return changed
  }
}

class Parser {
  #position = 0

  constructor(readonly source: string) {}

  *rules(): Generator<{ name: string; body: Gbnf }> {
    for (this.#space(true); this.#position < this.source.length; this.#space(true)) {
      const name = this.#need(/[a-zA-Z0-9-]+/y)
      this.#space(false)
      this.#need(/::=/y)
      this.#space(true)
      yield { name, body: this.#choice(false) }
      if (this.#position < this.source.length) this.#need(/[\r\n]/y)
    }
  }

  #choice(nested: boolean): Gbnf {
    const options = [this.#sequence(nested)]
    while (this.#take(/\|/y) !== undefined) {
      this.#space(true)
      options.push(this.#sequence(nested))
    }
    return options.length === 1 ? options[0]! : { type: 'choice', options }
  }

  #sequence(nested: boolean): Gbnf {
    const parts: Gbnf[] = []
    for (;;) {
      const item = this.#item()
      if (item === undefined) return { type: 'sequence', parts }
      this.#space(nested)
      parts.push(this.#repeated(item, nested))
    }
  }

  #item(): Gbnf | undefined {
    if (this.#take(/\(/y) !== undefined) {
      this.#space(true)
      const group = this.#choice(true)
      this.#need(/\)/y)
      return group
    }
    if (this.#take(/\./y) !== undefined) return character([[0, 0x10ffff]], false)
    if (this.#take(/"/y) !== undefined) {
      const parts: Gbnf[] = []
      while (this.#take(/"/y) === undefined) {
        const codePoint = this.#character()
        parts.push(character([[codePoint, codePoint]], false))
      }
      return { type: 'sequence', parts }
    }
    if (this.#take(/\[/y) !== undefined) {
      const inverted = this.#take(/\^/y) !== undefined
      const ranges: [number, number][] = []
      while (this.#take(/\]/y) === undefined) {
        const from = this.#character()
        ranges.push([from, this.#take(/-(?!\])/y) === undefined ? from : this.#character()])
      }
      // To llama.cpp a set without members is nothing at all.
      return ranges.length === 0 ? { type: 'sequence', parts: [] } : character(ranges, inverted)
    }
    const name = this.#take(/[a-zA-Z0-9-]+/y)
    return name === undefined ? undefined : { type: 'rule', name }
  }

  #repeated(item: Gbnf, nested: boolean): Gbnf {
    const found = this.#take(/[*+?]|\{\s*\d+\s*(,\s*(\d+)?\s*)?\}/y)
    if (found === undefined) return item
    this.#space(nested)
    const [min, max] =
      found === '*' ? [0, Infinity] : found === '+' ? [1, Infinity] : found === '?' ? [0, 1] : counts(found)
    return this.#repeated({ type: 'repeat', item, min, max }, nested)
  }

  #character(): number {
    const found = this.#need(/\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}|\\[\s\S]|[^\\]/uy)
    if (!found.startsWith('\\')) return found.codePointAt(0)!
    if (found.length > 2) return parseInt(found.slice(2), 16)
    const named = { t: '\t', r: '\r', n: '\n' }[found[1]!]
    if (named === undefined && !'\\"[]-'.includes(found[1]!)) throw this.#failure()
    return (named ?? found[1]!).codePointAt(0)!
  }

  #space(newlines: boolean): void {
    this.#take(newlines ? /(?:\s|#.*)*/y : /[ \t]*(?:#.*)?/y)
  }

  #take(expression: RegExp): string | undefined {
    expression.lastIndex = this.#position
    const found = expression.exec(this.source)?.[0]
    if (found !== undefined) this.#position += found.length
    return found
  }

  #need(expression: RegExp): string {
    const found = this.#take(expression)
    if (found === undefined) throw this.#failure()
    return found
  }

  #failure(): Error {
    return new Error(
      `no GBNF at ${this.#position}: ${JSON.stringify(this.source.slice(this.#position, this.#position + 40))}`,
    )
  }
}

function counts(text: string): [number, number] {
  const [min, max] = text
    .slice(1, -1)
    .split(',')
    .map(each => each.trim())
  return [Number(min), max === undefined ? Number(min) : max === '' ? Infinity : Number(max)]
}

function character(ranges: [number, number][], inverted: boolean): Gbnf {
  const within = (codePoint: number) => ranges.some(([from, to]) => from <= codePoint && codePoint <= to)
  if (!inverted) return { type: 'character', matches: within, ranges }
  const others = Array.from({ length: 0x3000 }, (_, codePoint) => codePoint).filter(codePoint => !within(codePoint))
  return { type: 'character', matches: codePoint => !within(codePoint), ranges: others.map(each => [each, each]) }
}
