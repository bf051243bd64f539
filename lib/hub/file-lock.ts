import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import lockfile from 'proper-lockfile'
import { followingController, sleep, throwIfAborted } from '../util/abort.js'

// A lock counts as left behind when its holder has not touched it for this long. The holder touches it every third of
// that, so its event loop may be blocked for 10 s. After a crash the next process waits 15 s at most.
const staleMs = 15_000
const touchMs = 5_000
const pollMs = 200

/**
 * Runs `action` while no other process that locks the same path runs its own; waits for as long as one does. The lock
 * may be lost half-way, for example when the machine slept and another process took over. Then the signal that `action`
 * got aborts, and `action` runs again once the lock is free.
 *
 * @param path the lock itself, made as a folder; its parent folders are made too
 * @param options.signal aborts waiting and working, with its reason
 * @param options.onWait called every 0.2 s while another process holds the lock
 */
export async function withFileLock<T>(
  path: string,
  options: { signal?: AbortSignal; onWait?: () => void | Promise<void> },
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true })
  for (;;) {
    const { controller, unlink } = followingController(options.signal)
    let lost = false
    try {
      const release = await acquire(path, options, error => {
        lost = true
        controller.abort(error)
      })
      try {
        return await action(controller.signal)
      } catch (error) {
        throwIfAborted(options.signal)
        if (!lost) throw error
      } finally {
        // A lock that was lost now belongs to another process. One that cannot be removed goes stale by itself.
        if (!lost) await release().catch(() => {})
      }
    } finally {
      unlink()
    }
  }
}

async function acquire(
  path: string,
  options: { signal?: AbortSignal; onWait?: () => void | Promise<void> },
  onCompromised: (error: Error) => void,
): Promise<() => Promise<void>> {
  for (;;) {
    throwIfAborted(options.signal)
    try {
      return await lockfile.lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: staleMs,
        update: touchMs,
        onCompromised,
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error
    }
    await options.onWait?.()
    await sleep(pollMs, options.signal)
  }
}
