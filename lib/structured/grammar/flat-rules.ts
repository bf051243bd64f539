import { Problem } from '../problem.js'

// Elements of a flat rule that are no reference; references are rule numbers, from 0.
/** A character or a token; each further member of a set, too, which llama.cpp counts as an element. */
const terminal = -1
export const alternative = -2

export function isTerminal(element: number): boolean {
  return element === terminal
}

/** A grammar as llama.cpp keeps it: without groups and repetitions, which have become rules of their own. */
export interface FlatRules {
  /** A rule number for each name that is written in the source. */
  readonly names: ReadonlyMap<string, number>
  /** The elements of each rule; `undefined` for a rule that is referred to and not defined. */
  readonly rules: readonly (readonly number[] | undefined)[]
  /** The line of each rule, from 1: where it is defined, or first referred to. */
  readonly lines: readonly number[]
}

const maxNesting = 100
/** llama.cpp refuses from here on. */
const repetitionThreshold = 2000
/** A literal of a thousand characters that is repeated a thousand times has a million elements. */
const maxElements = 250_000
const maxRules = 50_000

/**
 * Reads a grammar as llama.cpp's parser does, within limits that it does not have: it calls itself for every
 * parenthesis, and it copies what is repeated.
 *
 * @throws {Problem} with the line
 */
export function readFlatRules(source: string): FlatRules {
  return new FlatRulesReader(source).read()
}

class FlatRulesReader {
  readonly #names = new Map<string, number>()
  readonly #rules: (number[] | undefined)[] = []
  readonly #lines: number[] = []
  #position = 0
  #line = 1
  #counted = 0
  #elements = 0
  #nesting = 0

  constructor(readonly source: string) {}

  read(): FlatRules {
    this.#skipSpace(true)
    while (this.#position < this.source.length) this.#readRule()
    return { names: this.#names, rules: this.#rules, lines: this.#lines }
  }

  #readRule(): void {
    const name = this.#readName()
    this.#skipSpace(false)
    if (!this.#take('::=')) throw this.#expected(`'::=' after the rule's name '${name}'`)
    const rule = this.#ruleNamed(name)
    if (this.#rules[rule] !== undefined) throw this.#problem(`the rule '${name}' is defined twice`)
    this.#lines[rule] = this.#currentLine()
    this.#rules[rule] = []
    this.#skipSpace(true)
    this.#readChoice(rule, false)
    if (this.#position < this.source.length && !/[\r\n]/.test(this.#next())) throw this.#expected('the end of the line')
    this.#skipSpace(true)
  }

  #readChoice(rule: number, nested: boolean): void {
    const elements: number[] = []
    this.#readSequence(elements, nested)
    while (this.#take('|')) {
      this.#add(elements, alternative)
      this.#skipSpace(true)
      this.#readSequence(elements, nested)
    }
    this.#rules[rule] = elements
  }

  #readSequence(elements: number[], nested: boolean): void {
    // where the last item begins, and how many rules it stands for, by llama.cpp's count
    let start = elements.length
    let weight = 1
    for (;;) {
      const character = this.#next()
      if (character === '"' || character === '[') {
        start = elements.length
        weight = 1
        if (character === '"') this.#readLiteral(elements)
        else this.#readSet(elements)
      } else if (character === '.' || character === '<' || character === '!') {
        start = elements.length
        weight = 1
        if (character === '.') this.#position++
        else this.#readToken()
        this.#add(elements, terminal)
      } else if (/[a-zA-Z0-9-]/.test(character)) {
        start = elements.length
        weight = 1
        this.#add(elements, this.#ruleNamed(this.#readName()))
      } else if (character === '(') {
        const before = this.#rules.length
        const group = this.#readGroup()
        weight = this.#rules.length - before
        start = elements.length
        this.#add(elements, group)
      } else if (character === '*' || character === '+' || character === '?' || character === '{') {
        weight *= this.#readRepetition(elements, start, weight, nested)
      } else {
        return
      }
      this.#skipSpace(nested)
    }
  }

  #readGroup(): number {
    if (++this.#nesting > maxNesting) throw this.#problem(`parentheses are nested more than ${maxNesting} deep`)
    this.#position++
    this.#skipSpace(true)
    const group = this.#newRule()
    this.#readChoice(group, true)
    if (!this.#take(')')) throw this.#expected("')'")
    this.#nesting--
    return group
  }

  /** Repeats the last item of `elements` and returns by how much that multiplies the number of its rules. */
  #readRepetition(elements: number[], start: number, weight: number, nested: boolean): number {
    const { min, max } = this.#readCounts(nested)
    if (start === elements.length) throw this.#problem('there is nothing to repeat')
    if (min > max) throw this.#problem(`a repetition from ${min} to ${max} times`)
    const count = max !== Infinity && max > 0 ? max : Math.max(min, 1)
    // llama.cpp reads a larger upper bound than its limit as none
    if (count * weight >= repetitionThreshold) {
      throw this.#problem(
        `${count} repetitions of what has ${weight} rule${weight === 1 ? '' : 's'}; their product must be below ${repetitionThreshold}`,
      )
    }
    const item = elements.slice(start)
    if (min === 0) elements.length = start
    for (let i = 1; i < min; i++) for (const element of item) this.#add(elements, element)
    let last: number | undefined
    for (let i = 0; i < (max === Infinity ? 1 : max - min); i++) {
      const rule = this.#newRule()
      const body = (this.#rules[rule] = [] as number[])
      for (const element of item) this.#add(body, element)
      if (max === Infinity) this.#add(body, rule)
      else if (last !== undefined) this.#add(body, last)
      this.#add(body, alternative)
      last = rule
    }
    if (last !== undefined) this.#add(elements, last)
    return count
  }

  #readCounts(nested: boolean): { min: number; max: number } {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    this.#position++
    this.#skipSpace(nested)
    const min = this.#readCount()
    this.#skipSpace(nested)
    let max = min
    if (this.#take(',')) {
      this.#skipSpace(nested)
      max = /\d/.test(this.#next()) ? this.#readCount() : Infinity
      this.#skipSpace(nested)
    }
    if (!this.#take('}')) throw this.#expected("'}'")
    return { min, max }
  }

  #readCount(): number {
    const digits = this.#match(/\d+/y)
    if (digits === '') throw this.#expected('a number')
    return Number(digits)
  }

  #readLiteral(elements: number[]): void {
    this.#position++
    while (!this.#take('"')) {
      this.#readCharacter()
      this.#add(elements, terminal)
    }
  }

  /** One without members is nothing at all to llama.cpp. */
  #readSet(elements: number[]): void {
    this.#position++
    this.#take('^')
    while (!this.#take(']')) {
      this.#readCharacter()
      this.#add(elements, terminal)
      if (this.#next() === '-' && this.source[this.#position + 1] !== ']') {
        this.#position++
        this.#readCharacter()
      }
    }
  }

  #readCharacter(): void {
    if (this.#next() !== '\\') {
      if (this.#match(/./suy) === '') throw this.#expected('more')
      return
    }
    if (this.#match(/\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[trn\\"[\]-])/y) !== '') return
    const next = this.source[this.#position + 1] ?? ''
    throw this.#problem(`a backslash before ${JSON.stringify(next)} is no escape, or its digits are missing`)
  }

  #readToken(): void {
    if (this.#match(/!?<(?:\[\d{1,9}\]|[^[>][^>]*)>/y) === '') throw this.#expected("a token, as '<[id]>' or '<text>'")
  }

  #readName(): string {
    const name = this.#match(/[a-zA-Z0-9-]+/y)
    if (name === '') throw this.#expected("a rule's name")
    return name
  }

  #ruleNamed(name: string): number {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const rule = this.#newRule()
    this.#rules[rule] = undefined
    this.#names.set(name, rule)
    return rule
  }

  #newRule(): number {
    if (this.#rules.length >= maxRules)
      throw this.#problem(`the grammar has more than ${maxRules} rules, those of groups and repetitions included`)
    this.#lines.push(this.#currentLine())
    return this.#rules.push([]) - 1
  }

  #add(elements: number[], element: number): void {
    if (++this.#elements > maxElements)
      throw this.#problem(`the grammar has more than ${maxElements} elements, repetitions included`)
    elements.push(element)
  }

  #next(): string {
    return this.source[this.#position] ?? ''
  }

  #take(text: string): boolean {
    if (!this.source.startsWith(text, this.#position)) return false
    this.#position += text.length
    return true
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#position
    const found = expression.exec(this.source)?.[0] ?? ''
    this.#position += found.length
    return found
  }

  #skipSpace(newlines: boolean): void {
    const space = newlines ? /[ \t\r\n]+/y : /[ \t]+/y
    while (this.#match(space) !== '' || this.#match(/#[^\r\n]*/y) !== '');
  }

  /** Counts only what was read since the last time, since every rule has a line. */
  #currentLine(): number {
    for (; this.#counted < this.#position; this.#counted++) {
      if (this.source[this.#counted] === '\n') this.#line++
    }
    return this.#line
  }

  #expected(what: string): Problem {
    const found =
      this.#position < this.source.length
        ? JSON.stringify(String.fromCodePoint(this.source.codePointAt(this.#position)!))
        : 'the end'
    return this.#problem(`${what} was expected, and ${found} is there`)
  }

  #problem(message: string): Problem {
    return new Problem('', message, this.#currentLine())
  }
}
