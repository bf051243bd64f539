import { setTimeout as delay } from 'node:timers/promises'

/** Does something once a signal fires, at once if it has; returns what forgets about it. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted === true) act()
  else signal?.addEventListener('abort', act, { once: true })
  return () => signal?.removeEventListener('abort', act)
}

/**
 * A controller that also follows `outers`, with their reasons. Call `unlink` when done, so that long-lived ones keep no trace of
 * it, as they would of AbortSignal.any, which Node 20.0 does not have either.
 */
export function followingController(...outers: readonly (AbortSignal | undefined)[]): { controller: AbortController; unlink: () => void } {
  const controller = new AbortController()
  const unlinks = outers.map(outer => onAbort(outer, () => controller.abort(outer!.reason)))
  return { controller, unlink: () => unlinks.forEach(unlink => unlink()) }
}

/** The promise, or a rejection with `signal.reason` where that fires before it has settled: who has aborted waits for nobody. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  return await new Promise((resolve, reject) => {
    const unlink = onAbort(signal, () => reject(signal.reason as Error))
    promise.then(resolve, reject).finally(unlink)
  })
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
