import { literal, nothing, type Piece, sequence } from '../grammar/pieces.js'
import { Problem, pathTo } from '../problem.js'
import { comma } from './json-text.js'
import type { Compiler } from './objects.js'
import type { Conjunction, Shape } from './shape.js'

/** Arrays, whose first items may have schemas of their own. */
export function arrayPiece(compiler: Compiler, { path, items }: Shape, hint: string): Piece {
  const { rules } = compiler
  const {
    first,
    rest,
    count: { min },
  } = items
  // an array ends where no item is possible any more, and where its first items do, unless it has to be longer
  const end = first.findIndex(nodes => !compiler.isPossible(nodes))
  const closes =
    end !== -1 || (rest === undefined ? first.length > 0 && min <= first.length : !compiler.isPossible(rest))
  const max = Math.min(items.count.max, closes ? (end === -1 ? first.length : end) : Infinity)
  if (min > max) throw new Problem(pathTo(path, 'minItems'), `asks for ${min} items, and ${max} are possible`)
  if (max === 0) return literal('[]')

  const item = (nodes: Conjunction, at: string) => rules.rule(`${hint}-${at}`, compiler.value(nodes, `${hint}-${at}`))
  const single = Math.min(first.length, max)
  let piece = nothing
  if (max > first.length) {
    const further = item(rest ?? [], 'item')
    // of those after the first ones; the very first item of all has no comma in front
    const taken = Math.max(first.length, 1)
    piece = rules.repeat(`${hint}-items`, sequence(comma(rules), further), Math.max(0, min - taken), max - taken)
    if (first.length === 0) piece = sequence(further, piece)
  }
  for (let i = single - 1; i >= 0; i--) {
    const begin = i === 0 ? nothing : comma(rules)
    piece = sequence(begin, item(first[i]!, `item-${i}`), piece)
    if (i > 0 && i >= min) piece = rules.optional(`${hint}-items`, piece)
  }
  return sequence(literal('['), min === 0 ? rules.optional(`${hint}-items`, piece) : piece, literal(']'))
}
