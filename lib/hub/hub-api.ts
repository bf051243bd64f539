import { StreamingLLMError } from '../errors.js'
import { isCommit } from './hub-cache.js'
import { askHub, type Exchange } from './hub-http.js'
import type { Hub } from './hub-settings.js'
import { TransientFailure, withRetries } from './transient-failure.js'

/** A file as the hub describes it. */
export interface HubFileInfo {
  commit: string
  /** Names the content: its SHA-256 for large files, a git hash for small ones. */
  etag: string
  /** In bytes; undefined where the hub does not say. */
  size: number | undefined
}

export interface HubFileAddress {
  repo: string
  revision: string
  file: string
}

/** Repositories of models have some hundred files, and some of data a hundred thousand; a page has a thousand. */
const maxPages = 1000
const maxListBytes = 64 * 1024 ** 2

export function describeFile({ repo, revision, file }: HubFileAddress): string {
  return `${file} of ${repo}${revision === 'main' ? '' : `@${revision}`}`
}

/** Where a file's content is asked for. */
export function contentUrl(hub: Hub, { repo, revision, file }: HubFileAddress): string {
  return `${hub.endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${file.split('/').map(encodeURIComponent).join('/')}`
}

/**
 * Asks what a file is, without fetching it.
 * @throws {TransientFailure} the hub stays out of reach
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, DOWNLOAD_FAILED
 */
export async function fetchFileInfo(
  hub: Hub,
  address: HubFileAddress,
  options: { signal?: AbortSignal },
): Promise<HubFileInfo> {
  const exchange = await withRetries({ ...hub.patience, signal: options.signal }, () =>
    askHub(hub, contentUrl(hub, address), {
      method: 'HEAD',
      what: describeFile(address),
      repo: address.repo,
      leaveHub: false,
      signal: options.signal,
    }),
  )
  exchange.close()
  const { headers, status } = exchange
  const commit = headers.get('x-repo-commit') ?? (isCommit(address.revision) ? address.revision : undefined)
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag'))?.replace(/^W\//, '').replace(/^"(.*)"$/, '$1')
  // Both become names of files.
  if (commit === undefined || !isCommit(commit) || etag === undefined || !/^[\w-][\w.-]*$/.test(etag)) {
    throw new StreamingLLMError(
      'DOWNLOAD_FAILED',
      `${hub.endpoint} does not say which commit and content ${describeFile(address)} has, as a Hugging Face hub would. Check HF_ENDPOINT.`,
      { details: { commit, etag } },
    )
  }
  // A redirect's own length is that of the redirect.
  const length = headers.get('x-linked-size') ?? (status < 300 ? headers.get('content-length') : null)
  return { commit, etag, size: byteCount(length) }
}

/**
 * The paths of all files of a revision, in as many requests as the hub makes of it.
 * @throws {TransientFailure} the hub stays out of reach
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, DOWNLOAD_FAILED
 */
export async function listFiles(
  hub: Hub,
  { repo, revision }: { repo: string; revision: string },
  options: { signal?: AbortSignal },
): Promise<string[]> {
  const what = `the list of files of ${repo}${revision === 'main' ? '' : `@${revision}`}`
  const files: string[] = []
  const seen = new Set<string>()
  let bytes = 0
  let next: string | undefined =
    `${hub.endpoint}/api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`
  while (next !== undefined && !seen.has(next)) {
    const page: string = next
    seen.add(page)
    if (seen.size > maxPages || bytes > maxListBytes)
      throw new StreamingLLMError(
        'DOWNLOAD_FAILED',
        `${hub.endpoint} does not come to an end of ${what}: there are more than ${seen.size - 1} pages. Name the file, as in hf:${repo}/file.gguf.`,
      )
    next = await withRetries({ ...hub.patience, signal: options.signal }, async () => {
      const exchange = await askHub(hub, page, { method: 'GET', what, repo, leaveHub: false, signal: options.signal })
      try {
        const text = await readText(exchange, hub, what)
        bytes += text.length
        for (const file of parseTree(text, hub, what)) files.push(file)
        return nextPage(exchange.headers.get('link'), page)
      } finally {
        exchange.close()
      }
    })
  }
  return files
}

function parseTree(text: string, hub: Hub, what: string): string[] {
  let entries: unknown
  try {
    entries = JSON.parse(text)
  } catch {
    entries = undefined
  }
  if (!Array.isArray(entries)) {
    throw new StreamingLLMError(
      'DOWNLOAD_FAILED',
      `${hub.endpoint} did not send ${what} as a Hugging Face hub would. Check HF_ENDPOINT.`,
    )
  }
  return (entries as ({ type?: unknown; path?: unknown } | null)[])
    .filter(entry => entry?.type === 'file' && typeof entry.path === 'string')
    .map(entry => entry?.path as string)
}

function nextPage(link: string | null, page: string): string | undefined {
  const target = /<([^>]+)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '')?.[1]
  return target !== undefined && URL.canParse(target, page) ? new URL(target, page).href : undefined
}

async function readText(exchange: Exchange, hub: Hub, what: string): Promise<string> {
  const pieces: Uint8Array[] = []
  const { answerMs } = hub.patience
  const end = performance.now() + answerMs
  let bytes = 0
  for (let piece = await exchange.read(); piece; piece = await exchange.read()) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > maxListBytes)
      throw new StreamingLLMError(
        'DOWNLOAD_FAILED',
        `${hub.endpoint} does not come to an end of ${what}: one page has more than ${maxListBytes / 1024 ** 2} MB. Check HF_ENDPOINT.`,
      )
    if (performance.now() > end) throw new TransientFailure(`${what} did not come within ${answerMs / 1000} s`)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** A size as a header says it; undefined for what is none. */
export function byteCount(text: string | null): number | undefined {
  const count = text !== null && /^\d+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(count) ? count : undefined
}
