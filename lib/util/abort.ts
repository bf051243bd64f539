import { StreamingLLMError } from '../errors.js'
import { reasonOf } from './reason-of.js'

/** Who waits for a signal. One listener serves all of them, since Node warns of more than ten. */
interface Watch {
  readonly acts: Set<() => void>
  readonly listener: () => void
}

const watches = new WeakMap<AbortSignal, Watch>()

/**
 * Does something once a signal fires, at once if it has; returns what forgets about it. Any number may wait for one
 * signal.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    act()
    return () => {}
  }
  const { acts } = watches.get(signal) ?? watch(signal)
  const own = () => act() // another one each time, should two wait with the same
  acts.add(own)
  return () => {
    if (acts.delete(own) && acts.size === 0) unwatch(signal)
  }
}

function watch(signal: AbortSignal): Watch {
  const acts = new Set<() => void>()
  const listener = () => {
    unwatch(signal)
    const errors: unknown[] = []
    // Whoever has been told to forget about it meanwhile is not in the set any more.
    for (const act of acts) {
      try {
        act()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
  const made = { acts, listener }
  try {
    signal.addEventListener('abort', listener, { once: true })
  } catch (cause) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `'signal' must be an AbortSignal, and this one cannot be listened to: ${reasonOf(cause)}`,
      { cause, details: { option: 'signal', expected: 'an AbortSignal' } },
    )
  }
  watches.set(signal, made)
  return made
}

function unwatch(signal: AbortSignal): void {
  const { listener } = watches.get(signal) ?? {}
  watches.delete(signal)
  if (listener === undefined) return
  try {
    signal.removeEventListener('abort', listener)
  } catch {
    // Nobody waits with it any more.
  }
}

/**
 * A controller that also follows `outers`, with their reasons. Call `unlink` when done, so that long-lived ones keep no
 * trace of it, as they would of AbortSignal.any, which Node 20.0 does not have either.
 */
export function followingController(...outers: readonly (AbortSignal | undefined)[]): {
  controller: AbortController
  unlink: () => void
} {
  const controller = new AbortController()
  const unlinks: (() => void)[] = []
  const unlink = () => unlinks.forEach(each => each())
  try {
    for (const outer of outers) unlinks.push(onAbort(outer, () => controller.abort(outer!.reason)))
  } catch (error) {
    unlink()
    throw error
  }
  return { controller, unlink }
}

/** The promise, or a rejection with `signal.reason` if that fires first. Rejects at once on abort. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  return await new Promise((resolve, reject) => {
    let unlink = () => {}
    // First of all: where the signal cannot be listened to, the promise may still reject.
    promise.then(resolve, reject).finally(() => unlink())
    unlink = onAbort(signal, () => reject(signal.reason as Error))
  })
}

/** Says how to end what has begun, should a signal fire. */
export type WhenAborted = (end: () => void) => void

/**
 * Work that can be ended half-way. `begin` gets a function to say how. It is called once the signal is listened to, so
 * nothing has begun if listening fails. Rejects with `signal.reason` where that has fired before; later it is up to the
 * work.
 */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  begin: (whenAborted: WhenAborted) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal)
  let end = (): void => {}
  const unlink = onAbort(signal, () => end())
  try {
    return await begin(act => {
      end = act
    })
  } finally {
    unlink()
  }
}

/** By what the signal tells, and not by its own method, which signals of other makes may not have. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw signal.reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : signal.reason
}

/** Waits `ms` milliseconds; rejects with `signal.reason` where that fires before. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await abortable(
    signal,
    whenAborted =>
      new Promise<void>((resolve, reject) => {
        timer = setTimeout(resolve, ms)
        whenAborted(() => reject(signal!.reason as Error))
      }),
  ).finally(() => clearTimeout(timer))
}
