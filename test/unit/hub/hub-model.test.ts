import { mkdir, readdir, readFile, readlink, stat, type symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RepoCache } from '../../../lib/hub/hub-cache.js'
import { type ModelProgress, resolveModel } from '../../../lib/hub/resolve-model.js'
import { commit, FakeHub, sha256 } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

let hub: FakeHub
let home: string
let restore: () => Promise<void>
const root = () => join(home, 'hub', 'models--owner--repo')

beforeEach(async () => {
  hub = await FakeHub.start()
  ;({ home, restore } = await tempHome(hub.endpoint))
})
afterEach(async () => {
  await hub.stop()
  await restore()
})

describe('the cache', () => {
  test('has the layout of huggingface_hub', async () => {
    const content = hub.add('sub/m.gguf', 200_000)
    const seen: ModelProgress[] = []
    const path = await resolveModel('hf:owner/repo/sub/m.gguf', { onProgress: progress => seen.push(progress) })
    expect(path).toBe(join(root(), 'snapshots', commit, 'sub', 'm.gguf'))
    expect(await readlink(path)).toBe(join('..', '..', '..', 'blobs', sha256(content)))
    expect((await readFile(path)).equals(content)).toBe(true)
    expect(await readFile(join(root(), 'refs', 'main'), 'utf8')).toBe(commit)
    expect(await readdir(join(root(), 'blobs'))).toEqual([sha256(content)])
    expect(seen[0]).toEqual({ stage: 'download', file: 'sub/m.gguf', receivedBytes: 0, totalBytes: 200_000 })
    expect(seen.at(-1)).toEqual({ stage: 'download', file: 'sub/m.gguf', receivedBytes: 200_000, totalBytes: 200_000 })
  })

  test('is used without a second download, and with no request at all for a commit', async () => {
    hub.add('m.gguf')
    const path = await resolveModel('hf:owner/repo/m.gguf')
    hub.hubHits.length = 0
    expect(await resolveModel('hf:owner/repo/m.gguf')).toBe(path)
    expect(hub.hubHits.map(hit => hit.method)).toEqual(['HEAD'])
    hub.hubHits.length = 0
    expect(await resolveModel(`hf:owner/repo@${commit}/m.gguf`)).toBe(path)
    expect(hub.hubHits).toEqual([])
    expect(hub.downloads).toBe(1)
  })

  test('keeps a file that did not change from one commit to the next', async () => {
    hub.add('m.gguf')
    await resolveModel('hf:owner/repo/m.gguf')
    hub.commit = 'f'.repeat(40)
    expect(await resolveModel('hf:owner/repo/m.gguf')).toContain('f'.repeat(40))
    expect(hub.downloads).toBe(1)
    expect(await readFile(join(root(), 'refs', 'main'), 'utf8')).toBe(hub.commit)
  })

  test('is where HF_HUB_CACHE and cacheDirectory say', async () => {
    hub.add('m.gguf')
    process.env['HF_HUB_CACHE'] = join(home, 'a')
    expect(await resolveModel('hf:owner/repo/m.gguf')).toContain(join(home, 'a', 'models--'))
    expect(await resolveModel('hf:owner/repo/m.gguf', { cacheDirectory: join(home, 'b') })).toContain(
      join(home, 'b', 'models--'),
    )
  })

  test('holds the file itself where links are impossible', async () => {
    const cache = new RepoCache(join(home, 'hub'), 'owner/repo')
    await mkdir(join(root(), 'blobs'), { recursive: true })
    await writeFile(cache.blob('etag'), 'content')
    const refuse = async () => {
      throw Object.assign(new Error('not permitted'), { code: 'EPERM' })
    }
    const path = await cache.expose(commit, 'm.gguf', 'etag', refuse as typeof symlink)
    expect(await readFile(path, 'utf8')).toBe('content')
    expect((await stat(path)).isFile()).toBe(true)
    expect(await readdir(join(root(), 'blobs'))).toEqual([])
  })

  test('replaces a file whose size is wrong', async () => {
    const content = hub.add('m.gguf')
    const path = await resolveModel('hf:owner/repo/m.gguf')
    await unlink(path)
    await writeFile(path, 'short')
    expect((await readFile(await resolveModel('hf:owner/repo/m.gguf'))).equals(content)).toBe(true)
  })

  test('that cannot be written to is named', async () => {
    hub.add('m.gguf')
    await writeFile(join(home, 'hub'), 'no folder')
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining(join(home, 'hub')),
    })
  })
})

describe('tokens', () => {
  test('go to the hub and not to where it redirects', async () => {
    hub.add('m.gguf')
    hub.requiredToken = 'hf_secret'
    process.env['HF_TOKEN'] = 'hf_secret'
    await resolveModel('hf:owner/repo/m.gguf')
    expect(hub.hubHits.every(hit => hit.authorization === 'Bearer hf_secret')).toBe(true)
    expect(hub.storageHits.map(hit => hit.authorization)).toEqual([undefined])
  })

  test('come from the token file too', async () => {
    hub.add('m.gguf')
    hub.requiredToken = 'hf_file'
    await writeFile(join(home, 'token'), 'hf_file\n')
    await resolveModel('hf:owner/repo/m.gguf')
    expect(hub.hubHits[0]?.authorization).toBe('Bearer hf_file')
  })

  test('are asked for where access is refused', async () => {
    hub.stuck = 401
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/Set HF_TOKEN .*accept the licence at/),
      details: { status: 401 },
    })
    hub.stuck = 403
    process.env['HF_TOKEN'] = 'hf_secret'
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringMatching(/token in HF_TOKEN .*accept the licence at/),
    })
    expect(hub.hubHits).toHaveLength(2)
  })
})

describe('what there is not', () => {
  test.each([
    ['EntryNotFound', 'no such file'],
    ['RepoNotFound', 'no such repository'],
    [undefined, 'no such repository, revision or file'],
  ])('is told apart: %s', async (errorCode, text) => {
    hub.stuck = 404
    hub.errorCode = errorCode
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining(text),
    })
  })

  test('a server that is no hub is told', async () => {
    hub.stuck = 200
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('HF_ENDPOINT'),
    })
    process.env['HF_ENDPOINT'] = 'nowhere'
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('an etag that would lead out of the cache is refused', async () => {
    hub.add('m.gguf')
    hub.smallFileEtag = '../../../x'
    await expect(resolveModel('hf:owner/repo/m.gguf')).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' })
  })
})

describe('quants', () => {
  test('are picked from a list in several pages', async () => {
    for (const quant of ['Q8_0', 'Q5_K_M', 'Q4_K_M', 'Q4_K_S']) hub.add(`m.${quant}.gguf`)
    hub.add('mmproj-m-Q4_K_M.gguf')
    hub.pageSize = 2
    expect(await resolveModel('hf:owner/repo:q4_k_m')).toBe(join(root(), 'snapshots', commit, 'm.Q4_K_M.gguf'))
    expect(hub.hubHits.filter(hit => hit.url.startsWith('/api/'))).toHaveLength(3)
    hub.hubHits.length = 0
    await resolveModel(`hf:owner/repo@${commit}:Q4_K_M`)
    expect(hub.hubHits).toEqual([])
    expect(hub.downloads).toBe(1)
  })

  test('that are not there, or twice, are answered with those that are', async () => {
    for (const name of ['m.Q8_0.gguf', 'a.Q4_0.gguf', 'b.Q4_0.gguf']) hub.add(name)
    await expect(resolveModel('hf:owner/repo:Q4_K_M')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('Quants there: Q4_0, Q8_0.'),
    })
    await expect(resolveModel('hf:owner/repo:Q4_0')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/a\.Q4_0\.gguf, b\.Q4_0\.gguf.*hf:owner\/repo\/a\.Q4_0\.gguf/),
    })
  })
})

describe('split models', () => {
  beforeEach(() => {
    for (const part of [1, 2, 3]) hub.add(`q/m-Q8_0-0000${part}-of-00003.gguf`)
  })

  test.each([
    'hf:owner/repo:Q8_0',
    'hf:owner/repo/q/m-Q8_0-00001-of-00003.gguf',
    'hf:owner/repo/q/m-Q8_0-00002-of-00003.gguf',
  ])('%s brings all parts', async reference => {
    const files = new Set<string>()
    const path = await resolveModel(reference, { onProgress: progress => files.add(progress.file) })
    expect(path).toBe(join(root(), 'snapshots', commit, 'q', 'm-Q8_0-00001-of-00003.gguf'))
    expect(await readdir(join(path, '..'))).toEqual([...hub.files.keys()].map(name => name.slice(2)))
    expect([...files]).toEqual([...hub.files.keys()])
  })

  test('a part that the hub lacks is named', async () => {
    hub.files.delete('q/m-Q8_0-00003-of-00003.gguf')
    await expect(resolveModel('hf:owner/repo:Q8_0')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('m-Q8_0-00003-of-00003.gguf'),
    })
  })
})

describe('without a network', () => {
  test('HF_HUB_OFFLINE uses the cache and makes no request', async () => {
    hub.add('m.Q4_0.gguf')
    const path = await resolveModel('hf:owner/repo/m.Q4_0.gguf')
    hub.hubHits.length = 0
    process.env['HF_HUB_OFFLINE'] = '1'
    expect(await resolveModel('hf:owner/repo/m.Q4_0.gguf')).toBe(path)
    expect(await resolveModel('hf:owner/repo:Q4_0')).toBe(path)
    await expect(resolveModel('hf:owner/repo/other.gguf')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('HF_HUB_OFFLINE'),
    })
    await expect(resolveModel('hf:owner/repo:Q8_0')).rejects.toThrow('Quants there: Q4_0.')
    expect(hub.hubHits).toEqual([])
  })

  test('a hub that cannot be reached, or is down, leaves what is cached', async () => {
    hub.add('m.Q4_0.gguf')
    const path = await resolveModel('hf:owner/repo/m.Q4_0.gguf')
    hub.stuck = 503
    expect(await resolveModel('hf:owner/repo/m.Q4_0.gguf')).toBe(path)
    await hub.stop()
    expect(await resolveModel('hf:owner/repo/m.Q4_0.gguf')).toBe(path)
    expect(await resolveModel('hf:owner/repo:Q4_0')).toBe(path)
    await expect(resolveModel('hf:owner/repo/other.gguf')).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('ECONNREFUSED'),
      cause: expect.anything(),
    })
  })

  test('what is up to date is not written again, since the cache may be read-only', async () => {
    hub.add('m.gguf')
    await resolveModel('hf:owner/repo/m.gguf')
    const before = await stat(join(root(), 'refs', 'main'))
    await resolveModel('hf:owner/repo/m.gguf')
    const after = await stat(join(root(), 'refs', 'main'))
    expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs])
  })
})
