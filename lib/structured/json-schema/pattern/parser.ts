import {
  type CodePoints,
  codePoints,
  complement,
  everyCodePoint,
  intersection,
  union,
} from '../../grammar/code-points.js'
import { Problem } from '../../problem.js'
import type { Count } from '../shape.js'
import { type Branch, type Expression, emptyExpression } from './expression.js'

const maxLength = 2000
const maxNesting = 50

const digits: CodePoints = [[0x30, 0x39]]
const word: CodePoints = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
/** White space and line ends, as ECMAScript counts them. */
const space: CodePoints = union(codePoints('\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'), [
  [0x2000, 0x200a],
])
const lineEnds = codePoints('\n\r\u2028\u2029')
const classes: Readonly<Record<string, CodePoints>> = {
  d: digits,
  D: complement(digits),
  w: word,
  W: complement(word),
  s: space,
  S: complement(space),
}
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }

/**
 * Reads a pattern as ECMAScript does with the flag `u`, which is what JSON Schema asks for. Anchors may stand at the
 * ends of the whole or of its choices.
 *
 * @throws {Problem} for what is no pattern, and for look-around, back references, `\b`, `\p` and other anchors
 */
export function readPattern(source: string, path: string): Branch[] {
  if (source.length > maxLength)
    throw new Problem(path, `has ${source.length} characters, and at most ${maxLength} are supported`)
  try {
    new RegExp(source, 'u')
  } catch (error) {
    throw new Problem(path, `is no regular expression with the flag u: ${(error as Error).message}`)
  }
  return new PatternParser(source, path).read()
}

/** Knows that the source is a regular expression, as its checks are not repeated here. */
class PatternParser {
  readonly #characters: readonly string[]
  #position = 0
  #nesting = 0

  constructor(
    source: string,
    readonly path: string,
  ) {
    this.#characters = Array.from(source)
  }

  read(): Branch[] {
    const branches: Branch[] = []
    do branches.push(this.#readBranch())
    while (this.#take('|'))
    return branches
  }

  #readBranch(): Branch {
    let atStart = false
    while (this.#take('^')) atStart = true
    const expression = this.#readSequence()
    let atEnd = false
    while (this.#take('$')) atEnd = true
    if (this.#position < this.#characters.length && this.#next() !== '|') throw this.#anchor()
    return { expression, atStart, atEnd }
  }

  #readChoice(): Expression {
    const options: Expression[] = []
    do options.push(this.#readSequence())
    while (this.#take('|'))
    return options.length === 1 ? options[0]! : { kind: 'choice', options }
  }

  /** Up to a choice, the end of the group or an anchor. */
  #readSequence(): Expression {
    const parts: Expression[] = []
    while (this.#position < this.#characters.length && !'|)$'.includes(this.#next())) {
      parts.push(this.#readQuantifier(this.#readAtom()))
    }
    return parts.length === 1 ? parts[0]! : parts.length === 0 ? emptyExpression : { kind: 'sequence', parts }
  }

  #readAtom(): Expression {
    const character = this.#characters[this.#position++]!
    if (character === '(') return this.#readGroup()
    if (character === '^') throw this.#anchor()
    const set =
      character === '['
        ? this.#readClass()
        : character === '.'
          ? complement(lineEnds)
          : character === '\\'
            ? this.#readEscape()
            : codePoints(character)
    // Halves of surrogate pairs are no characters of a text: what asks for one matches nothing.
    return { kind: 'set', set: intersection(set, everyCodePoint) }
  }

  #readGroup(): Expression {
    if (++this.#nesting > maxNesting) throw this.#unsupported(`groups nested more than ${maxNesting} deep`)
    if (this.#take('?') && !this.#take(':')) {
      const after = this.#take('<') ? `<${this.#next()}` : this.#next()
      if (['=', '!', '<=', '<!'].includes(after)) throw this.#unsupported(`look-around, '(?${after}'`)
      if (!after.startsWith('<')) throw this.#unsupported(`the group '(?${after}'`)
      while (!this.#take('>')) this.#position++
    }
    const expression = this.#readChoice()
    if (!this.#take(')')) throw this.#anchor()
    this.#nesting--
    return expression
  }

  #readQuantifier(item: Expression): Expression {
    const count = this.#readCount()
    if (count === undefined) return item
    // what a lazy quantifier matches first makes no difference to whether the whole matches
    this.#take('?')
    return { kind: 'repeat', item, count }
  }

  #readCount(): Count | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (!this.#take('{')) return undefined
    const min = this.#readDigits()
    const max = !this.#take(',') ? min : this.#next() === '}' ? Infinity : this.#readDigits()
    this.#position++
    return { min, max }
  }

  #readDigits(): number {
    let text = ''
    while (/\d/.test(this.#next())) text += this.#characters[this.#position++]
    return Number(text)
  }

  #readClass(): CodePoints {
    const inverted = this.#take('^')
    let set: CodePoints = []
    while (!this.#take(']')) {
      const first = this.#readClassMember()
      let second
      if (this.#next() === '-' && this.#characters[this.#position + 1] !== ']') {
        this.#position++
        second = this.#readClassMember()
      }
      set = union(set, second === undefined ? first : [[first[0]![0], second[0]![0]]])
    }
    return inverted ? complement(set) : set
  }

  #readClassMember(): CodePoints {
    const character = this.#characters[this.#position++]!
    if (character !== '\\') return codePoints(character)
    if (this.#take('b')) return [[8, 8]]
    return this.#readEscape()
  }

  #readEscape(): CodePoints {
    const character = this.#characters[this.#position++]!
    if (Object.hasOwn(classes, character)) return classes[character]!
    if (Object.hasOwn(controls, character)) return only(controls[character]!)
    if (character === 'c') return only(this.#characters[this.#position++]!.codePointAt(0)! % 32)
    if (character === 'x') return only(this.#readHex(2))
    if (character === 'u') return only(this.#readUnicode())
    if (character === 'b' || character === 'B') throw this.#unsupported(`the word boundary '\\${character}'`)
    if (character === 'p' || character === 'P') throw this.#unsupported(`the property '\\${character}'`)
    if (character === 'k' || /\d/.test(character)) throw this.#unsupported(`the back reference '\\${character}'`)
    return codePoints(character)
  }

  #readUnicode(): number {
    if (this.#take('{')) {
      let text = ''
      while (!this.#take('}')) text += this.#characters[this.#position++]
      return parseInt(text, 16)
    }
    const first = this.#readHex(4)
    const second = /^\\u(d[c-f][0-9a-f]{2})$/i.exec(
      this.#characters.slice(this.#position, this.#position + 6).join(''),
    )?.[1]
    if (first < 0xd800 || first > 0xdbff || second === undefined) return first
    this.#position += 6
    return 0x10000 + (first - 0xd800) * 0x400 + parseInt(second, 16) - 0xdc00
  }

  #readHex(length: number): number {
    this.#position += length
    return parseInt(this.#characters.slice(this.#position - length, this.#position).join(''), 16)
  }

  #next(): string {
    return this.#characters[this.#position] ?? ''
  }

  #take(character: string): boolean {
    if (this.#next() !== character) return false
    this.#position++
    return true
  }

  #anchor(): Problem {
    return this.#unsupported('an anchor that is not at an end of the pattern')
  }

  #unsupported(what: string): Problem {
    return new Problem(this.path, `has ${what}, which is not supported`)
  }
}

function only(codePoint: number): CodePoints {
  return codePoint >= 0xd800 && codePoint <= 0xdfff
    ? [[codePoint, codePoint]]
    : codePoints(String.fromCodePoint(codePoint))
}
