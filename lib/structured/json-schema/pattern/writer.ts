import { choice, nothing, type Piece, sequence } from '../../grammar/pieces.js'
import type { GrammarRules } from '../../grammar/rules.js'
import { writtenCharacter } from '../json-text.js'
import { type Expression, lengths, mayBeEmpty, NonEmpty } from './expression.js'

/** Writes regular expressions for the inside of a JSON string. */
export class PatternWriter {
  readonly #nonEmpty = new NonEmpty()
  readonly #known = new Map<Expression, Piece>()

  constructor(readonly rules: GrammarRules) {}

  /** An expression that something matches. */
  piece(expression: Expression): Piece {
    const known = this.#known.get(expression)
    if (known !== undefined) return known
    const piece = this.#write(expression)
    // parts that are long get a name, as they may be needed again
    const kept = piece.kind === 'item' || piece.text.length < 40 ? piece : this.rules.rule('pattern', piece)
    this.#known.set(expression, kept)
    return kept
  }

  #write(expression: Expression): Piece {
    switch (expression.kind) {
      case 'set':
        return writtenCharacter(expression.set)
      case 'sequence':
        return sequence(...expression.parts.map(part => this.piece(part)))
      case 'choice':
        return choice(expression.options.filter(isPossible).map(option => this.piece(option)))
      case 'repeat': {
        const { item, count } = expression
        if (!isPossible(item) || count.max === 0) return nothing
        if (!mayBeEmpty(item)) return this.rules.repeat('pattern', this.piece(item), count.min, count.max)
        // llama.cpp does not end where what may be empty is repeated
        const whole = this.#nonEmpty.of(item)
        return whole === undefined ? nothing : this.rules.repeat('pattern', this.piece(whole), 0, count.max)
      }
    }
  }
}

export function isPossible(expression: Expression): boolean {
  return lengths(expression).min < Infinity
}
