import type { Entry, Scalar } from './header.js'

/**
 * A value of a GGUF file's metadata. Whole numbers beyond 2^53 are bigints. Large arrays are shortened: `arrayLength`
 * is their length. `values` holds the numbers of an array of at most 1,024, and none of a longer one. Of a list of
 * texts it holds the first 8, or those before one of more than 256 bytes. Of a text of more than 4 MiB only the length
 * in bytes is there.
 */
export type MetadataValue =
  | Scalar
  | string
  | { arrayLength: number; values?: readonly (Scalar | string)[] }
  | { byteLength: number }

export type Metadata = ReadonlyMap<string, MetadataValue>

export function metadataValue(entry: Entry): MetadataValue {
  if (entry.type === 'array') {
    const values = entry.values ?? entry.firstStrings
    return { arrayLength: entry.length, ...(values === undefined ? {} : { values }) }
  }
  if (entry.type === 'string') return entry.value ?? { byteLength: entry.byteLength }
  return entry.value
}

/** How many elements an array has; 0 where there is no such array. */
export function arrayLength(metadata: Metadata, key: string): number {
  const value = metadata.get(key)
  return typeof value === 'object' && 'arrayLength' in value ? value.arrayLength : 0
}

/** The figures of one architecture in a model's metadata: the keys that begin with its name. */
export class ArchitectureHparams {
  constructor(
    readonly architecture: string,
    readonly metadata: Metadata,
  ) {}

  /** A number; undefined where it is missing, or an array. */
  number(name: string): number | undefined {
    const value = this.#value(name)
    return typeof value === 'number' ? value : undefined
  }

  /** A figure for each of so many layers: a number counts for all of them. Undefined where it is missing. */
  perLayer(name: string, layers: number): number[] | undefined {
    const value = this.#value(name)
    if (typeof value === 'number') return Array.from({ length: layers }, () => value)
    const values = this.array(name)
    return values === undefined ? undefined : Array.from({ length: layers }, (_, layer) => values[layer] ?? 0)
  }

  /** The numbers of an array, true as 1. Undefined for anything else. */
  array(name: string): number[] | undefined {
    const value = this.#value(name)
    return typeof value === 'object' && 'arrayLength' in value && value.values !== undefined
      ? value.values.map(Number)
      : undefined
  }

  #value(name: string): MetadataValue | undefined {
    return this.metadata.get(`${this.architecture}.${name}`)
  }
}
