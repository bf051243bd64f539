import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export const repo = 'owner/repo'
export const commit = '0123456789abcdef0123456789abcdef01234567'

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

interface Hit {
  method: string
  url: string
  range: string | undefined
  authorization: string | undefined
}

/**
 * A hub and, as another origin, the storage that it redirects to, both on 127.0.0.1. The fields say how they misbehave;
 * the lists say what they were asked.
 */
export class FakeHub {
  readonly files = new Map<string, Buffer>()
  readonly hubHits: Hit[] = []
  readonly storageHits: Hit[] = []
  commit = commit
  /** What the storage sends, where that is not the file. */
  served: Buffer | undefined
  /** After so many bytes of a body the storage breaks the connection; one entry for each request, then no more. */
  cuts: number[] = []
  ignoreRange = false
  /** HTTP status of the hub in place of an answer; one entry for each request, `stuck` for all. */
  failures: number[] = []
  stuck: number | undefined
  errorCode: string | undefined
  /** Milliseconds between pieces of 64 KiB. */
  pace = 0
  requiredToken: string | undefined
  /** The file's ETag in place of its SHA-256, without the headers for large files. */
  smallFileEtag: string | undefined
  pageSize = 1000
  #servers: Server[] = []
  endpoint = ''
  #storage = ''

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub()
    hub.endpoint = await hub.#listen((request, response) => hub.#answer(request, response))
    hub.#storage = await hub.#listen((request, response) => hub.#store(request, response))
    return hub
  }

  add(file: string, bytes = 1000): Buffer {
    const content = randomBytes(bytes)
    this.files.set(file, content)
    return content
  }

  get downloads(): number {
    return this.storageHits.length
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#servers.map(
        server =>
          new Promise(resolve => {
            server.close(resolve)
            server.closeAllConnections()
          }),
      ),
    )
    this.#servers = []
  }

  async #listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(handler)
    this.#servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request
    this.hubHits.push({ method, url, range: headers.range, authorization: headers.authorization })
    const failure = this.stuck ?? this.failures.shift()
    if (failure !== undefined) {
      response.writeHead(failure, this.errorCode === undefined ? {} : { 'x-error-code': this.errorCode }).end()
      return
    }
    if (this.requiredToken !== undefined && headers.authorization !== `Bearer ${this.requiredToken}`) {
      response.writeHead(401).end()
      return
    }
    const tree = new URL(url, this.endpoint)
    if (tree.pathname.startsWith(`/api/models/${repo}/tree/`)) return this.#list(tree, response)
    const [, revision, file] = new RegExp(`^/${repo}/resolve/([^/]+)/(.+)$`).exec(decodeURIComponent(url)) ?? []
    const content = this.files.get(file ?? '')
    if (!content || (revision !== 'main' && revision !== this.commit)) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
      return
    }
    if (this.smallFileEtag !== undefined) {
      response
        .writeHead(200, {
          'x-repo-commit': this.commit,
          etag: `W/"${this.smallFileEtag}"`,
          'content-length': content.length,
        })
        .end(method === 'HEAD' ? undefined : content)
      return
    }
    response
      .writeHead(302, {
        location: `${this.#storage}/${encodeURIComponent(file ?? '')}?signature=1`,
        'x-repo-commit': this.commit,
        'x-linked-etag': `"${sha256(content)}"`,
        'x-linked-size': content.length,
      })
      .end()
  }

  #list(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('cursor') ?? 0)
    const names = [...this.files.keys()]
    const page = names
      .slice(from, from + this.pageSize)
      .map(path => ({ type: 'file', path, size: this.files.get(path)?.length }))
    const next = from + this.pageSize
    response
      .writeHead(
        200,
        next < names.length
          ? { link: `<${this.endpoint}${url.pathname}?recursive=true&cursor=${next}>; rel="next"` }
          : {},
      )
      .end(JSON.stringify([{ type: 'directory', path: 'folder' }, ...page]))
  }

  async #store(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    this.storageHits.push({ method, url, range: headers.range, authorization: headers.authorization })
    const content =
      this.served ??
      this.files.get(decodeURIComponent(new URL(url, this.endpoint).pathname.slice(1))) ??
      Buffer.alloc(0)
    const [, from, to] = (this.ignoreRange ? null : /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')) ?? []
    const start = Number(from ?? 0)
    const body = content.subarray(start, to ? Number(to) + 1 : undefined)
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': body.length,
      ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${start + body.length - 1}/${content.length}` }),
    })
    // No timer should outlive a test.
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const end = Math.min(this.cuts.shift() ?? body.length, body.length)
    for (let at = 0; at < end && !response.destroyed; at += 65536) {
      await new Promise(resolve => response.write(body.subarray(at, Math.min(end, at + 65536)), resolve))
      if (this.pace > 0) await delay(this.pace, undefined, { signal: gone.signal }).catch(() => {})
    }
    if (end < body.length) response.destroy()
    else response.end()
  }
}
