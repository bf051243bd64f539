import { codePoints, complement } from '../grammar/code-points.js'
import { choice, literal, nothing, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import { Problem } from '../problem.js'
import { anyCharacter, quote, writtenCharacter } from './json-text.js'
import { oneOfTexts } from './literals.js'
import type { Shape } from './shape.js'
import { stringPiece } from './strings.js'

/** The letters of names that begin alike, each with what may follow. */
interface Branches {
  readonly children: Map<string, Branches>
  isName: boolean
}

const maxNameLength = 200
/** Characters of a key that the model makes up: a small model that has begun one may not come to an end by itself. */
const maxKeyLength = 64

/**
 * A key that is none of the names. Beside names, a key is written in the one way that JavaScript writes it, so that
 * none of them can be hidden behind an escape.
 */
export function otherKey(rules: GrammarRules, names: readonly string[], path: string): Piece {
  if (names.length === 0)
    return rules.rule(
      'any-key',
      sequence(quote, rules.repeat('character', anyCharacter(rules), 0, maxKeyLength), quote),
    )
  const root: Branches = { children: new Map(), isName: false }
  for (const name of names) {
    const characters = Array.from(name)
    if (characters.length > maxNameLength)
      throw new Problem(
        path,
        `has a name of more than ${maxNameLength} characters, beside which no other properties are supported`,
      )
    let at = root
    for (const character of characters) {
      if (!at.children.has(character)) at.children.set(character, { children: new Map(), isName: false })
      at = at.children.get(character)!
    }
    at.isName = true
  }
  return rules.rule('other-key', sequence(quote, different(rules, root)))
}

/** A key as one of some shapes of strings wants it. */
export function keyOf(rules: GrammarRules, shapes: readonly Shape[]): Piece {
  return rules.rule(
    'key',
    choice(
      shapes.map(shape => {
        if (shape.values !== undefined)
          return oneOfTexts(
            rules,
            'key',
            shape.values.filter(value => typeof value === 'string').map(value => JSON.stringify(value)),
          )
        const { min, max } = shape.length
        const isFree = shape.pattern === undefined && shape.format === undefined
        return stringPiece(
          rules,
          isFree ? { ...shape, length: { min, max: Math.min(max, Math.max(min, maxKeyLength)) } } : shape,
        )
      }),
    ),
  )
}

/** What may follow after the beginning of some names, up to the closing quote. */
function different(rules: GrammarRules, { children, isName }: Branches): Piece {
  const anything = rules.repeat('key-character', writtenCharacter(complement([])), 0, maxKeyLength)
  const options = [...children].map(([character, branches]) =>
    sequence(escapedLiteral(character), rules.rule('other-key-rest', different(rules, branches))),
  )
  options.push(sequence(writtenCharacter(complement(codePoints([...children.keys()].join('')))), anything, quote))
  return choice(isName ? options : [...options, quote])
}

function escapedLiteral(character: string): Piece {
  return character === '' ? nothing : literal(JSON.stringify(character).slice(1, -1))
}
