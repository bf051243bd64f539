import { Problem, pathTo } from '../problem.js'
import { type Bounds, intersectBounds, isEmpty, isWithin } from './bounds.js'
import type { Node } from './node.js'
import type { Json } from './snapshot.js'

export const kinds = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const
export type Kind = (typeof kinds)[number]

/** Schemas that a value has to fulfil together. */
export type Conjunction = readonly Node[]

/** How many of something there may be; `max` may be infinite. */
export interface Count {
  min: number
  max: number
}

/**
 * What one schema asks for itself, with what it refers to or chooses between set aside. As in JSON Schema, what it says
 * of one kind of value says nothing of the others.
 */
export interface Shape {
  /** Of the schema, for messages; of those merged, the first. */
  path: string
  kinds: ReadonlySet<Kind>
  /** Numbers have to be integers. */
  whole: boolean
  /** The only values, of `enum` or `const`. */
  values?: readonly Json[]
  bounds: Bounds
  /** Of a string, in Unicode code points. */
  length: Count
  pattern?: { source: string; path: string; ofLibrary: boolean }
  format?: { name: string; path: string }
  items: Items
  properties: Properties
}

export interface Items {
  count: Count
  /** The first items, one schema each. */
  first: readonly Conjunction[]
  /** All items after these; anything where it is absent. */
  rest?: Conjunction
}

export interface Properties {
  count: Count
  /** Absent where the schema has no `properties`, not even an empty one. */
  named?: ReadonlyMap<string, Conjunction>
  required: ReadonlySet<string>
  /** All others; anything where it is absent. */
  others?: Conjunction
  /** What every name has to fulfil; anything where it is absent. */
  names?: Conjunction
}

const anyCount: Count = { min: 0, max: Infinity }

/** Every value. */
export function anyShape(path: string): Shape {
  return {
    path,
    kinds: new Set(kinds),
    whole: false,
    bounds: {},
    length: anyCount,
    items: { count: anyCount, first: [] },
    properties: { count: anyCount, required: new Set() },
  }
}

/** Whether a shape says anything about values of a kind, but that they are of it. */
export function constrains({ whole, bounds, length, pattern, format, items, properties }: Shape, kind: Kind): boolean {
  switch (kind) {
    case 'number':
      return whole || bounds.low !== undefined || bounds.high !== undefined
    case 'string':
      return pattern !== undefined || format !== undefined || isLimited(length)
    case 'array':
      return isLimited(items.count) || items.first.length > 0 || items.rest !== undefined
    case 'object':
      return (
        isLimited(properties.count) ||
        properties.named !== undefined ||
        properties.required.size > 0 ||
        properties.others !== undefined ||
        properties.names !== undefined
      )
    default:
      return false
  }
}

/** Whether a shape allows every value. */
export function isAny(shape: Shape): boolean {
  return shape.values === undefined && kinds.every(kind => shape.kinds.has(kind) && !constrains(shape, kind))
}

/** What fulfils both shapes, or `undefined` where nothing can. */
export function intersect(a: Shape, b: Shape): Shape | undefined {
  return narrow({
    path: a.path,
    kinds: new Set([...a.kinds].filter(kind => b.kinds.has(kind))),
    whole: a.whole || b.whole,
    values: intersectValues(a.values, b.values),
    bounds: intersectBounds(a.bounds, b.bounds),
    length: intersectCounts(a.length, b.length),
    pattern: onlyOne(a.pattern, b.pattern, ({ source }) => source),
    format: onlyOne(a.format, b.format, ({ name }) => name),
    items: intersectItems(a.items, b.items),
    properties: intersectProperties(a.properties, b.properties),
  })
}

/** A shape without the kinds and the values that it contradicts itself, or `undefined` where nothing is left. */
export function narrow(shape: Shape): Shape | undefined {
  const left = new Set(shape.kinds)
  if (isEmpty(shape.bounds)) left.delete('number')
  if (shape.length.min > shape.length.max) left.delete('string')
  if (shape.items.count.min > shape.items.count.max) left.delete('array')
  if (Math.max(shape.properties.count.min, shape.properties.required.size) > shape.properties.count.max)
    left.delete('object')
  const values = shape.values?.filter(value => left.has(kindOf(value)) && fits(value, shape))
  for (const kind of left) if (values !== undefined && !values.some(value => kindOf(value) === kind)) left.delete(kind)
  return left.size === 0 ? undefined : { ...shape, kinds: left, values }
}

export function kindOf(value: Json): Kind {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : (typeof value as Kind)
}

/** Equal values have equal texts: JSON Schema leaves the order of keys out of account. */
export function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  return `{${Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${canonical(value[key]!)}`)
    .join()}}`
}

/** Whether a value that is written out fulfils what else the shape says of its kind. */
function fits(value: Json, shape: Shape): boolean {
  if (typeof value === 'number') return isWithin(value, shape.bounds) && (!shape.whole || Number.isInteger(value))
  if (typeof value === 'string') {
    const other = shape.pattern ?? shape.format
    if (other !== undefined) throw new Problem(other.path, 'is not supported beside values that enum or const lists')
    const length = Array.from(value).length
    return shape.length.min <= length && length <= shape.length.max
  }
  if (constrains(shape, kindOf(value))) {
    throw new Problem(
      pathTo(shape.path, 'enum'),
      `lists an ${kindOf(value)} where other keywords speak of ${kindOf(value)}s too; it has to be without these`,
    )
  }
  return true
}

function isLimited({ min, max }: Count): boolean {
  return min > 0 || max < Infinity
}

function intersectCounts(a: Count, b: Count): Count {
  return { min: Math.max(a.min, b.min), max: Math.min(a.max, b.max) }
}

export function intersectValues(
  a: readonly Json[] | undefined,
  b: readonly Json[] | undefined,
): readonly Json[] | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const known = new Set(b.map(canonical))
  return a.filter(value => known.has(canonical(value)))
}

function onlyOne<T extends { path: string }>(
  a: T | undefined,
  b: T | undefined,
  key: (each: T) => string,
): T | undefined {
  if (a !== undefined && b !== undefined && key(a) !== key(b))
    throw new Problem(b.path, `is not supported together with ${a.path}`)
  return a ?? b
}

function intersectItems(a: Items, b: Items): Items {
  const first = Array.from({ length: Math.max(a.first.length, b.first.length) }, (_, i) => [
    ...(a.first[i] ?? a.rest ?? []),
    ...(b.first[i] ?? b.rest ?? []),
  ])
  return { count: intersectCounts(a.count, b.count), first, rest: both(a.rest, b.rest) }
}

function intersectProperties(a: Properties, b: Properties): Properties {
  const names = new Set([...(a.named?.keys() ?? []), ...(b.named?.keys() ?? [])])
  const of = ({ named, others }: Properties, name: string) => named?.get(name) ?? others ?? []
  return {
    count: intersectCounts(a.count, b.count),
    named:
      a.named === undefined && b.named === undefined
        ? undefined
        : new Map(Array.from(names, name => [name, [...of(a, name), ...of(b, name)]])),
    required: new Set([...a.required, ...b.required]),
    others: both(a.others, b.others),
    names: both(a.names, b.names),
  }
}

function both(a: Conjunction | undefined, b: Conjunction | undefined): Conjunction | undefined {
  return a === undefined || b === undefined ? (a ?? b) : [...a, ...b]
}
