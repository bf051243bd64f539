import { lstatSync, mkdtempSync, rmSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { isRunning, processSpace } from '../util/process-owner.js'

/**
 * A folder of its own for what a model puts away, in the folder for temporary files. What processes that were ended in
 * the middle of their work have left there goes before.
 */
export async function makeSwapFolder(parent = tmpdir()): Promise<string> {
  await removeOrphans(parent)
  try {
    return mkdtempSync(join(parent, `streaming-llm-swap-${process.pid}-${processSpace()}-`))
  } catch (cause) {
    throw new StreamingLLMError(
      'MODEL_LOAD_FAILED',
      `'swap' is 'disk', and there can be no folder in ${parent}: ${(cause as Error).message}. Set TMPDIR to a folder that may be written to, or use 'memory'.`,
      { cause },
    )
  }
}

export function removeSwapFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {
    // What is left of it is for a later process, or the system, to tidy up.
  }
}

/**
 * Those of this user whose process is gone. Of a process that runs, even this one, nothing is touched: what a worker
 * has left that was terminated looks like what another worker uses. Several processes may do this at once.
 */
async function removeOrphans(parent: string): Promise<void> {
  const form = new RegExp(`^streaming-llm-swap-([1-9]\\d{0,9})-${processSpace()}-[0-9A-Za-z]{6}$`)
  for (const name of await readdir(parent).catch(() => [])) {
    const owner = Number(form.exec(name)?.[1])
    if (Number.isNaN(owner) || isRunning(owner)) continue
    const folder = join(parent, name)
    if (isOwnFolder(folder)) await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

function isOwnFolder(path: string): boolean {
  try {
    const found = lstatSync(path)
    return found.isDirectory() && (process.getuid === undefined || found.uid === process.getuid())
  } catch {
    return false // another process was first
  }
}
