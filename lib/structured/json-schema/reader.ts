import { list, nearest } from '../../options/check.js'
import { Problem, pathTo } from '../problem.js'
import { type Bounds, intersectBounds, isEmpty } from './bounds.js'
import { formats } from './formats.js'
import type { Node } from './node.js'
import {
  anyShape,
  type Conjunction,
  type Count,
  canonical,
  intersectValues,
  type Kind,
  kinds,
  narrow,
  type Shape,
} from './shape.js'
import type { Json, JsonObject } from './snapshot.js'

/** They say nothing of what is valid, or, as `$defs`, nothing until they are referred to. */
const ignored = new Set([
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$schema',
  '$id',
  'id',
  '$comment',
  '$defs',
  'definitions',
])

type Keyword = (read: Reading, value: Json, path: string) => void

/** What a keyword's reader adds to: the node, its shape, and the rest of the schema. */
interface Reading {
  node: Node
  shape: Shape
  object: JsonObject
  /** A library wrote the schema. */
  ofLibrary: boolean
  child(value: Json, path: string): Node
}

const keywords = new Map<string, Keyword>([
  ['type', readType],
  ['enum', (read, value, path) => addValues(read, nonEmptyArray(value, path))],
  ['const', (read, value) => addValues(read, [value])],
  ['minimum', (read, value, path) => addBounds(read, { low: { value: number(value, path), open: false } })],
  ['exclusiveMinimum', (read, value, path) => addBounds(read, { low: { value: number(value, path), open: true } })],
  ['maximum', (read, value, path) => addBounds(read, { high: { value: number(value, path), open: false } })],
  ['exclusiveMaximum', (read, value, path) => addBounds(read, { high: { value: number(value, path), open: true } })],
  [
    'multipleOf',
    (read, value, path) => {
      if (value !== 1) throw new Problem(path, 'is supported as 1 only, which asks for integers')
      read.shape.whole = true
    },
  ],
  [
    'minLength',
    (read, value, path) => {
      read.shape.length = { ...read.shape.length, min: count(value, path) }
    },
  ],
  [
    'maxLength',
    (read, value, path) => {
      read.shape.length = { ...read.shape.length, max: count(value, path) }
    },
  ],
  [
    'pattern',
    (read, value, path) => {
      read.shape.pattern = { source: string(value, path), path, ofLibrary: read.ofLibrary }
    },
  ],
  [
    'format',
    (read, value, path) => {
      const name = string(value, path)
      if (!formats.has(name) && isNameOfPattern(read)) return
      if (!formats.has(name))
        throw new Problem(path, `'${name}' is not supported; the known ones are ${list([...formats.keys()], 'and')}`)
      read.shape.format = { name, path }
    },
  ],
  [
    'contentEncoding',
    (read, _, path) => {
      if (!isNameOfPattern(read)) throw new Problem(path, 'is not supported')
    },
  ],
  [
    'items',
    (read, value, path) => {
      // before draft 2020-12, an array here was what prefixItems is now
      if (Array.isArray(value)) addFirstItems(read, value, path)
      else read.shape.items = { ...read.shape.items, rest: [read.child(value, path)] }
    },
  ],
  [
    'additionalItems',
    (read, value, path) => {
      if (!Array.isArray(read.object.items)) throw new Problem(path, "needs an array as 'items'")
      read.shape.items = { ...read.shape.items, rest: [read.child(value, path)] }
    },
  ],
  [
    'prefixItems',
    (read, value, path) => {
      if (Array.isArray(read.object.items)) throw new Problem(path, "cannot stand beside an array as 'items'")
      addFirstItems(read, nonEmptyArray(value, path), path)
    },
  ],
  ['minItems', (read, value, path) => addItemCount(read, { min: count(value, path) })],
  ['maxItems', (read, value, path) => addItemCount(read, { max: count(value, path) })],
  [
    'uniqueItems',
    (_, value, path) => {
      if (value !== false) throw new Problem(path, 'is not supported')
    },
  ],
  [
    'properties',
    (read, value, path) => {
      const named = Object.entries(object(value, path)).map(([name, schema]): [string, Conjunction] => [
        name,
        [read.child(schema, pathTo(path, name))],
      ])
      read.shape.properties = { ...read.shape.properties, named: new Map(named) }
    },
  ],
  [
    'required',
    (read, value, path) => {
      const required = new Set(array(value, path).map((name, i) => string(name, pathTo(path, i))))
      read.shape.properties = { ...read.shape.properties, required }
    },
  ],
  [
    'additionalProperties',
    (read, value, path) => {
      read.shape.properties = { ...read.shape.properties, others: [read.child(value, path)] }
    },
  ],
  [
    'propertyNames',
    (read, value, path) => {
      read.shape.properties = { ...read.shape.properties, names: [read.child(value, path)] }
    },
  ],
  ['minProperties', (read, value, path) => addPropertyCount(read, { min: count(value, path) })],
  ['maxProperties', (read, value, path) => addPropertyCount(read, { max: count(value, path) })],
  [
    '$ref',
    (read, value, path) => {
      read.node.reference = string(value, path)
    },
  ],
  [
    'allOf',
    (read, value, path) => {
      read.node.allOf = children(read, value, path)
    },
  ],
  [
    'anyOf',
    (read, value, path) => {
      read.node.anyOf = children(read, value, path)
    },
  ],
  [
    'oneOf',
    (read, value, path) => {
      read.node.oneOf = children(read, value, path)
    },
  ],
])

/** The schemas of a snapshot. Those that only `$ref` leads to are read when it does. */
export class SchemaReader {
  readonly #nodes = new Map<Json, Node>()
  #count = 0

  constructor(
    readonly whole: Json,
    readonly ofLibrary: boolean,
  ) {}

  /** The schema that a `$ref` names; `path` is where the `$ref` is. */
  resolve(reference: string, path: string): Node {
    if (reference === '#') return this.read(this.whole, '')
    const [, container, pointer] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(reference) ?? []
    if (container === undefined)
      throw new Problem(path, `'${reference}' is not supported; '#', '#/$defs/...' and '#/definitions/...' are`)
    const name = unescaped(pointer!, path)
    const definitions = (this.whole as JsonObject)[container]
    if (!isObject(definitions) || !(name in definitions))
      throw new Problem(path, `refers to '${reference}', which is not there`)
    return this.read(definitions[name]!, pathTo(container, name))
  }

  read(value: Json, path: string): Node {
    const known = this.#nodes.get(value)
    if (known !== undefined) return known
    const node: Node = { id: this.#count++, path, own: anyShape(path), allOf: [] }
    // true and false are no objects of their own
    if (isObject(value)) this.#nodes.set(value, node)
    if (value === false) node.own = undefined
    else if (value !== true) this.#readKeywords(node, object(value, path, 'a schema: an object, true or false'))
    return node
  }

  #readKeywords(node: Node, object: JsonObject): void {
    const read: Reading = {
      node,
      shape: node.own!,
      object,
      ofLibrary: this.ofLibrary,
      child: (value, path) => this.read(value, path),
    }
    for (const [name, value] of Object.entries(object)) {
      if (ignored.has(name)) continue
      const path = pathTo(node.path, name)
      const keyword = keywords.get(name)
      if (keyword === undefined) throw unknown(name, path)
      keyword(read, value, path)
    }
    contradictions(read.shape, node.path)
  }
}

/** Whether what a library says of a string besides is a name for its pattern, or for one of several. */
function isNameOfPattern({ ofLibrary, object: { pattern, allOf } }: Reading): boolean {
  return (
    ofLibrary &&
    (pattern !== undefined ||
      (Array.isArray(allOf) && allOf.some(each => isObject(each) && each.pattern !== undefined)))
  )
}

function readType(read: Reading, value: Json, path: string): void {
  const names = Array.isArray(value) ? nonEmptyArray(value, path) : [value]
  const found = new Set<Kind>()
  for (const name of names) {
    if (name === 'integer') found.add('number')
    else if (kinds.includes(name as Kind)) found.add(name as Kind)
    else throw new Problem(path, `must be ${list([...kinds, 'integer'], 'or')}, or an array of these`)
  }
  read.shape.kinds = found
  if (names.includes('integer') && !names.includes('number')) read.shape.whole = true
}

function addValues({ shape }: Reading, values: readonly Json[]): void {
  const known = new Set<string>()
  const distinct = values.filter(value => !known.has(canonical(value)) && known.add(canonical(value)))
  shape.values = intersectValues(shape.values, distinct)
}

function addBounds({ shape }: Reading, bounds: Bounds): void {
  shape.bounds = intersectBounds(shape.bounds, bounds)
}

function addItemCount({ shape }: Reading, limit: Partial<Count>): void {
  shape.items = { ...shape.items, count: { ...shape.items.count, ...limit } }
}

function addPropertyCount({ shape }: Reading, limit: Partial<Count>): void {
  shape.properties = { ...shape.properties, count: { ...shape.properties.count, ...limit } }
}

function addFirstItems({ shape, child }: Reading, value: readonly Json[], path: string): void {
  shape.items = { ...shape.items, first: value.map((schema, i) => [child(schema, pathTo(path, i))]) }
}

function children({ child }: Reading, value: Json, path: string): Node[] {
  return nonEmptyArray(value, path).map((schema, i) => child(schema, pathTo(path, i)))
}

/** Throws where a schema by itself leaves nothing, which can only be a mistake. */
function contradictions(shape: Shape, path: string): void {
  const { bounds, length, items, properties } = shape
  const pairs: [boolean, string][] = [
    [isEmpty(bounds), 'the least number is not below the greatest'],
    [length.min > length.max, 'minLength is above maxLength'],
    [items.count.min > items.count.max, 'minItems is above maxItems'],
    [properties.count.min > properties.count.max, 'minProperties is above maxProperties'],
    [properties.required.size > properties.count.max, 'required names more properties than maxProperties allows'],
  ]
  for (const [contradicts, message] of pairs) if (contradicts) throw new Problem(path, `allows no value: ${message}`)
  if (narrow(shape) === undefined)
    throw new Problem(path, 'allows no value: none of enum or const fulfils the other keywords')
}

function unknown(name: string, path: string): Problem {
  const suggestions = nearest(name, [...keywords.keys()]).filter(each => each !== name)
  const help =
    suggestions.length === 0
      ? ''
      : `; did you mean ${list(
          suggestions.map(each => `'${each}'`),
          'or',
        )}?`
  return new Problem(path, `is not supported${help}`)
}

function unescaped(pointer: string, path: string): string {
  try {
    return decodeURIComponent(pointer).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    throw new Problem(path, 'is no URI')
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function object(value: Json, path: string, expected = 'an object'): JsonObject {
  if (!isObject(value)) throw new Problem(path, `must be ${expected}`)
  return value
}

function array(value: Json, path: string): Json[] {
  if (!Array.isArray(value)) throw new Problem(path, 'must be an array')
  return value
}

function nonEmptyArray(value: Json, path: string): Json[] {
  if (!Array.isArray(value) || value.length === 0) throw new Problem(path, 'must be an array that is not empty')
  return value
}

function string(value: Json, path: string): string {
  if (typeof value !== 'string') throw new Problem(path, 'must be a string')
  return value
}

function number(value: Json, path: string): number {
  if (typeof value !== 'number') throw new Problem(path, 'must be a number')
  return value
}

function count(value: Json, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Problem(path, 'must be an integer from 0')
  return value
}
