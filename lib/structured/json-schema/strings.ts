import { choice, nothing, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import { Problem } from '../problem.js'
import { formats } from './formats.js'
import { anyCharacter, anyString, quote } from './json-text.js'
import { type Branch, lengths, type RepetitionLimit, withLimit } from './pattern/expression.js'
import { readPattern } from './pattern/parser.js'
import { isPossible, PatternWriter } from './pattern/writer.js'
import type { Count, Shape } from './shape.js'

/** In place of any number of times, in a format: the letters of a word of an address, and its words. */
const formatLimit: RepetitionLimit = { characters: 20, groups: 3 }

/** Strings of a length, of a pattern or of a format. */
export function stringPiece(rules: GrammarRules, { length, pattern, format }: Shape): Piece {
  if (pattern !== undefined && format !== undefined) {
    if (!pattern.ofLibrary)
      throw new Problem(
        pattern.path,
        `is not supported together with ${format.path}, as no grammar is known for both at once`,
      )
    try {
      return patterned(rules, limited(readPattern(pattern.source, pattern.path)), length, pattern.path)
    } catch (error) {
      // The format says less than the library's pattern, and the library checks the value in the end.
      if (!(error instanceof Problem)) throw error
    }
  }
  if (format !== undefined)
    return patterned(rules, readPattern(`^(${formats.get(format.name)!})$`, format.path), length, format.path)
  if (pattern !== undefined) return patterned(rules, readPattern(pattern.source, pattern.path), length, pattern.path)
  if (length.min === 0 && length.max === Infinity) return anyString(rules)
  return sequence(quote, rules.repeat('character', anyCharacter(rules), length.min, length.max), quote)
}

/**
 * A limit for repetitions without end in a pattern that stands for a format, as the formats themselves have. Without
 * it, a small model may write the digits of a second forever.
 */
function limited(branches: readonly Branch[]): Branch[] {
  return branches.map(branch => ({ ...branch, expression: withLimit(branch.expression, formatLimit) }))
}

function patterned(rules: GrammarRules, branches: readonly Branch[], length: Count, path: string): Piece {
  const writer = new PatternWriter(rules)
  const fitting = withLength(
    branches.filter(({ expression }) => isPossible(expression)),
    length,
    path,
  )
  const anything = () => rules.repeat('character', anyCharacter(rules), 0, Infinity)
  return sequence(
    quote,
    choice(
      fitting.map(({ expression, atStart, atEnd }) => {
        return sequence(atStart ? nothing : anything(), writer.piece(expression), atEnd ? nothing : anything())
      }),
    ),
    quote,
  )
}

/** The branches of a pattern with the length asked for, as far as that is plain from each. */
function withLength(branches: readonly Branch[], { min, max }: Count, path: string): readonly Branch[] {
  const fitting = branches.flatMap((branch): readonly Branch[] => {
    const { expression, atStart, atEnd } = branch
    const own = lengths(expression)
    const ownMax = atStart && atEnd ? own.max : Infinity
    if (own.min > max || ownMax < min) return []
    if (own.min >= min && ownMax <= max) return [branch]
    if (atStart && atEnd && expression.kind === 'repeat' && expression.item.kind === 'set') {
      const { count } = expression
      return [
        {
          ...branch,
          expression: {
            ...expression,
            count: { min: Math.max(count.min, min), max: Math.min(count.max, max) },
          },
        },
      ]
    }
    throw new Problem(
      path,
      'is supported beside minLength or maxLength only where every match has such a length, or where it is one set of characters repeated between ^ and $',
    )
  })
  if (fitting.length === 0)
    throw new Problem(path, min === 0 && max === Infinity ? 'matches no text' : 'matches no text with such a length')
  return fitting
}
