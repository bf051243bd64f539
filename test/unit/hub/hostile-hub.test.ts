import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listFiles } from '../../../lib/hub/hub-api.js'
import { type HubReference, hubModel } from '../../../lib/hub/hub-model.js'
import { type Hub, type HubPatience, hubSettings } from '../../../lib/hub/hub-settings.js'
import { parseReference } from '../../../lib/hub/reference.js'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { commit, sha256 } from '../hub/fake-hub.js'

let folder: string
let server: Server
let asked: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'streaming-llm-hostile-'))
  asked = []
})
afterEach(() => {
  server?.close()
  server?.closeAllConnections()
  rmSync(folder, { recursive: true, force: true })
})

async function hubThat(answers: RequestListener, patience: Partial<HubPatience> = {}): Promise<Hub> {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.on('error', () => {})
    answers(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return hubSettings(
    { cacheDirectory: folder, patience: { backoffMs: 1, ...patience } },
    { HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
  )
}

const file = parseReference('hf:owner/repo/model.gguf') as HubReference
const quant = parseReference('hf:owner/repo:Q4_0') as HubReference

test.each([
  'hf:a/b/\uD800.gguf',
  'hf:a/b/\uDFFF/x.gguf',
  'hf:a/b@\uD800/x.gguf',
  'hf:a/b@x%FF/y.gguf',
  'hf:a/b/\0.gguf',
])('%j is no reference', async reference => {
  expect(() => parseReference(reference)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  await expect(resolveModel(reference)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

test('a token that no header can hold is refused before it is sent', async () => {
  for (const token of ['a b', 'a\nb', 'ключ'])
    await expect(hubSettings({}, { HF_TOKEN: token })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

test.each([['1000000000'], [new Date(Date.now() + 3_600_000).toUTCString()]])(
  'a retry time of %s is not waited for',
  async after => {
    const hub = await hubThat((_, response) => response.writeHead(429, { 'retry-after': after }).end())
    await expect(hubModel(hub, file, {})).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('asked again in'),
    })
    expect(asked).toHaveLength(1)
  },
)

test('waiting as long as a hub asks for ends with the signal', async () => {
  const controller = new AbortController()
  const hub = await hubThat((_, response) => {
    response
      .writeHead(503, { 'retry-after': '29' })
      .end(() => setTimeout(() => controller.abort(new Error('enough')), 20))
  })
  await expect(hubModel(hub, file, { signal: controller.signal })).rejects.toThrow('enough')
})

test('a list without an end is given up', async () => {
  let page = 0
  const hub = await hubThat((_, response) =>
    response.writeHead(200, { link: `</api/models/owner/repo/tree/main?cursor=${page++}>; rel="next"` }).end('[]'),
  )
  await expect(hubModel(hub, quant, {})).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('does not come to an end'),
  })
})

test('a list that leads back to itself ends there', async () => {
  const hub = await hubThat((_, response) =>
    response
      .writeHead(200, { link: '</api/models/owner/repo/tree/main?cursor=1>; rel="next"' })
      .end('[{"type":"file","path":"a.gguf"}]'),
  )
  expect(await listFiles(hub, { repo: 'owner/repo', revision: 'main' }, {})).toEqual(['a.gguf', 'a.gguf'])
})

test('a page without an end is given up', async () => {
  const hub = await hubThat((_, response) => {
    const piece = Buffer.alloc(1024 ** 2, ' ')
    const more = () => {
      if (!response.destroyed) response.write(piece, more)
    }
    more()
  })
  await expect(hubModel(hub, quant, {})).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('64 MB'),
  })
})

test.each<[string, Partial<HubPatience>]>([
  ['than a stall', { stallMs: 200 }],
  ['than an answer may take', { answerMs: 200 }],
])('what comes byte by byte is given up: slower %s', async (_name, patience) => {
  const hub = await hubThat(
    (_, response) => {
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
    },
    { attempts: 1, ...patience },
  )
  await expect(hubModel(hub, quant, {})).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' })
})

/** A hub with one file, of which it tells these headers, and whose content it sends so. */
function oneFile(headers: Record<string, string | number>, content: RequestListener): RequestListener {
  return (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'x-repo-commit': commit, ...headers }).end()
    else content(request, response)
  }
}

test('connections that bring a byte each are no progress', async () => {
  const whole = Buffer.alloc(1000, 7)
  const hub = await hubThat(
    oneFile({ etag: `"${sha256(whole)}"`, 'x-linked-size': whole.length }, (request, response) => {
      const from = Number(/\d+/.exec(request.headers.range ?? '0')![0])
      response.writeHead(from === 0 ? 200 : 206, {
        'content-length': whole.length - from,
        'content-range': `bytes ${from}-999/1000`,
      })
      response.write(whole.subarray(from, from + 1), () => response.destroy())
    }),
    { downloadAttempts: 4 },
  )
  await expect(hubModel(hub, file, {})).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' })
  expect(asked.filter(each => each.startsWith('GET'))).toHaveLength(4)
})

test('a file that no disk can hold is not begun', async () => {
  const hub = await hubThat(
    oneFile({ etag: `"${'a'.repeat(64)}"`, 'x-linked-size': 2 ** 52 }, (_, response) =>
      response.writeHead(200).end('x'),
    ),
  )
  await expect(hubModel(hub, file, {})).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('Make room'),
  })
})

test('sizes that are no numbers are unknown ones', async () => {
  const content = Buffer.from('GGUF and more')
  const hub = await hubThat(
    oneFile({ etag: `"${sha256(content)}"`, 'x-linked-size': '9'.repeat(400) }, (_, response) =>
      response.writeHead(200).end(content),
    ),
  )
  expect(await hubModel(hub, file, {})).toContain('model.gguf')
})

const onUnix = process.platform === 'win32' ? describe.skip : describe
onUnix('a pipe in the cache', () => {
  test('in place of a reference is not waited for', async () => {
    const hub = await hubThat((_, response) => response.writeHead(404).end())
    const refs = join(folder, 'models--owner--repo', 'refs')
    mkdirSync(refs, { recursive: true })
    execFileSync('mkfifo', [join(refs, 'main')])
    await expect(hubModel(hub, file, {})).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  })

  test('in place of an unfinished download is not written to', async () => {
    const content = Buffer.from('GGUF')
    const hub = await hubThat(
      oneFile({ etag: `"${sha256(content)}"`, 'x-linked-size': 4 }, (_, response) =>
        response.writeHead(200).end(content),
      ),
    )
    const blobs = join(folder, 'models--owner--repo', 'blobs')
    mkdirSync(blobs, { recursive: true })
    execFileSync('mkfifo', [join(blobs, `${sha256(content)}.incomplete`)])
    await expect(hubModel(hub, file, {})).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('a pipe'),
    })
    expect(readdirSync(blobs)).toHaveLength(1)
  })
})
