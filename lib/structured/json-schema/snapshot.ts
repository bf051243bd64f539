import { pathTo, Problem } from '../problem.js'

export type Json = null | boolean | number | string | Json[] | JsonObject
/** Without a prototype, so that `__proto__` is a key like any other. */
export interface JsonObject { [key: string]: Json }

const mostValues = 20_000
const mostDepth = 100
const mostText = 1_000_000

/**
 * A copy of a schema that is JSON and nothing else, so that what follows reads each value once and need not guard
 * against what an object can do. `undefined` in an object counts as absent.
 *
 * @throws {Problem} for what JSON cannot hold, for getters, for objects that contain themselves, and for more than
 * 20,000 values, 100 levels or a million characters
 */
export function snapshot(value: unknown): Json {
  return new Copier().copy(value, '')
}

class Copier {
  readonly #containers = new Set<object>()
  #values = 0
  #text = 0

  copy(value: unknown, path: string): Json {
    if (++this.#values > mostValues) throw new Problem('', `has more than ${mostValues} values`)
    if (typeof value === 'string') this.#countText(value)
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (typeof value !== 'object') throw new Problem(path, `must be JSON, got ${typeof value === 'number' ? value : `a value of type ${typeof value}`}`)
    if (this.#containers.has(value)) throw new Problem(path, 'is an object that contains itself; a schema does so by $ref')
    if (this.#containers.size >= mostDepth) throw new Problem(path, `is nested more than ${mostDepth} deep`)
    this.#containers.add(value)
    const copy = Array.isArray(value) ? this.#copyArray(value, path) : this.#copyObject(value, path)
    this.#containers.delete(value)
    return copy
  }

  #copyArray(array: readonly unknown[], path: string): Json[] {
    if (array.length > mostValues) throw new Problem('', `has more than ${mostValues} values`)
    return Array.from({ length: array.length }, (_, i) => this.copy(read(array, i, path), pathTo(path, i)))
  }

  #copyObject(object: object, path: string): JsonObject {
    const prototype = Object.getPrototypeOf(object)
    // Object.prototype of whichever realm: a test runner's differs from that of its tests
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw new Problem(path, "must be a plain object; a schema library's own objects have to be converted to JSON Schema first")
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
    if (this.#text > mostText) throw new Problem('', `has more than ${mostText} characters`)
  }
}

function read(object: object, key: string | number, path: string): unknown {
  const property = Object.getOwnPropertyDescriptor(object, key)
  if (property?.get !== undefined || property?.set !== undefined) throw new Problem(pathTo(path, key), 'is a getter; a plain value is needed')
  return property?.value
}
