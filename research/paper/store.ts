import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from '../report/files.js'
import type { Plain } from './experiment.js'
import { sha256 } from './sources.js'

export type CellKey = { [name: string]: Plain }

export interface StoredCell {
  key: CellKey
  value: Plain
  /** How long measuring it took, in seconds. */
  seconds: number
  /** When it was finished, in ISO 8601. */
  finished: string
}

/** The same for the same key, whatever the order of its names. */
export function hashOfKey(key: CellKey): string {
  return sha256(JSON.stringify(sorted(key))).slice(0, 24)
}

function sorted(value: Plain): Plain {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(name => [name, sorted(value[name] as Plain)]),
  )
}

/** Finished cells, one JSON file each, so that a run that was interrupted goes on where it was. */
export class CellStore {
  readonly #folder: string
  readonly #cells = new Map<string, StoredCell>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Reads what is there. A file that cannot be read counts as absent. `fresh`: begins with nothing. */
  static async open(folder: string, { fresh = false } = {}): Promise<CellStore> {
    const store = new CellStore(folder)
    if (fresh) await rm(folder, { recursive: true, force: true })
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.endsWith('.json')) continue
      try {
        const cell = JSON.parse(await readFile(join(folder, name), 'utf8')) as StoredCell
        if (hashOfKey(cell.key) === name.slice(0, -'.json'.length) && cell.value !== undefined)
          store.#cells.set(hashOfKey(cell.key), cell)
      } catch {
        // Not ours or spoilt: the cell is measured again.
      }
    }
    return store
  }

  get(key: CellKey): StoredCell | undefined {
    return this.#cells.get(hashOfKey(key))
  }

  /** When the first and the last of these cells were finished, in ISO 8601. */
  period(keys: CellKey[]): [first: string, last: string] | undefined {
    const times = keys.flatMap(key => this.get(key)?.finished ?? []).sort()
    return times.length === 0 ? undefined : [times[0]!, times.at(-1)!]
  }

  async put(key: CellKey, value: Plain, seconds: number): Promise<void> {
    const cell = { key, value, seconds, finished: new Date().toISOString() }
    await writeWhole(join(this.#folder, `${hashOfKey(key)}.json`), `${JSON.stringify(cell)}\n`)
    this.#cells.set(hashOfKey(key), cell)
  }
}
