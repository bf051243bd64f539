import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
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
 * where there are none.
 */
export async function earlierResults(folder: string, facts: Results['facts'], say: (line: string) => void = () => {}): Promise<Results> {
  try {
    const found = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as Results
    if (JSON.stringify(found.facts) === JSON.stringify(facts)) return found
    say('The results in the folder are of another machine, version or way to run; they are replaced')
  } catch {
    // There are none, or they cannot be read: they are made anew.
  }
  return { facts, cases: {} }
}

export async function writeResults(folder: string, results: Results): Promise<void> {
  await writeWhole(join(folder, 'results.json'), `${JSON.stringify(results, null, 1)}\n`)
}
