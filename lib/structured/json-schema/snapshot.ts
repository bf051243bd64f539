import { reasonOf } from '../../util/reason-of.js'
import { Problem, pathTo } from '../problem.js'

export type Json = null | boolean | number | string | Json[] | JsonObject
/** Without a prototype, so that `__proto__` is a key like any other. */
export interface JsonObject {
  [key: string]: Json
}

/** How much a copy may hold: values, levels of nesting, characters. */
export interface SnapshotLimits {
  values: number
  depth: number
  text: number
}

const schemaLimits: SnapshotLimits = { values: 20_000, depth: 100, text: 1_000_000 }
/** Of what a tool is called with: there may be a file in it. */
const dataLimits: SnapshotLimits = { values: 1_000_000, depth: 100, text: 64_000_000 }

/**
 * A copy of a schema that is plain JSON. So each value of the caller's object is read once, and getters and proxies
 * cannot change it later. `undefined` in an object counts as absent.
 *
 * @throws {Problem} for what JSON cannot hold, for getters, for objects that contain themselves, for proxies that
 * throw, and for more than the limits: of schemas 20,000 values, 100 levels and a million characters
 */
export function snapshot(value: unknown, limits: SnapshotLimits = schemaLimits): Json {
  try {
    return new Copier(limits).copy(value, '')
  } catch (error) {
    throw error instanceof Problem ? error : new Problem('', `cannot be read: ${reasonOf(error)}`)
  }
}

/**
 * The same as ordinary objects, for what is given back to callers. `schema`: held to the limits of schemas.
 *
 * @throws {Error} where `snapshot` throws
 */
export function plainJson(value: unknown, schema = false): unknown {
  try {
    return JSON.parse(JSON.stringify(snapshot(value, schema ? schemaLimits : dataLimits)))
  } catch (error) {
    throw error instanceof Problem
      ? new Error(`${error.where === '' ? 'it' : `'${error.where}'`} ${error.message}`)
      : error
  }
}

class Copier {
  readonly #containers = new Set<object>()
  readonly #limits: SnapshotLimits
  #values = 0
  #text = 0

  constructor(limits: SnapshotLimits) {
    this.#limits = limits
  }

  copy(value: unknown, path: string): Json {
    if (++this.#values > this.#limits.values) throw new Problem('', `has more than ${this.#limits.values} values`)
    if (typeof value === 'string') this.#countText(value)
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (typeof value !== 'object')
      throw new Problem(
        path,
        `must be JSON, got ${typeof value === 'number' ? value : `a value of type ${typeof value}`}`,
      )
    if (this.#containers.has(value))
      throw new Problem(path, 'is an object that contains itself; a schema does so by $ref')
    if (this.#containers.size >= this.#limits.depth)
      throw new Problem(path, `is nested more than ${this.#limits.depth} deep`)
    this.#containers.add(value)
    const copy = Array.isArray(value) ? this.#copyArray(value, path) : this.#copyObject(value, path)
    this.#containers.delete(value)
    return copy
  }

  #copyArray(array: readonly unknown[], path: string): Json[] {
    if (array.length > this.#limits.values) throw new Problem('', `has more than ${this.#limits.values} values`)
    return Array.from({ length: array.length }, (_, i) => this.copy(read(array, i, path), pathTo(path, i)))
  }

  #copyObject(object: object, path: string): JsonObject {
    const prototype = Object.getPrototypeOf(object)
    // Object.prototype of whichever realm: a test runner's differs from that of its tests
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw new Problem(
        path,
        "must be a plain object; a schema library's own objects have to be converted to JSON Schema first",
      )
    }
    const copy: JsonObject = Object.create(null)
    for (const key of Object.keys(object)) {
      this.#countText(key)
      const value = read(object, key, path)
      if (value !== undefined) copy[key] = this.copy(value, pathTo(path, key))
    }
    return copy
  }

  #countText(text: string): void {
    this.#text += text.length
    if (this.#text > this.#limits.text) throw new Problem('', `has more than ${this.#limits.text} characters`)
  }
}

function read(object: object, key: string | number, path: string): unknown {
  const property = Object.getOwnPropertyDescriptor(object, key)
  if (property?.get !== undefined || property?.set !== undefined)
    throw new Problem(pathTo(path, key), 'is a getter; a plain value is needed')
  return property?.value
}
