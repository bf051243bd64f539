import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RepoCache } from '../../../lib/hub/hub-cache.js'
import { hubModel } from '../../../lib/hub/hub-model.js'
import { hubSettings } from '../../../lib/hub/hub-settings.js'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { runTypeScript } from '../../tools/child-program.js'
import { FakeHub, sha256 } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

let hub: FakeHub
let home: string
let restore: () => Promise<void>
const reference = 'hf:owner/repo/m.gguf'
const blobs = () => join(home, 'hub', 'models--owner--repo', 'blobs')

beforeEach(async () => {
  hub = await FakeHub.start()
  ;({ home, restore } = await tempHome(hub.endpoint))
})
afterEach(async () => {
  await hub.stop()
  await restore()
})

/** Leaves the start of a file, as a download that was broken off does. */
async function leavePartial(content: Buffer, bytes: Buffer): Promise<string> {
  await mkdir(blobs(), { recursive: true })
  const path = join(blobs(), `${sha256(content)}.incomplete`)
  await writeFile(path, bytes)
  return path
}

test('goes on where the server cut the connection', async () => {
  const content = hub.add('m.gguf', 1_000_000)
  hub.cuts = [300_000, 200_000]
  const path = await resolveModel(reference)
  expect((await readFile(path)).equals(content)).toBe(true)
  const starts = hub.storageHits.map(hit => Number(/\d+/.exec(hit.range ?? '0')?.[0]))
  expect(starts).toHaveLength(3)
  // What was on its way when the connection broke may be lost, but never what had been received before.
  expect(starts[1]).toBeGreaterThan(0)
  expect(starts[2]).toBeGreaterThan(starts[1] ?? 0)
})

test('starts again where the server ignores the range', async () => {
  const content = hub.add('m.gguf', 1_000_000)
  hub.cuts = [500_000]
  hub.ignoreRange = true
  expect((await readFile(await resolveModel(reference))).equals(content)).toBe(true)
  expect(hub.storageHits[1]?.range).toBeDefined()
})

test('goes on from what an earlier call left', async () => {
  const content = hub.add('m.gguf', 1_000_000)
  await leavePartial(content, content.subarray(0, 600_000))
  const received: number[] = []
  const path = await resolveModel(reference, { onProgress: progress => received.push(progress.receivedBytes) })
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(hub.storageHits.map(hit => hit.range)).toEqual(['bytes=600000-'])
  expect(received[0]).toBe(600_000)
})

test('asks for nothing more when all had arrived', async () => {
  const content = hub.add('m.gguf')
  await leavePartial(content, content)
  expect((await readFile(await resolveModel(reference))).equals(content)).toBe(true)
  expect(hub.downloads).toBe(0)
})

test('starts again when more is left than the file has', async () => {
  const content = hub.add('m.gguf')
  await leavePartial(content, Buffer.alloc(2000))
  expect((await readFile(await resolveModel(reference))).equals(content)).toBe(true)
})

test('can be aborted, rejects with the reason, and goes on later', async () => {
  const content = hub.add('m.gguf', 2_000_000)
  hub.pace = 10
  const controller = new AbortController()
  const reason = new Error('enough')
  const running = resolveModel(reference, {
    signal: controller.signal,
    onProgress: progress => {
      if (progress.receivedBytes > 0) controller.abort(reason)
    },
  })
  await expect(running).rejects.toBe(reason)
  const partial = join(blobs(), `${sha256(content)}.incomplete`)
  const kept = (await stat(partial)).size
  expect(kept).toBeGreaterThan(0)
  expect(kept).toBeLessThan(content.length)

  hub.pace = 0
  expect((await readFile(await resolveModel(reference))).equals(content)).toBe(true)
  expect(hub.storageHits.at(-1)?.range).toBe(`bytes=${kept}-`)
  await expect(resolveModel(reference, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test('can be aborted while the hub keeps silent', async () => {
  hub.add('m.gguf')
  hub.failures = [503, 503]
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 50)
  await expect(resolveModel(reference, { signal: controller.signal })).rejects.toBe(reason)
})

test('an error of the listener ends it and comes out as it is', async () => {
  hub.add('m.gguf', 500_000)
  const error = new Error('from the listener')
  await expect(
    resolveModel(reference, {
      onProgress: () => {
        throw error
      },
    }),
  ).rejects.toBe(error)
})

test('refuses content with another checksum and deletes it', async () => {
  const content = hub.add('m.gguf')
  hub.served = Buffer.alloc(content.length)
  await expect(resolveModel(reference)).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
    details: { expected: sha256(content), actual: sha256(hub.served) },
  })
  expect(await readdir(blobs())).toEqual([])
})

test('compares the sha256 option before and after a download', async () => {
  const content = hub.add('m.gguf')
  await expect(resolveModel(reference, { sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  expect(hub.downloads).toBe(0)
  hub.smallFileEtag = 'a1'.repeat(20)
  await expect(resolveModel(reference, { sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  expect(await readdir(blobs())).toEqual([])
  const path = await resolveModel(reference, { sha256: sha256(content) })
  expect(await readdir(blobs())).toEqual(['a1'.repeat(20)])
  await writeFile(path, Buffer.alloc(content.length))
  await expect(resolveModel(reference, { sha256: sha256(content) })).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
  })
})

test.each([900, 1100])('refuses %i bytes where 1000 are due', async bytes => {
  hub.add('m.gguf')
  hub.served = Buffer.alloc(bytes)
  await expect(resolveModel(reference)).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('1000 bytes'),
  })
  expect(await readdir(blobs())).toEqual([])
})

test('tries again while the hub is busy, and says so when it stays busy', async () => {
  hub.add('m.gguf')
  hub.failures = [503, 429]
  await resolveModel(reference)
  hub.stuck = 500
  const impatient = await hubSettings({ patience: { backoffMs: 1 } })
  await expect(
    hubModel(impatient, { kind: 'hub-file', repo: 'owner/repo', revision: 'main', file: 'x.gguf' }, {}),
  ).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('HTTP 500') })
})

test('gives up on a server that brings no new byte, and keeps what came', async () => {
  const content = hub.add('m.gguf', 300_000)
  hub.cuts = [100_000, ...Array<number>(20).fill(0)]
  const impatient = await hubSettings({ patience: { backoffMs: 1, downloadAttempts: 3 } })
  await expect(
    hubModel(impatient, { kind: 'hub-file', repo: 'owner/repo', revision: 'main', file: 'm.gguf' }, {}),
  ).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' })
  expect(hub.downloads).toBeLessThanOrEqual(4)
  expect((await stat(join(blobs(), `${sha256(content)}.incomplete`))).size).toBeGreaterThan(0)
})

test('does not wait forever on a connection that has gone quiet', async () => {
  hub.add('m.gguf', 300_000)
  hub.pace = 10_000
  const impatient = await hubSettings({ patience: { stallMs: 1000, downloadAttempts: 1 } })
  await expect(
    hubModel(impatient, { kind: 'hub-file', repo: 'owner/repo', revision: 'main', file: 'm.gguf' }, {}),
  ).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('sent nothing for 1 s') })
})

test('two processes fetch a file once', async () => {
  const content = hub.add('m.gguf', 4_000_000)
  hub.pace = 20
  const script = fileURLToPath(new URL('resolve-child.ts', import.meta.url))
  const resolveInProcess = async () => {
    const { code, stdout, stderr } = await runTypeScript(script, [reference])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout.trim()
  }
  const paths = await Promise.all([resolveInProcess(), resolveInProcess()])
  expect(paths[0]).toBe(paths[1])
  expect((await readFile(paths[0] ?? '')).equals(content)).toBe(true)
  expect(hub.hubHits.filter(hit => hit.method === 'HEAD')).toHaveLength(2)
  expect(hub.downloads).toBe(1)
})

test('two calls in one process fetch a file once, and the waiting one reports too', async () => {
  hub.add('m.gguf', 2_000_000)
  hub.pace = 20
  const reports = [0, 0]
  const calls = reports.map((_, index) =>
    resolveModel(reference, {
      onProgress: () => {
        reports[index] = (reports[index] ?? 0) + 1
      },
    }),
  )
  const [first, second] = await Promise.all(calls)
  expect(first).toBe(second)
  expect(hub.downloads).toBe(1)
  expect(reports.every(count => count > 0)).toBe(true)
})

test('a waiting call can be aborted, and the other goes on', async () => {
  hub.add('m.gguf', 2_000_000)
  hub.pace = 20
  const controller = new AbortController()
  const reason = new Error('enough')
  const first = resolveModel(reference, { onProgress: () => setTimeout(() => controller.abort(reason), 100) })
  await new Promise(resolve => setTimeout(resolve, 100))
  await expect(resolveModel(reference, { signal: controller.signal })).rejects.toBe(reason)
  await first
})

test('a lock that a dead process left is taken over', async () => {
  const content = hub.add('m.gguf')
  const lock = new RepoCache(join(home, 'hub'), 'owner/repo').lock(sha256(content))
  await mkdir(dirname(lock), { recursive: true })
  await mkdir(lock)
  const longAgo = new Date(Date.now() - 60_000)
  await utimes(lock, longAgo, longAgo)
  expect((await readFile(await resolveModel(reference))).equals(content)).toBe(true)
  expect(await readdir(dirname(lock))).toEqual([])
})
