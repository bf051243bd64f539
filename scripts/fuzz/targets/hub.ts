import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HubReference, hubModel } from '../../../lib/hub/hub-model.js'
import { hubSettings } from '../../../lib/hub/hub-settings.js'
import { parseReference } from '../../../lib/hub/reference.js'
import { StreamingLLMError } from '../../../lib/index.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { expect, type FuzzTarget } from '../target.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A hub of one attempt at a time. */
interface Hub {
  endpoint: string
  answer: Answer
}

interface Prepared {
  folder: string
  free: Hub[]
}

/** Most of the time is spent waiting. */
const atOnce = 24

const commit = '0123456789abcdef0123456789abcdef01234567'
const patience = { headersMs: 300, stallMs: 150, answerMs: 300, attempts: 2, downloadAttempts: 2, backoffMs: 1 }

/** A hub that answers anything to anything. */
export const target: FuzzTarget = {
  description:
    'random answers of a hub: a typed error in a limited time, or a file of the size and the checksum that were told',
  secondsPerInput: 10,
  atOnce,

  async prepare(): Promise<Prepared> {
    const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-fuzz-hub-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    return { folder, free: await Promise.all(Array.from({ length: atOnce }, startHub)) }
  },

  async attempt(random, prepared, { describe, count }) {
    const { folder, free } = prepared as Prepared
    const hub = free.pop()!
    const { endpoint } = hub
    const content = Buffer.from(Array.from({ length: random.integer(3_000) }, () => random.integer(256)))
    const sha256 = createHash('sha256').update(content).digest('hex')
    const odds = pick(random, [1, 1, 0.3, 0.1])
    const reference = pick(random, [
      'hf:owner/repo/model.gguf',
      'hf:owner/repo/model.gguf',
      'hf:owner/repo:Q4_0',
      'hf:owner/repo@other/a/b.gguf',
      `hf:owner/repo@${commit}/model.gguf`,
      'hf:owner/repo/model-00001-of-00002.gguf',
    ])
    const told: string[] = []
    // Also told of what an attempt before it had asked for and did not wait for.
    hub.answer = (request, response) => {
      told.push(
        `${request.method} ${request.url?.slice(0, 60)}: ${answer(random, request, response, { content, sha256, endpoint, odds })}`,
      )
      describe(`${reference}\n${told.join('\n')}`)
    }
    const settings = await hubSettings(
      { cacheDirectory: mkdtempSync(join(folder, 'cache-')), patience },
      { HF_ENDPOINT: endpoint },
    )
    const asked = random.integer(4) === 0 ? sha256 : undefined
    const began = performance.now()
    let outcome = 'a file'
    try {
      // A second time what is there already may be taken.
      for (let times = 1 + random.integer(2); times > 0; times--) {
        const path = await hubModel(settings, parseReference(reference) as HubReference, { sha256: asked })
        const found = readFileSync(path)
        expect(path.startsWith(settings.cacheDirectory), `the file is at ${path}`)
        expect(
          asked === undefined || createHash('sha256').update(found).digest('hex') === asked,
          'the file has another checksum than was asked for',
        )
      }
    } catch (error) {
      if (!StreamingLLMError.isInstance(error)) throw error
      outcome = error.code
    } finally {
      rmSync(settings.cacheDirectory, { recursive: true, force: true })
      hub.answer = (_, response) => response.destroy()
      free.push(hub)
    }
    count(outcome)
    expect(performance.now() - began < 60_000, 'it took more than a minute')
  },
}

async function startHub(): Promise<Hub> {
  const server = createServer((request, response) => {
    response.on('error', () => {})
    hub.answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const hub: Hub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: (_, response) => response.destroy(),
  }
  return hub
}

/** Answers a request somehow, and says how. */
function answer(
  random: SeededRandom,
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  { content, sha256, endpoint, odds }: { content: Buffer; sha256: string; endpoint: string; odds: number },
): string {
  // With low odds most answers are right, so that what comes after them is reached.
  const goesWrong = random.uniform() < odds
  const way = goesWrong ? random.integer(30) : 30
  if (way === 0) return 'nothing' // the client gives up
  if (way === 1) {
    response.destroy()
    return 'a connection that ends'
  }
  const isList = url.startsWith('/api/')
  const status =
    !goesWrong || random.integer(3) > 0
      ? 200
      : pick(random, [200, 206, 204, 301, 302, 307, 308, 400, 401, 403, 404, 408, 416, 418, 429, 500, 503, 599])
  const headers: Record<string, string> = {}
  const maybe = (name: string, ...values: string[]) => {
    if (!goesWrong) headers[name] = values[0]!
    else if (random.integer(4) > 0) headers[name] = pick(random, values)
  }
  maybe('x-repo-commit', commit, commit, commit, 'main', '../..', 'A'.repeat(40))
  maybe('etag', `"${sha256}"`, `"${sha256}"`, `W/"${sha256.slice(0, 40)}"`, '"../../x"', '""', 'x'.repeat(300))
  if (random.integer(2) === 0) maybe('x-linked-etag', `"${sha256}"`, `"${'0'.repeat(64)}"`, '"a/b"')
  if (random.integer(2) === 0)
    maybe('x-linked-size', String(content.length), '0', '1', '-5', '9'.repeat(30), 'many', String(2 ** 50))
  if (status >= 300 && status < 400)
    maybe(
      'location',
      url,
      '/elsewhere',
      `${endpoint}/other`,
      'ftp://x/y',
      'http://',
      'http://127.0.0.1:1/',
      '//user:pass@x/',
    )
  if (status === 429 || status === 503)
    maybe('retry-after', '0', '1000000000', '-3', 'soon', new Date(4e12).toUTCString())
  if (status === 206 || (goesWrong && random.integer(8) === 0))
    maybe(
      'content-range',
      `bytes 0-${Math.max(0, content.length - 1)}/${content.length}`,
      'bytes 5-9/10',
      'bytes 0-0/*',
      'lies',
      `bytes 0-1/${'9'.repeat(25)}`,
    )
  if (isList && goesWrong)
    maybe(
      'link',
      `<${endpoint}/api/models/owner/repo/tree/main?cursor=${random.integer(1e9)}>; rel="next"`,
      '<nowhere>; rel="next"',
      '<ftp://x>; rel="next"',
      'nonsense',
    )
  if (goesWrong && random.integer(12) === 0) maybe('content-encoding', 'gzip', 'identity', 'br')
  const right = isList ? Buffer.from(JSON.stringify(listing(random))) : content
  const body = !goesWrong
    ? right
    : pick(random, [
        right,
        right,
        right,
        right.subarray(0, random.integer(right.length + 1)),
        Buffer.concat([right, right]),
        Buffer.from('<html>no</html>'),
        Buffer.from('{"error": "no"}'),
      ])
  if (method === 'HEAD' && !isList && (!goesWrong || random.integer(2) === 0))
    headers['content-length'] = String(right.length)
  if (method !== 'HEAD' && goesWrong && random.integer(6) === 0)
    headers['content-length'] = String(Math.max(0, body.length + random.integer(20) - 10))
  try {
    response.writeHead(status, headers)
  } catch {
    response.writeHead(500)
  }
  const end = goesWrong ? random.integer(12) : 12
  if (end === 0) response.write(body.subarray(0, 10), () => response.destroy())
  else if (end === 1)
    response.write(body.subarray(0, 10)) // and then nothing
  else if (end === 2) {
    // A byte at a time, until the client has left.
    const timer = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(timer))
  } else response.end(method === 'HEAD' ? undefined : body)
  return `${status} ${JSON.stringify(headers)}, ${body.length} bytes, end ${end}`
}

function listing(random: SeededRandom): unknown {
  const entry = () =>
    pick<unknown>(random, [
      { type: 'file', path: 'model-Q4_0.gguf' },
      { type: 'file', path: 'other-Q8_0.gguf' },
      { type: 'file', path: '../x-Q4_0.gguf' },
      { type: 'file', path: '\uD800-Q4_0.gguf' },
      { type: 'directory', path: 'a' },
      null,
      5,
      { type: 'file', path: 7 },
      {},
    ])
  return random.integer(8) === 0
    ? pick<unknown>(random, [null, {}, 'x', 3])
    : Array.from({ length: random.integer(4) }, entry)
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.integer(list.length)]!
}
