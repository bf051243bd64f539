import { readFileSync } from 'node:fs'
import { access, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheContents } from '../../../lib/hub/cached-models.js'
import { findCached } from '../../../lib/hub/find-cached.js'
import { RepoCache } from '../../../lib/hub/hub-cache.js'
import { parseReference } from '../../../lib/hub/reference.js'
import { removeCached, removeUnfinished } from '../../../lib/hub/remove-cached.js'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { writeReference } from '../../../lib/hub/write-reference.js'
import { tinyModel } from '../../tools/tiny-models.js'
import { commit, FakeHub, sha256 } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

let hub: FakeHub
let home: string
let restore: () => Promise<void>
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
const later = 'f'.repeat(40)

beforeEach(async () => {
  hub = await FakeHub.start()
  ;({ home, restore } = await tempHome(hub.endpoint))
  process.env['XDG_CACHE_HOME'] = join(home, 'cache')
})
afterEach(async () => {
  await hub.stop()
  await restore()
})

const own = () => join(home, 'cache', 'streaming-llm', 'models')
const listed = async () => (await cacheContents()).models.map(({ reference }) => reference)
const remove = async (reference: string) => {
  const contents = await cacheContents()
  return await removeCached(contents, findCached(contents, reference))
}

test('nothing, where nothing is', async () => {
  expect(await cacheContents()).toEqual({ hub: join(home, 'hub'), own: own(), models: [], unfinished: [] })
})

test('what was downloaded, with its reference, quantization, size and path', async () => {
  hub.add('sub/m.Q4_K_M.gguf', 2000)
  const path = await resolveModel('hf:owner/repo/sub/m.Q4_K_M.gguf')
  const { models } = await cacheContents()
  expect(models).toHaveLength(1)
  expect(models[0]).toMatchObject({
    name: 'm.Q4_K_M',
    reference: 'hf:owner/repo/sub/m.Q4_K_M.gguf',
    quantization: 'Q4_K_M',
    sizeBytes: 2000,
    path,
    missingParts: 0,
  })
  expect(Date.now() - models[0]!.lastUsed.getTime()).toBeLessThan(60_000)
})

test('a name that is no file is told of what the cache has of that name', async () => {
  hub.add('Tiny-Instruct.Q4_K_M.gguf', 2000)
  await resolveModel('hf:owner/repo/Tiny-Instruct.Q4_K_M.gguf')
  const told = (name: string) =>
    resolveModel(name).then(
      () => '',
      (error: Error) => error.message,
    )
  for (const name of ['Tiny-Instruct', 'tiny-instruct.q4_k_m', 'Tiny-Instruct.Q4_K_M.gguf', 'repo', 'tiny']) {
    expect(await told(name)).toBe(
      `There is no file at ${join(process.cwd(), name)}. Of that name, the cache has hf:owner/repo/Tiny-Instruct.Q4_K_M.gguf`,
    )
  }
  for (const name of ['Tiny-Ins', 'Other-Instruct'])
    expect(await told(name)).toContain(
      '. For a Hugging Face model write hf:owner/repo/file.gguf or hf:owner/repo:QUANT',
    )
  expect(await told('./Tiny-Instruct')).toContain('. For a Hugging Face model write hf:owner/repo/file.gguf')
})

test('using a model says so in its time of access, and leaves the other time alone', async () => {
  hub.add('m.gguf')
  const path = await resolveModel('hf:owner/repo/m.gguf')
  const longAgo = new Date('2020-02-02T02:02:02Z')
  await utimes(path, longAgo, longAgo)
  expect((await cacheContents()).models[0]!.lastUsed).toEqual(longAgo)
  await resolveModel('hf:owner/repo/m.gguf')
  expect(Date.now() - (await cacheContents()).models[0]!.lastUsed.getTime()).toBeLessThan(60_000)
  expect((await stat(path)).mtime).toEqual(longAgo)
})

test('a split model is one, as large as its parts; parts that are missing are counted', async () => {
  const names = [1, 2, 3].map(part => `m-Q8_0-0000${part}-of-00003.gguf`)
  for (const name of names) hub.add(name, 1000)
  const path = await resolveModel(`hf:owner/repo/${names[1]}`)
  const [model, ...rest] = (await cacheContents()).models
  expect(rest).toEqual([])
  expect(model).toMatchObject({
    name: 'm-Q8_0',
    reference: `hf:owner/repo/${names[0]}`,
    sizeBytes: 3000,
    path,
    missingParts: 0,
    quantization: 'Q8_0',
  })
  await removeCached({ models: [], hub: join(home, 'hub') }, { ...model!, files: [model!.files[0]!] })
  expect((await cacheContents()).models[0]).toMatchObject({
    sizeBytes: 2000,
    missingParts: 1,
    reference: `hf:owner/repo/${names[0]}`,
  })
  expect(await remove(`hf:owner/repo/${names[2]}`)).toBe(2000)
  expect(await listed()).toEqual([])
})

test('a revision that was being written when its process ended is none', async () => {
  hub.add('m.gguf')
  await resolveModel(`hf:owner/repo@${commit}/m.gguf`)
  const refs = join(home, 'hub', 'models--owner--repo', 'refs')
  await mkdir(refs, { recursive: true })
  await writeFile(join(refs, '.0123456789abcdef.999999999-00000000.part'), commit)
  expect(await listed()).toEqual([`hf:owner/repo@${commit}/m.gguf`])
})

test('content that two revisions share is there once, and goes from both', async () => {
  hub.add('m.gguf')
  await resolveModel(`hf:owner/repo@${commit}/m.gguf`)
  expect(await listed()).toEqual([`hf:owner/repo@${commit}/m.gguf`])
  hub.commit = later
  const path = await resolveModel('hf:owner/repo/m.gguf')
  const [model, ...rest] = (await cacheContents()).models
  expect(rest).toEqual([])
  expect(model).toMatchObject({
    reference: 'hf:owner/repo/m.gguf',
    path,
    hub: { commits: expect.arrayContaining([commit, later]) },
  })
  expect(await remove(`hf:owner/repo@${commit}/m.gguf`)).toBe(1000)
  expect(await exists(join(home, 'hub', 'models--owner--repo'))).toBe(false)
})

test('a branch that has moved on leaves the old file under its commit', async () => {
  hub.add('m.gguf')
  await resolveModel('hf:owner/repo/m.gguf')
  hub.commit = later
  const newer = hub.add('m.gguf')
  const path = await resolveModel('hf:owner/repo/m.gguf')
  expect((await listed()).sort()).toEqual(['hf:owner/repo/m.gguf', `hf:owner/repo@${commit}/m.gguf`])
  expect(await remove(`hf:owner/repo@${commit}/m.gguf`)).toBe(1000)
  expect((await readFile(path)).equals(newer)).toBe(true)
  expect(await listed()).toEqual(['hf:owner/repo/m.gguf'])
})

test('content that another name leads to stays', async () => {
  const content = hub.add('a.gguf')
  hub.files.set('b.gguf', content)
  await resolveModel('hf:owner/repo/a.gguf')
  const path = await resolveModel('hf:owner/repo/b.gguf')
  expect(await remove('hf:owner/repo/a.gguf')).toBe(0)
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(await remove('hf:owner/repo/b.gguf')).toBe(1000)
})

test('files of our own folder are listed by their path, and their quantization read where their name does not tell', async () => {
  await mkdir(own(), { recursive: true })
  const path = join(own(), 'tiny.gguf')
  await writeFile(path, readFileSync(tinyModel('llama')))
  await writeFile(join(own(), 'x.Q4_1.gguf'), 'no model at all')
  await writeFile(join(own(), 'x.Q4_1.gguf.lock'), '')
  const { models } = await cacheContents()
  expect(models.map(({ reference, quantization }) => [reference, quantization]).sort()).toEqual([
    [path, undefined],
    [join(own(), 'x.Q4_1.gguf'), 'Q4_1'],
  ])
  expect(await remove(path)).toBeGreaterThan(100_000)
  expect(await exists(path)).toBe(false)
})

test('a link that leads nowhere is no model', async () => {
  hub.add('m.gguf')
  const path = await resolveModel('hf:owner/repo/m.gguf')
  const cache = new RepoCache(join(home, 'hub'), 'owner/repo')
  await rm(cache.blob((await readdir(join(cache.directory, 'blobs')))[0]!))
  expect(await exists(path)).toBe(false)
  expect(await listed()).toEqual([])
})

test('what broken off downloads have left is told, and goes when it is asked for', async () => {
  const content = hub.add('m.gguf', 3000)
  const blobs = join(home, 'hub', 'models--owner--repo', 'blobs')
  await mkdir(blobs, { recursive: true })
  const path = join(blobs, `${sha256(content)}.incomplete`)
  await writeFile(path, content.subarray(0, 1234))
  const contents = await cacheContents()
  expect(contents.unfinished).toEqual([{ repo: 'owner/repo', path, sizeBytes: 1234 }])
  expect(await removeUnfinished(contents, contents.unfinished[0]!)).toBe(1234)
  expect(await removeUnfinished(contents, contents.unfinished[0]!)).toBe(0)
  expect((await cacheContents()).unfinished).toEqual([])
})

describe('by reference', () => {
  beforeEach(async () => {
    for (const file of ['m.Q4_0.gguf', 'm.Q8_0.gguf', 'n.Q8_0.gguf']) {
      hub.add(file)
      await resolveModel(`hf:owner/repo/${file}`)
    }
  })

  test('a quant, a path, a path of the content', async () => {
    const contents = await cacheContents()
    const model = findCached(contents, 'hf:owner/repo:q4_0')
    expect(model.reference).toBe('hf:owner/repo/m.Q4_0.gguf')
    expect(findCached(contents, model.path)).toBe(model)
    expect(findCached(contents, model.files[0]!.content)).toBe(model)
    expect(findCached(contents, `hf:owner/repo@${commit}:Q4_0`)).toBe(model)
  })

  test.each([
    ['hf:owner/repo:Q8_0', 'names several models in the cache. Name one of: hf:owner/repo/'],
    ['hf:owner/repo:Q2_K', 'is not in the cache'],
    ['hf:owner/repo/o.gguf', 'There is: hf:owner/repo/'],
    ['hf:owner/other/m.gguf', 'is not in the cache'],
    ['hf:owner/repo@v2/m.Q4_0.gguf', 'is not in the cache'],
    ['/no/such.gguf', 'is not in the cache'],
  ])('%s: %s', async (reference, message) => {
    const contents = await cacheContents()
    expect(() => findCached(contents, reference)).toThrow(
      expect.objectContaining({ code: 'MODEL_NOT_FOUND', message: expect.stringContaining(message) }),
    )
  })
})

test.each([
  'hf:owner/repo/m.gguf',
  'hf:owner/repo@v1.0/a/m.gguf',
  'hf:owner/repo@refs/pr/3/m.gguf',
  'hf:owner/repo@feature%2Fx/m.gguf',
])('%s is taken apart and put together', reference => {
  const parsed = parseReference(reference)
  expect(parsed.kind === 'hub-file' && writeReference(parsed)).toBe(reference)
})
