import { choice, type Piece, reference } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'
import { Problem } from '../problem.js'
import { anyValue, booleanPiece, nullPiece } from './any-value.js'
import { arrayPiece } from './arrays.js'
import { oneOfTexts } from './literals.js'
import { numberPiece } from './numbers.js'
import { type Compiler, objectPiece } from './objects.js'
import { type Conjunction, constrains, isAny, type Kind, kinds, type Shape } from './shape.js'
import type { Shapes } from './shapes.js'
import { stringPiece } from './strings.js'

/** Schemas within schemas, those counted that `$ref` leads to. */
const maxDepth = 200

/** Makes rules of schemas; one that has been made is referred to, which is how a schema can contain itself. */
export class SchemaCompiler implements Compiler {
  readonly #known = new Map<string, Piece>()
  /** The names of rules that are being made; empty until one is needed. */
  readonly #open = new Map<string, string>()

  constructor(
    readonly shapes: Shapes,
    readonly rules: GrammarRules,
  ) {}

  isPossible(nodes: Conjunction): boolean {
    return this.shapes.of(nodes).length > 0
  }

  choices(nodes: Conjunction): readonly Shape[] {
    return this.shapes.of(nodes)
  }

  value(nodes: Conjunction, hint: string): Piece {
    const conjunction = this.shapes.conjunction(nodes)
    const key = conjunction.map(({ id }) => id).join()
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const name = this.#open.get(key)
    if (name !== undefined) {
      if (name === '') this.#open.set(key, this.rules.reserve(hint))
      return reference(this.#open.get(key)!)
    }
    const path = conjunction[0]?.path ?? ''
    if (this.#open.size > maxDepth) throw new Problem(path, `is nested more than ${maxDepth} deep`)
    this.#open.set(key, '')
    const piece = this.#finish(key, hint, this.#choice(this.shapes.of(conjunction), hint, path))
    this.#known.set(key, piece)
    return piece
  }

  #finish(key: string, hint: string, piece: Piece): Piece {
    const name = this.#open.get(key)!
    this.#open.delete(key)
    if (name === '') return this.rules.rule(hint, piece)
    this.rules.define(name, piece)
    return reference(name)
  }

  #choice(shapes: readonly Shape[], hint: string, path: string): Piece {
    if (shapes.length === 0) throw new Problem(path, 'allows no value')
    return choice(
      shapes.flatMap(shape => {
        try {
          return this.#shape(shape, hint)
        } catch (error) {
          // what counts repetitions does not know whose they are
          throw error instanceof Problem && error.where === '' ? new Problem(shape.path, error.message) : error
        }
      }),
    )
  }

  #shape(shape: Shape, hint: string): Piece[] {
    if (shape.values !== undefined)
      return [
        oneOfTexts(
          this.rules,
          hint,
          shape.values.map(value => JSON.stringify(value)),
        ),
      ]
    if (isAny(shape)) return [anyValue(this.rules)]
    return kindsMeant(shape).map(kind => this.#kind(shape, kind, hint))
  }

  #kind(shape: Shape, kind: Kind, hint: string): Piece {
    switch (kind) {
      case 'null':
        return nullPiece
      case 'boolean':
        return booleanPiece
      case 'number': {
        const piece = numberPiece(this.rules, shape.bounds, shape.whole)
        if (piece === undefined)
          throw new Problem(shape.path, `allows no ${shape.whole ? 'integer' : 'number of at most 15 digits'}`)
        return piece
      }
      case 'string':
        return stringPiece(this.rules, shape)
      case 'array':
        return this.rules.rule(`${hint}-array`, arrayPiece(this, shape, hint))
      case 'object':
        return this.rules.rule(`${hint}-object`, objectPiece(this, shape, hint))
    }
  }
}

/** A schema without `type` means the kinds that its keywords speak of, though JSON Schema allows all others too. */
function kindsMeant(shape: Shape): readonly Kind[] {
  const spoken = kinds.filter(kind => constrains(shape, kind))
  return spoken.length > 0 && kinds.every(kind => shape.kinds.has(kind))
    ? spoken
    : kinds.filter(kind => shape.kinds.has(kind))
}
