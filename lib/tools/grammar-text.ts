import { codePoints, complement } from '../structured/grammar/code-points.js'
import { characterOf, choice, literal, type Piece, reference, sequence } from '../structured/grammar/pieces.js'
import type { GrammarRules } from '../structured/grammar/rules.js'

/** At most a few characters, so that a model can't go on forever with white space. */
export function looseSpace(rules: GrammarRules): Piece {
  return rules.rule('space', rules.repeat('space', characterOf(codePoints(' \t\n')), 0, 16))
}

/** A text in which white space may be as long as the model likes, within limits. */
export function looseText(rules: GrammarRules, text: string): Piece {
  const parts = text.split(/(\s+)/)
  return sequence(...parts.map(part => (part !== '' && part.trim() === '' ? looseSpace(rules) : literal(part))))
}

/** What comes after the text that ends the reasoning. */
export function afterReasoning(rules: GrammarRules, close: string, piece: Piece): Piece {
  return sequence(literal(close), looseSpace(rules), piece)
}

/**
 * Any text up to a marker and the marker itself. It has one rule for each length of the marker's start that may have
 * been read. A plain "anything but this" would miss markers that begin within the start of another.
 */
export function textUntil(rules: GrammarRules, hint: string, marker: string): Piece {
  const names = Array.from({ length: marker.length }, () => rules.reserve(hint))
  const read = (length: number) => reference(names[length]!)
  for (const [length, name] of names.entries()) {
    const leading = [...new Set(marker)]
      .map(character => ({ character, next: overlap(marker.slice(0, length) + character, marker) }))
      .filter(({ next }) => next > 0)
    const others = complement(codePoints(leading.map(({ character }) => character).join('')))
    const further = leading.map(({ character, next }) =>
      next === marker.length ? literal(character) : sequence(literal(character), read(next)),
    )
    rules.define(name, choice([sequence(characterOf(others), read(0)), ...further]))
  }
  return read(0)
}

/** How much of the marker's start the text ends with. */
function overlap(text: string, marker: string): number {
  for (let length = Math.min(text.length, marker.length); length > 0; length--) {
    if (text.endsWith(marker.slice(0, length))) return length
  }
  return 0
}
