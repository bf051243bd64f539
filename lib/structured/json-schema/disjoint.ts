import { type Conjunction, canonical, kindOf, type Properties, type Shape } from './shape.js'
import type { Shapes } from './shapes.js'
import type { Json } from './snapshot.js'

/** How far into properties of properties a difference is looked for. */
const maxDepth = 3

/** Whether it is certain that no value fulfils both shapes. False says only that it could not be shown. */
export function areDisjoint(a: Shape, b: Shape, shapes: Shapes, depth = maxDepth): boolean {
  shapes.countComparison(a)
  const common = [...a.kinds].filter(kind => b.kinds.has(kind))
  if (common.length === 0) return true
  if (a.values !== undefined && b.values !== undefined) return shareNone(a.values, b.values)
  if (a.values !== undefined || b.values !== undefined) {
    const { values, other } = a.values === undefined ? { values: b.values!, other: a } : { values: a.values, other: b }
    return values.every(value => !other.kinds.has(kindOf(value)))
  }
  if (common.length > 1 || common[0] !== 'object' || depth === 0) return false
  return [...a.properties.required, ...b.properties.required].some(name => {
    if (!a.properties.required.has(name)) return shapes.of(named(a.properties, name)).length === 0
    if (!b.properties.required.has(name)) return shapes.of(named(b.properties, name)).length === 0
    const others = shapes.of(named(b.properties, name))
    return shapes
      .of(named(a.properties, name))
      .every(one => others.every(other => areDisjoint(one, other, shapes, depth - 1)))
  })
}

function named({ named, others }: Properties, name: string): Conjunction {
  return named?.get(name) ?? others ?? []
}

function shareNone(a: readonly Json[], b: readonly Json[]): boolean {
  const known = new Set(b.map(canonical))
  return !a.some(value => known.has(canonical(value)))
}
