import { Problem } from '../problem.js'
import { choice, nothing, type Piece, reference, sequence } from './pieces.js'

/** llama.cpp takes repetitions below 2000 times; longer ones are put together from chunks of this many. */
const chunk = 1000
const maxRepetitions = 100_000
const maxTextLength = 1_000_000

/** The rules of a grammar that is being written. A rule whose body is there already is not written twice. */
export class GrammarRules {
  readonly #bodies = new Map<string, Piece>()
  readonly #names = new Map<string, string>()
  readonly #taken = new Set(['root'])
  readonly #counters = new Map<string, number>()
  /** Characters that the schema in progress may still take; what is written for none is not limited here. */
  #room = Infinity

  /** Begins with the rules of another grammar, which does not get those that are added here. */
  constructor(from?: GrammarRules) {
    if (from === undefined) return
    this.#bodies = new Map(from.#bodies)
    this.#names = new Map(from.#names)
    this.#taken = new Set(from.#taken)
    this.#counters = new Map(from.#counters)
  }

  /** What is written from here on is a schema's, which may take as much as one alone, whatever there is before it. */
  beginSchema(): void {
    this.#room = maxTextLength
  }

  endSchema(): void {
    this.#room = Infinity
  }

  /** Gives a piece a name; a piece that is an item already, such as a reference, stays as it is. */
  rule(hint: string, piece: Piece): Piece {
    if (piece.kind === 'item') return piece
    const known = this.#names.get(piece.text)
    if (known !== undefined) return reference(known)
    const name = this.reserve(hint)
    this.define(name, piece)
    return reference(name)
  }

  /** A name for a rule that refers to itself, and so has to be known before its body is. */
  reserve(hint: string): string {
    // llama.cpp's names are letters, digits and hyphens
    const base =
      hint
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')
        .slice(0, 40) || 'rule'
    let count = this.#counters.get(base) ?? 0
    let name
    do {
      count++
      name = count === 1 ? base : `${base}-${count}`
    } while (this.#taken.has(name))
    this.#counters.set(base, count)
    this.#taken.add(name)
    return name
  }

  define(name: string, piece: Piece): void {
    this.#bodies.set(name, piece)
    if (piece.kind !== 'item') this.#names.set(piece.text, name)
    this.#room -= name.length + piece.text.length
    if (this.#room < 0) throw new Problem('', `needs a grammar of more than ${maxTextLength} characters`)
  }

  optional(hint: string, piece: Piece): Piece {
    return this.repeat(hint, piece, 0, 1)
  }

  /**
   * A piece that is not empty, from `min` to `max` times (which may be infinite). What is repeated becomes a rule
   * of its own, since llama.cpp's limit counts every rule within a repeated group.
   */
  repeat(hint: string, piece: Piece, min: number, max: number): Piece {
    if (max === 0 || piece.literal === '') return nothing
    if (min > maxRepetitions || (max !== Infinity && max > maxRepetitions)) {
      throw new Problem('', `asks for more than ${maxRepetitions} repetitions`)
    }
    if (min === 1 && max === 1) return piece
    const item = this.rule(hint, piece)
    if (max === Infinity)
      return min > chunk ? sequence(this.#times(hint, item, min), repeated(item, '*')) : repeated(item, unbounded(min))
    if (max <= chunk) return repeated(item, bounded(min, max))
    return sequence(this.#times(hint, item, min), this.#upTo(hint, item, max - min))
  }

  #times(hint: string, item: Piece, count: number): Piece {
    if (count === 0) return nothing
    if (count <= chunk) return count === 1 ? item : repeated(item, bounded(count, count))
    return sequence(
      this.#times(hint, this.#chunk(hint, item), Math.floor(count / chunk)),
      this.#times(hint, item, count % chunk),
    )
  }

  #upTo(hint: string, item: Piece, max: number): Piece {
    if (max === 0) return nothing
    if (max <= chunk) return repeated(item, bounded(0, max))
    const whole = this.#chunk(hint, item)
    const chunks = Math.floor(max / chunk)
    return choice([
      sequence(this.#upTo(hint, whole, chunks - 1), repeated(item, bounded(0, chunk - 1))),
      sequence(this.#times(hint, whole, chunks), this.#upTo(hint, item, max % chunk)),
    ])
  }

  #chunk(hint: string, item: Piece): Piece {
    return this.rule(`${hint}-chunk`, { ...repeated(item, bounded(chunk, chunk)), kind: 'sequence' })
  }

  /**
   * The whole grammar, whose texts are those that `root` matches: the rules that it leads to, in the order they were
   * made.
   */
  toText(root: Piece): string {
    const used = new Set(root.rules)
    // grows while it is walked
    for (const name of used) for (const next of this.#bodies.get(name)!.rules) used.add(next)
    const rules = [...this.#bodies].filter(([name]) => used.has(name))
    return `${[`root ::= ${root.text}`, ...rules.map(([name, { text }]) => `${name} ::= ${text}`)].join('\n')}\n`
  }
}

/** What is repeated may not be repeated once more without a rule between: llama.cpp multiplies the counts. */
function repeated(item: Piece, suffix: string): Piece {
  return { text: item.text + suffix, kind: 'sequence', rules: item.rules }
}

function bounded(min: number, max: number): string {
  if (min === max) return `{${min}}`
  return min === 0 && max === 1 ? '?' : `{${min},${max}}`
}

function unbounded(min: number): string {
  return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
}
