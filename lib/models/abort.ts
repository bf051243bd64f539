import { setTimeout as delay } from 'node:timers/promises'

/** A controller that also follows `outer`. Call `unlink` when done, so that a long-lived `outer` keeps no trace of it. */
export function followingController(outer: AbortSignal | undefined): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController()
  if (!outer) return { controller, unlink: () => {} }
  const follow = () => controller.abort(outer.reason)
  if (outer.aborted) follow()
  else outer.addEventListener('abort', follow, { once: true })
  return { controller, unlink: () => outer.removeEventListener('abort', follow) }
}

/** Waits `ms` milliseconds; rejects with `signal.reason` itself, where Node would wrap it. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
