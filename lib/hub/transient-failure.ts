import { StreamingLLMError } from '../errors.js'
import { sleep, throwIfAborted } from '../util/abort.js'

/** A failure that may pass by itself: no connection, a connection that broke, a server that is busy. */
export class TransientFailure extends Error {
  override readonly name = 'TransientFailure'
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, { cause: options.cause })
    this.retryAfterMs = options.retryAfterMs
  }
}

const maxPauseMs = 8_000
/** Whoever wants to be left alone for longer is not asked again. */
const maxObeyedMs = 30_000

/**
 * Tries until `operation` does anything but fail transiently. The last transient failure is thrown as it is.
 *
 * @param options.attempts how many failures in a row end it
 * @param options.backoffMs the first pause in milliseconds, doubled after each failure, up to 8 s
 * @param options.reached a measure that grows while there is progress; the count starts again whenever it has grown by
 * more than `options.progress`, by default at all
 */
export async function withRetries<T>(
  options: { attempts: number; backoffMs: number; signal?: AbortSignal; reached?: () => number; progress?: number },
  operation: () => Promise<T>,
): Promise<T> {
  let failures = 0
  let highest = options.reached?.() ?? 0
  for (;;) {
    throwIfAborted(options.signal)
    try {
      return await operation()
    } catch (error) {
      throwIfAborted(options.signal)
      if (!(error instanceof TransientFailure)) throw error
      const reached = options.reached?.() ?? 0
      const progresses = reached > highest + (options.progress ?? 0)
      failures = progresses ? 1 : failures + 1
      if (progresses) highest = reached
      const { retryAfterMs = 0 } = error
      if (retryAfterMs > maxObeyedMs)
        throw new TransientFailure(
          `${error.message} and wants to be asked again in ${Math.ceil(retryAfterMs / 1000)} s`,
          { cause: error },
        )
      if (failures >= options.attempts) throw error
      const backoff = Math.min(maxPauseMs, options.backoffMs * 2 ** (failures - 1))
      // The spread keeps many clients of one broken server from coming back all at once.
      const pause = Math.max(backoff * (0.75 + Math.random() / 2), retryAfterMs)
      await sleep(pause, options.signal)
    }
  }
}

/** What callers outside get for a failure that did not pass. Other errors come back unchanged. */
export function settleFailure(error: unknown, what: string): unknown {
  if (!(error instanceof TransientFailure)) return error
  return new StreamingLLMError('DOWNLOAD_FAILED', `${what} could not be downloaded: ${error.message}.`, {
    cause: error.cause ?? error,
  })
}

/** The innermost reason of a failed request; fetch itself only says "fetch failed". */
export function describeCause(error: unknown): string {
  // By shape, not by class: under a test runner fetch's errors belong to another realm.
  interface Failure {
    cause?: Failure
    errors?: Failure[]
    code?: unknown
    message?: string
  }
  let inner = error as Failure
  // Where a host has several addresses, there is an error for each.
  for (let next: Failure | undefined = inner; next; next = inner.cause ?? inner.errors?.[0]) inner = next
  const { code, message } = inner
  if (!message) return String(code ?? error)
  return typeof code === 'string' && !message.includes(code) ? `${message} (${code})` : message
}
