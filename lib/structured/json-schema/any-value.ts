import { choice, literal, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import { anyString, colon, comma } from './json-text.js'
import { numberPiece } from './numbers.js'

/** How deep arrays and objects may be nested where a schema says nothing of what they hold. */
const maxDepth = 5

export const booleanPiece = choice([literal('true'), literal('false')])
export const nullPiece = literal('null')

/** Any JSON value, to a depth, so that a model cannot open brackets forever. */
export function anyValue(rules: GrammarRules, depth = maxDepth): Piece {
  const single = [anyString(rules), numberPiece(rules, {}, false)!, booleanPiece, nullPiece]
  if (depth === 0) return rules.rule('value-0', choice(single))
  const inner = anyValue(rules, depth - 1)
  const member = rules.rule(`member-${depth}`, sequence(anyString(rules), colon(rules), inner))
  return rules.rule(
    `value-${depth}`,
    choice([
      ...single,
      sequence(literal('['), listed(rules, `items-${depth}`, inner), literal(']')),
      sequence(literal('{'), listed(rules, `members-${depth}`, member), literal('}')),
    ]),
  )
}

/** Any number of the same, with commas between. */
function listed(rules: GrammarRules, hint: string, piece: Piece): Piece {
  return rules.optional(hint, sequence(piece, rules.repeat(`${hint}-more`, sequence(comma(rules), piece), 0, Infinity)))
}
