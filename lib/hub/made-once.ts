import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { throwIfAborted } from '../util/abort.js'
import { withFileLock } from './file-lock.js'

/**
 * A file or a folder of a cache, made where it is not there: as a whole or not at all, and by one process for all.
 *
 * @param make makes it at another path, beside it, where nothing is; its signal also fires where the lock is lost
 * @returns the path
 */
export async function madeOnce(
  target: string,
  make: (unfinished: string, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<string> {
  if (existsSync(target)) return target
  await withFileLock(`${target}.lock`, { signal }, async held => {
    if (existsSync(target)) return // another process made it meanwhile
    const unfinished = `${target}.unfinished`
    const remove = (): Promise<void> => rm(unfinished, { recursive: true, force: true })
    await remove() // only the holder of the lock works here, so it was left by a process that was killed
    try {
      await make(unfinished, held)
      throwIfAborted(held)
      await rename(unfinished, target)
    } catch (error) {
      // Where the lock was lost, what lies there is what its next holder makes.
      if (!held.aborted || signal?.aborted === true) await remove().catch(() => {})
      throw error
    }
  })
  return target
}
