import { StreamingLLMError } from '../errors.js'
import { followingController, throwIfAborted } from '../util/abort.js'
import type { Hub } from './hub-settings.js'
import { describeCause, TransientFailure } from './transient-failure.js'

/** An answer whose body, if wanted, is read piece by piece. `close` must be called in any case. */
export interface Exchange {
  readonly status: number
  readonly headers: Headers
  /**
   * The next piece of the body, or undefined at its end. Throws TransientFailure when the connection breaks or stalls.
   */
  read(): Promise<Uint8Array | undefined>
  close(): void
}

interface Request {
  method: 'HEAD' | 'GET'
  headers?: Record<string, string>
  signal?: AbortSignal
  /** For the error messages: what is asked for. */
  what: string
  /** The repository, for the advice where access is refused. */
  repo: string
  /** Redirects to other hosts are followed; else such a redirect is the answer. */
  leaveHub: boolean
}

const maxRedirects = 10
/** Of a body that goes on, within the time in which it must not stall. */
const minBytes = 1024

/**
 * Asks the hub and follows redirects. The token goes to the hub's own origin only.
 *
 * @throws {TransientFailure} no connection, no headers in time, HTTP 408, 429, 5xx
 * @throws {StreamingLLMError} MODEL_NOT_FOUND for 404, DOWNLOAD_FAILED for other refusals
 */
export async function askHub(hub: Hub, address: string, request: Request): Promise<Exchange> {
  const hubOrigin = new URL(hub.endpoint).origin
  let url = new URL(address)
  const inherited = new Headers()
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const atHub = url.origin === hubOrigin
    const exchange = await send(hub, url, request, atHub)
    // Where a repository was renamed, only the first of several answers may name the commit.
    for (const name of ['x-repo-commit', 'x-linked-etag', 'x-linked-size']) {
      const value = exchange.headers.get(name)
      if (value !== null && atHub) inherited.set(name, value)
    }
    const next = redirectTarget(exchange, url)
    if (next && (request.leaveHub || next.origin === hubOrigin)) {
      exchange.close()
      url = next
      continue
    }
    try {
      if (!next) refuseBadStatus(exchange, url, atHub, hub, request)
    } catch (error) {
      exchange.close()
      throw error
    }
    const headers = new Headers(exchange.headers)
    inherited.forEach((value, name) => headers.set(name, value))
    return { ...exchange, headers }
  }
  throw new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `${request.what} could not be downloaded: ${address} leads through more than ${maxRedirects} redirects.`,
  )
}

async function send(hub: Hub, url: URL, request: Request, atHub: boolean): Promise<Exchange> {
  const { controller, unlink } = followingController(request.signal)
  const within = async <T>(ms: number, problem: string, promise: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => controller.abort(new TransientFailure(problem)), ms)
    try {
      return await promise
    } catch (error) {
      throwIfAborted(request.signal)
      // Which error an aborted request rejects with differs between versions of Node.
      if (controller.signal.reason instanceof TransientFailure) throw controller.signal.reason
      throw new TransientFailure(`${url.host}: ${describeCause(error)}`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }
  const close = () => {
    unlink()
    controller.abort()
  }
  try {
    const headers = new Headers({ 'user-agent': 'streaming-llm', 'accept-encoding': 'identity', ...request.headers })
    if (atHub && hub.token !== undefined) headers.set('authorization', `Bearer ${hub.token}`)
    const response = await within(
      hub.patience.headersMs,
      `${url.host} did not answer within ${hub.patience.headersMs / 1000} s`,
      fetch(url, { method: request.method, headers, redirect: 'manual', signal: controller.signal }),
    )
    const reader = response.body?.getReader()
    let waitedMs = 0
    let bytes = 0
    return {
      status: response.status,
      headers: response.headers,
      read: async () => {
        if (!reader) return undefined
        const { stallMs } = hub.patience
        const began = performance.now()
        const { value } = await within(stallMs, `${url.host} sent nothing for ${stallMs / 1000} s`, reader.read())
        // A server that sends byte by byte would never time out. Only the time spent waiting counts: the reader may be
        // slow.
        waitedMs += performance.now() - began
        bytes += value?.length ?? 0
        if (value !== undefined && waitedMs >= stallMs) {
          if (bytes < minBytes)
            throw new TransientFailure(`${url.host} sent no more than ${bytes} bytes in ${stallMs / 1000} s`)
          waitedMs = bytes = 0
        }
        return value
      },
      close: () => {
        // Aborting rejects a pending read, for which nothing waits any more.
        reader?.cancel().catch(() => {})
        close()
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function redirectTarget(exchange: Exchange, url: URL): URL | undefined {
  const location = exchange.headers.get('location')
  if (![301, 302, 303, 307, 308].includes(exchange.status) || location === null || !URL.canParse(location, url.href))
    return undefined
  const target = new URL(location, url)
  return target.protocol === 'https:' || target.protocol === 'http:' ? target : undefined
}

function refuseBadStatus(exchange: Exchange, url: URL, atHub: boolean, hub: Hub, request: Request): void {
  const { status } = exchange
  // 416 answers a range past the end of the file; the caller that asked for a range handles it.
  if ((status >= 200 && status < 300) || status === 416) return
  const details = { status, url: `${url.origin}${url.pathname}` }
  if (status === 408 || status === 429 || status >= 500) {
    throw new TransientFailure(`${url.host} answered HTTP ${status}`, {
      retryAfterMs: retryAfter(exchange.headers.get('retry-after')),
    })
  }
  if (status === 401 || status === 403) {
    // The storage behind the hub hands out addresses for a time; asking the hub again gives a new one.
    if (!atHub) throw new TransientFailure(`${url.host} answered HTTP ${status}`)
    throw new StreamingLLMError(
      'DOWNLOAD_FAILED',
      `${url.host} refuses ${request.what} (HTTP ${status}): ${request.repo} does not exist, is private, or wants its licence accepted. ` +
        (hub.token === undefined
          ? `Set HF_TOKEN to a token that may read it, and accept the licence at ${hub.endpoint}/${request.repo} if it has one.`
          : `Check that the token in HF_TOKEN may read it, and accept the licence at ${hub.endpoint}/${request.repo} if it has one.`),
      { details },
    )
  }
  if (status === 404) {
    const missing: Record<string, string> = {
      RepoNotFound: 'no such repository',
      RevisionNotFound: 'no such revision',
      EntryNotFound: 'no such file',
    }
    const reason = missing[exchange.headers.get('x-error-code') ?? ''] ?? 'no such repository, revision or file'
    throw new StreamingLLMError(
      'MODEL_NOT_FOUND',
      `${url.host} has ${reason}: ${request.what} (HTTP 404). Check the reference against ${hub.endpoint}/${request.repo}.`,
      { details },
    )
  }
  throw new StreamingLLMError('DOWNLOAD_FAILED', `${url.host} answered HTTP ${status} for ${request.what}.`, {
    details,
  })
}

/** In milliseconds: seconds, or a date. */
function retryAfter(text: string | null): number | undefined {
  const ms =
    text === null || text.trim() === ''
      ? Number.NaN
      : /^\s*\d+\s*$/.test(text)
        ? Number(text) * 1000
        : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
