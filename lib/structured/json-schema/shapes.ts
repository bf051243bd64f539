import { Problem, pathTo } from '../problem.js'
import { areDisjoint } from './disjoint.js'
import type { Node } from './node.js'
import type { SchemaReader } from './reader.js'
import { anyShape, type Conjunction, intersect, isAny, narrow, type Shape } from './shape.js'

const maxShapes = 200
/** Of shapes with shapes, most of which may come to nothing. */
const maxPairs = 4000
const maxReferences = 100
const maxComparisons = 1_000_000

/**
 * Rewrites schemas as a choice of shapes: `$ref` is followed, `allOf` and keywords beside the others are merged into
 * every choice. Combinations that nothing fulfils are left out, so that the choice may be empty.
 */
export class Shapes {
  readonly #known = new Map<string, readonly Shape[]>()
  readonly #ofNodes = new Map<Node, readonly Shape[]>()
  #comparisons = 0

  constructor(readonly reader: SchemaReader) {}

  /**
   * Schemas to be fulfilled together, each once, without those that ask for nothing, and what they refer to for those
   * that do nothing else.
   */
  conjunction(nodes: Conjunction): Conjunction {
    const targets = new Map(
      nodes
        .map(node => this.#target(node))
        .filter(node => !isBare(node))
        .map(node => [node.id, node]),
    )
    return [...targets.values()].sort((a, b) => a.id - b.id)
  }

  of(nodes: Conjunction): readonly Shape[] {
    const conjunction = this.conjunction(nodes)
    const key = conjunction.map(({ id }) => id).join()
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const [first, ...others] = conjunction
    let shapes = first === undefined ? [anyShape('')] : this.#ofNode(first, [])
    for (const node of others) shapes = this.#product(shapes, this.#ofNode(node, []), node)
    this.#known.set(key, shapes)
    return shapes
  }

  /** To be called for each two shapes that are compared, as properties of properties make many of few. */
  countComparison({ path }: Shape): void {
    if (++this.#comparisons > maxComparisons)
      throw new Problem(path, `would have to be compared with other branches more than ${maxComparisons} times`)
  }

  #ofNode(node: Node, within: readonly Node[]): readonly Shape[] {
    checkPath(node, within)
    const known = this.#ofNodes.get(node)
    if (known !== undefined) return known
    const shapes = this.#expand(node, within)
    this.#ofNodes.set(node, shapes)
    return shapes
  }

  #expand(node: Node, within: readonly Node[]): readonly Shape[] {
    const path = [...within, node]
    const own = node.own === undefined ? undefined : narrow(node.own)
    let shapes: readonly Shape[] = own === undefined ? [] : [own]
    if (node.reference !== undefined) shapes = this.#product(shapes, this.#ofNode(this.#lookUp(node), path), node)
    for (const child of node.allOf) shapes = this.#product(shapes, this.#ofNode(child, path), node)
    if (node.anyOf !== undefined)
      shapes = this.#product(
        shapes,
        node.anyOf.flatMap(child => this.#ofNode(child, path)),
        node,
      )
    if (node.oneOf !== undefined) {
      const branches = node.oneOf.map(child => this.#product(shapes, this.#ofNode(child, path), node))
      this.#checkDisjoint(branches, node)
      shapes = branches.flat()
    }
    return this.#limited(shapes, node)
  }

  #product(a: readonly Shape[], b: readonly Shape[], node: Node): readonly Shape[] {
    if (a.length * b.length > maxPairs) throw tooMany(node)
    return this.#limited(
      a.flatMap(one => b.map(other => intersect(one, other))).filter(shape => shape !== undefined),
      node,
    )
  }

  #limited(shapes: readonly Shape[], node: Node): readonly Shape[] {
    if (shapes.length > maxShapes) throw tooMany(node)
    return shapes
  }

  /** Nothing here can count how many branches a value fulfils, so it has to be impossible that it fulfils two. */
  #checkDisjoint(branches: readonly (readonly Shape[])[], node: Node): void {
    branches.forEach((branch, i) =>
      branches.slice(0, i).forEach((other, j) => {
        if (branch.every(a => other.every(b => areDisjoint(a, b, this)))) return
        throw new Problem(
          pathTo(node.path, 'oneOf'),
          `is supported where no value can fulfil two of the branches, by their type, enum or const, or by those of a property that both require; branches ${j} and ${i} are not so. Use anyOf, or add such a property`,
        )
      }),
    )
  }

  #target(node: Node): Node {
    const path: Node[] = []
    while (node.reference !== undefined && isBare(node)) {
      checkPath(node, path)
      path.push(node)
      node = this.#lookUp(node)
    }
    return node
  }

  #lookUp(node: Node): Node {
    return this.reader.resolve(node.reference!, pathTo(node.path, '$ref'))
  }
}

function checkPath(node: Node, within: readonly Node[]): void {
  if (within.includes(node)) throw new Problem(node.path, 'refers back to itself with no property or item in between')
  if (within.length > maxReferences)
    throw new Problem(node.path, `is reached by more than ${maxReferences} references or combinations in a row`)
}

/** Asks for nothing, but for what `$ref` may lead to. */
function isBare({ own, allOf, anyOf, oneOf }: Node): boolean {
  return own !== undefined && isAny(own) && allOf.length === 0 && anyOf === undefined && oneOf === undefined
}

function tooMany(node: Node): Problem {
  return new Problem(node.path, `has more than ${maxShapes} combinations of anyOf, oneOf and allOf`)
}
