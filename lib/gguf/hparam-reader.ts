import { malformed } from './failures.js'
import { describe, type Entry, quoted, type RawHeader } from './header.js'

/**
 * The figures of an architecture: the keys that begin with its name. Throws `GGUF_MALFORMED` for one that is not as it
 * must be.
 */
export class HparamReader {
  constructor(
    readonly header: RawHeader,
    readonly architecture: string,
  ) {}

  entry(name: string): Entry | undefined {
    return this.header.entries.get(`${this.architecture}.${name}`)
  }

  /** Within 1 and `max`. */
  required(name: string, max: number): number {
    const value = this.optional(name)
    if (value === undefined)
      throw malformed(this.header.path, `it lacks "${this.architecture}.${name}"`, {
        key: `${this.architecture}.${name}`,
      })
    if (value === 0 || value > max) throw this.wrong(name, `a number from 1 to ${max} is needed`)
    return value
  }

  /** llama.cpp reads these as nothing but uint32. */
  optional(name: string): number | undefined {
    const entry = this.entry(name)
    if (entry === undefined) return undefined
    if (entry.type !== 'uint32') throw this.wrong(name, 'a uint32 is needed')
    return Number(entry.value)
  }

  /** A real number; undefined where there is none. */
  real(name: string): number | undefined {
    const entry = this.entry(name)
    return entry?.type === 'float32' ? Number(entry.value) : undefined
  }

  /** The numbers of an array, or one number that stands for so many; undefined where there is neither. */
  numbers(name: string, count: number): number[] | undefined {
    const entry = this.entry(name)
    if (entry === undefined || entry.type === 'string') return undefined
    if (entry.type === 'array') return entry.values?.map(Number)
    return Array.from({ length: count }, () => Number(entry.value))
  }

  /** One figure for all layers, or one for each. */
  perLayer(name: string, layers: number): number[] | undefined {
    const entry = this.entry(name)
    if (entry?.type !== 'array') {
      const value = this.optional(name)
      return value === undefined ? undefined : [value]
    }
    const integers = entry.elementType === 'uint32' || entry.elementType === 'int32'
    if (!integers || entry.length !== layers || entry.values === undefined) {
      throw this.wrong(name, `an array of ${layers} integers is needed, one for each layer`)
    }
    const values = entry.values.map(Number)
    if (values.some(value => value < 0)) throw this.wrong(name, 'no layer can have less than 0')
    return values
  }

  wrong(name: string, need: string) {
    const key = `${this.architecture}.${name}`
    const entry = this.entry(name)
    return malformed(
      this.header.path,
      `${quoted(key)} is ${entry === undefined ? 'missing' : describe(entry)}; ${need}`,
      { key },
    )
  }
}
