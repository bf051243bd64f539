import type { CodePoints } from './code-points.js'

/** A part of a rule in GBNF, the notation of llama.cpp's grammars. */
export interface Piece {
  readonly text: string
  /**
   * How tightly the text holds together: an item may be repeated as it is, a choice needs parentheses in a sequence.
   */
  readonly kind: 'item' | 'sequence' | 'choice'
  /** The characters, where the piece is nothing but these. */
  readonly literal?: string
  /** The names of the rules that the text refers to. */
  readonly rules: readonly string[]
}

/** Matches the empty text. */
export const nothing: Piece = { text: '""', kind: 'item', literal: '', rules: [] }

export function literal(characters: string): Piece {
  return {
    text: `"${Array.from(characters, each => escaped(each, '"\\')).join('')}"`,
    kind: 'item',
    literal: characters,
    rules: [],
  }
}

/** One character out of a set that is not empty. */
export function characterOf(set: CodePoints): Piece {
  const first = set[0]!
  if (set.length === 1 && first[0] === first[1]) return literal(String.fromCodePoint(first[0]))
  const one = (codePoint: number) => escaped(String.fromCodePoint(codePoint), '[]\\-')
  const ranges = set.map(([from, to]) =>
    from === to ? one(from) : `${one(from)}${to === from + 1 ? '' : '-'}${one(to)}`,
  )
  return { text: `[${ranges.join('')}]`, kind: 'item', rules: [] }
}

/** A reference to a rule. */
export function reference(name: string): Piece {
  return { text: name, kind: 'item', rules: [name] }
}

export function sequence(...pieces: readonly Piece[]): Piece {
  const joined: Piece[] = []
  for (const piece of pieces) {
    const last = joined.at(-1)
    if (piece.literal === '') continue
    if (piece.literal !== undefined && last?.literal !== undefined)
      joined[joined.length - 1] = literal(last.literal + piece.literal)
    else joined.push(piece)
  }
  if (joined.length < 2) return joined[0] ?? nothing
  return {
    text: joined.map(piece => (piece.kind === 'choice' ? `(${piece.text})` : piece.text)).join(' '),
    kind: 'sequence',
    rules: allRules(joined),
  }
}

/** At least one option; the same option twice counts once. */
export function choice(options: readonly Piece[]): Piece {
  const distinct = [...new Map(options.map(option => [option.text, option])).values()]
  if (distinct.length === 1) return distinct[0]!
  return { text: distinct.map(option => option.text).join(' | '), kind: 'choice', rules: allRules(distinct) }
}

function allRules(pieces: readonly Piece[]): string[] {
  return [...new Set(pieces.flatMap(({ rules }) => rules))]
}

function escaped(character: string, special: string): string {
  if (special.includes(character)) return `\\${character}`
  const codePoint = character.codePointAt(0)!
  // '^' has no escape of its own, and at the beginning of a set it would invert it
  if (codePoint >= 0x20 && codePoint < 0x7f && character !== '^') return character
  const digits = codePoint.toString(16).toUpperCase()
  if (codePoint < 0x100) return `\\x${digits.padStart(2, '0')}`
  return codePoint < 0x10000 ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`
}
