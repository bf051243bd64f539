import { type CodePoints, codePoints, complement, intersection } from '../grammar/code-points.js'
import { characterOf, choice, literal, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'

/** What JSON does not take within a string as it is: control characters, the quote and the backslash. */
const toEscape: CodePoints = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]
export const plainCharacters = complement(toEscape)

export const quote = literal('"')

/** A space may follow, as models like to write it; anything more would let them write spaces forever. */
export function comma(rules: GrammarRules): Piece {
  return rules.rule('comma', sequence(literal(','), rules.optional('space', literal(' '))))
}

export function colon(rules: GrammarRules): Piece {
  return rules.rule('colon', sequence(literal(':'), rules.optional('space', literal(' '))))
}

/**
 * One Unicode code point within a string, in any way that JSON can write it, but for halves of surrogate pairs: two
 * escapes that belong together count as one.
 */
export function anyCharacter(rules: GrammarRules): Piece {
  const hex = characterOf(codePoints('0123456789abcdefABCDEF'))
  const hexDigits = (count: number) => rules.repeat('hex', hex, count, count)
  const d = characterOf(codePoints('dD'))
  const code = choice([
    sequence(characterOf(codePoints('0123456789abcefABCEF')), hexDigits(3)),
    sequence(d, characterOf(codePoints('01234567')), hexDigits(2)),
    sequence(
      d,
      characterOf(codePoints('89abAB')),
      hexDigits(2),
      literal('\\u'),
      d,
      characterOf(codePoints('cdefCDEF')),
      hexDigits(2),
    ),
  ])
  const escape = choice([characterOf(codePoints('"\\/bfnrt')), sequence(literal('u'), rules.rule('code-unit', code))])
  return rules.rule('character', choice([characterOf(plainCharacters), sequence(literal('\\'), escape)]))
}

export function anyString(rules: GrammarRules): Piece {
  return rules.rule('string', sequence(quote, rules.repeat('character', anyCharacter(rules), 0, Infinity), quote))
}

/** One code point of a set that is not empty, each written in the one way that JavaScript writes it. */
export function writtenCharacter(set: CodePoints): Piece {
  const options: Piece[] = []
  const plain = intersection(set, plainCharacters)
  if (plain.length > 0) options.push(characterOf(plain))
  // 'n' for '\n', '0' for '\u0000'
  const short: string[] = []
  const long = { 0: [] as string[], 1: [] as string[] }
  for (const [from, to] of intersection(set, toEscape)) {
    for (let codePoint = from; codePoint <= to; codePoint++) {
      const escape = JSON.stringify(String.fromCodePoint(codePoint)).slice(2, -1)
      if (escape.length === 1) short.push(escape)
      else long[codePoint < 16 ? 0 : 1].push(escape.at(-1)!)
    }
  }
  if (short.length > 0) options.push(sequence(literal('\\'), characterOf(codePoints(short.join('')))))
  for (const sixteen of [0, 1] as const) {
    if (long[sixteen].length > 0)
      options.push(sequence(literal(`\\u00${sixteen}`), characterOf(codePoints(long[sixteen].join('')))))
  }
  return choice(options)
}
