import type { CodePoints } from '../../grammar/code-points.js'
import type { Count } from '../shape.js'

/** A regular expression, without its anchors. */
export type Expression =
  | { kind: 'set'; set: CodePoints }
  | { kind: 'sequence'; parts: readonly Expression[] }
  | { kind: 'choice'; options: readonly Expression[] }
  | { kind: 'repeat'; item: Expression; count: Count }

/** One of the choices of a whole pattern, and the ends of the text that it has to be at. */
export interface Branch {
  expression: Expression
  atStart: boolean
  atEnd: boolean
}

export const emptyExpression: Expression = { kind: 'sequence', parts: [] }

export function mayBeEmpty(expression: Expression): boolean {
  switch (expression.kind) {
    case 'set':
      return false
    case 'sequence':
      return expression.parts.every(mayBeEmpty)
    case 'choice':
      return expression.options.some(mayBeEmpty)
    case 'repeat':
      return expression.count.min === 0 || mayBeEmpty(expression.item)
  }
}

/** How many code points the texts that match have; an expression that nothing matches has infinitely many at least. */
export function lengths(expression: Expression): Count {
  switch (expression.kind) {
    case 'set':
      return expression.set.length === 0 ? { min: Infinity, max: 0 } : { min: 1, max: 1 }
    case 'sequence': {
      const parts = expression.parts.map(lengths)
      if (parts.some(({ min }) => min === Infinity)) return { min: Infinity, max: 0 }
      return { min: sum(parts.map(({ min }) => min)), max: sum(parts.map(({ max }) => max)) }
    }
    case 'choice': {
      const options = expression.options.map(lengths)
      return {
        min: Math.min(...options.map(({ min }) => min)),
        max: Math.max(...options.map(({ max }) => max)),
      }
    }
    case 'repeat': {
      const { min, max } = expression.count
      const item = lengths(expression.item)
      if (item.min === Infinity) return min === 0 ? { min: 0, max: 0 } : item
      // zero times something infinite is nothing
      return { min: min * item.min, max: max === 0 || item.max === 0 ? 0 : max * item.max }
    }
  }
}

/** How often what a pattern repeats without limit may come: single characters, and anything longer. */
export interface RepetitionLimit {
  characters: number
  groups: number
}

/** The same expression, but that what is repeated without limit is limited, or repeated the least number of times. */
export function withLimit(expression: Expression, limit: RepetitionLimit): Expression {
  switch (expression.kind) {
    case 'set':
      return expression
    case 'sequence':
      return { kind: 'sequence', parts: expression.parts.map(part => withLimit(part, limit)) }
    case 'choice':
      return { kind: 'choice', options: expression.options.map(option => withLimit(option, limit)) }
    case 'repeat': {
      const {
        item,
        count: { min, max },
      } = expression
      const maxCount = Math.max(min, item.kind === 'set' ? limit.characters : limit.groups)
      return {
        kind: 'repeat',
        item: withLimit(item, limit),
        count: { min, max: max === Infinity ? maxCount : max },
      }
    }
  }
}

/** Remembers what was made of an expression, since the same part may stand in many places. */
export class NonEmpty {
  readonly #known = new Map<Expression, Expression | undefined>()

  /** The same expression without the empty text, or `undefined` where nothing else matches. */
  of(expression: Expression): Expression | undefined {
    if (!this.#known.has(expression)) this.#known.set(expression, this.#make(expression))
    return this.#known.get(expression)
  }

  #make(expression: Expression): Expression | undefined {
    if (!mayBeEmpty(expression)) return expression
    switch (expression.kind) {
      case 'set':
        return expression
      case 'choice':
        return choiceOf(expression.options.map(option => this.of(option)))
      case 'repeat': {
        const item = this.of(expression.item)
        const { min, max } = expression.count
        if (item === undefined || max === 0) return undefined
        return { kind: 'repeat', item, count: { min: mayBeEmpty(expression.item) ? 1 : Math.max(min, 1), max } }
      }
      // every part may be empty: the first one that is not, and then the rest as it was
      case 'sequence':
        return choiceOf(
          expression.parts.map((part, i) => {
            const first = this.of(part)
            return first === undefined
              ? undefined
              : { kind: 'sequence', parts: [first, ...expression.parts.slice(i + 1)] }
          }),
        )
    }
  }
}

function choiceOf(options: readonly (Expression | undefined)[]): Expression | undefined {
  const left = options.filter(option => option !== undefined)
  return left.length < 2 ? left[0] : { kind: 'choice', options: left }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
