import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StreamingLLMError } from '../../lib/errors.js'
import { isObject, parseJson } from '../../lib/util/json.js'
import { writeWhole } from '../report/files.js'
import type { CaseOutcome } from './case.js'

/** What became of one case. */
export interface CaseResult {
  /** What runs this case alone in the same way. */
  command: string
  /** When it began. */
  date: string
  seconds: number
  /** How many cores other programs kept busy just before it began. */
  busyCores: number
  outcome?: CaseOutcome
  /** Why there is no outcome. */
  failure?: string
}

/** What results.json holds: the machine, and each case's last result. */
export interface Results {
  /** Names and values. */
  facts: [string, string][]
  cases: Record<string, CaseResult>
}

/**
 * The results that a folder has from earlier runs of other cases on the same machine in the same way; without them
 * where there are none. Results of another kind may have taken an hour: they are not replaced.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export async function earlierResults(folder: string, facts: Results['facts']): Promise<Results> {
  const file = join(folder, 'results.json')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw refuse(folder, error.message)
  })
  if (text === undefined) return { facts, cases: {} }
  const found = parseJson(text)?.value
  if (!isResults(found)) throw refuse(folder, `${file} holds something else`)
  const other = facts.find(([name, value]) => new Map(found.facts).get(name) !== value)
  if (other !== undefined)
    throw refuse(
      folder,
      `its results are of another kind: ${other[0]} there is "${new Map(found.facts).get(other[0]) ?? 'not told'}", and here "${other[1]}"`,
    )
  return { facts, cases: found.cases }
}

function refuse(folder: string, why: string): StreamingLLMError {
  return new StreamingLLMError(
    'INVALID_OPTION',
    `--out: the results in ${folder} would be lost, since ${why}. Name another folder, or remove results.json from this one.`,
    { details: { folder } },
  )
}

function isResults(value: unknown): value is Results {
  return (
    isObject(value) &&
    Array.isArray(value['facts']) &&
    value['facts'].every(fact => Array.isArray(fact) && fact.length === 2) &&
    isObject(value['cases'])
  )
}

export async function writeResults(folder: string, results: Results): Promise<void> {
  await writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 1)}\n`)
}
