import { readFileSync } from 'node:fs'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { tokenTexts } from '../../../lib/gguf/token-texts.js'
import { readModelHeader } from '../../../lib/hub/model-header.js'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { tinyModel } from '../../tools/tiny-models.js'
import { ModelDraft } from '../gguf/model-draft.js'
import { commit, FakeHub } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

let hub: FakeHub
let restore: () => Promise<void>
const model = tinyModel('llama')

beforeEach(async () => {
  hub = await FakeHub.start()
  ;({ restore } = await tempHome(hub.endpoint))
})
afterEach(async () => {
  await hub.stop()
  await restore()
})

/** A model whose weights are far larger than its header. */
function addLarge(file = 'm.Q4_0.gguf'): Buffer {
  const content = Buffer.concat([readFileSync(model), Buffer.alloc(20_000_000)])
  hub.files.set(file, content)
  return content
}

test('only the beginning of a model that is not in the cache is fetched', async () => {
  addLarge()
  const { header, openSource, isLocal } = await readModelHeader('hf:owner/repo/m.Q4_0.gguf')
  const { path: _, sizeBytes, ...local } = await checkModelFile(model)
  expect(isLocal).toBe(false)
  expect(header).toMatchObject({ ...local, path: 'hf:owner/repo/m.Q4_0.gguf', sizeBytes: sizeBytes + 20_000_000 })
  expect(hub.storageHits.map(({ range }) => range)).toEqual(['bytes=0-2097151'])
  // What was fetched is read again.
  expect(await tokenTexts(header, [1], openSource)).toEqual(new Map([[1, '<s>']]))
  expect(hub.storageHits).toHaveLength(1)
})

test('a quant is looked up, and a revision kept to', async () => {
  addLarge()
  const { header } = await readModelHeader('hf:owner/repo:Q4_0')
  expect(header.path).toBe('hf:owner/repo/m.Q4_0.gguf')
  await expect(readModelHeader('hf:owner/repo:Q8_0')).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining('Q4_0'),
  })
  await expect(readModelHeader('hf:owner/repo@v2/m.Q4_0.gguf')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('one that is in the cache is taken from there, without a request', async () => {
  hub.files.set('m.Q4_0.gguf', readFileSync(model))
  const path = await resolveModel('hf:owner/repo/m.Q4_0.gguf')
  const before = hub.hubHits.length
  for (const reference of ['hf:owner/repo/m.Q4_0.gguf', 'hf:owner/repo:Q4_0']) {
    expect(await readModelHeader(reference)).toMatchObject({ isLocal: true, header: { path } })
  }
  expect(hub.hubHits).toHaveLength(before)
})

test('all parts of a split model, whichever is named, of the commit that the first one has', async () => {
  const part = (number: number) => `m-Q4_0-0000${number}-of-00002.gguf`
  const draft = (number: number, ...names: string[]) =>
    new ModelDraft()
      .withTensors(...names.map(name => ({ name, shape: [32] })))
      .with('split.no', 'uint16', number - 1)
      .with('split.count', 'uint16', 2)
      .with('split.tensors.count', 'int32', 2)
  hub.files.set(part(1), draft(1, 'a').toBuffer())
  const second = draft(2, 'b')
  second.entries = second.entries.filter(({ key }) => key.startsWith('split.'))
  hub.files.set(part(2), second.toBuffer())
  for (const reference of [`hf:owner/repo/${part(2)}`, 'hf:owner/repo:Q4_0']) {
    const { header } = await readModelHeader(reference)
    expect(header).toMatchObject({ path: `hf:owner/repo/${part(1)}`, splitCount: 2, parameters: 64 })
  }
  expect(
    hub.hubHits
      .filter(({ method, url }) => method === 'HEAD' && url.includes('00002-of'))
      .every(({ url }) => url.includes(commit)),
  ).toBe(true)
})

test('offline, one that is not there is not found', async () => {
  addLarge()
  process.env['HF_HUB_OFFLINE'] = '1'
  await expect(readModelHeader('hf:owner/repo/m.Q4_0.gguf')).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining('HF_HUB_OFFLINE'),
  })
  expect(hub.hubHits).toHaveLength(0)
})

test('broken connections are tried again, and a server that sends no parts is told', async () => {
  addLarge()
  hub.cuts = [1000]
  await expect(readModelHeader('hf:owner/repo/m.Q4_0.gguf')).resolves.toMatchObject({
    header: { architecture: 'llama' },
  })
  expect(hub.storageHits).toHaveLength(2)
  // Of everything, the beginning is taken.
  hub.ignoreRange = true
  await expect(readModelHeader('hf:owner/repo/m.Q4_0.gguf')).resolves.toMatchObject({
    header: { architecture: 'llama' },
  })
})

test('what is no model is told as for a file', async () => {
  hub.files.set('m.gguf', Buffer.from('<!doctype html><html>'.repeat(10)))
  await expect(readModelHeader('hf:owner/repo/m.gguf')).rejects.toMatchObject({
    code: 'NOT_A_GGUF',
    message: expect.stringContaining('a web page'),
  })
  hub.files.set('short.gguf', readFileSync(model).subarray(0, 5000))
  await expect(readModelHeader('hf:owner/repo/short.gguf')).rejects.toMatchObject({ code: 'GGUF_TRUNCATED' })
})

test('it can be given up', async () => {
  addLarge()
  hub.failures = [503, 503]
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 50)
  await expect(readModelHeader('hf:owner/repo/m.Q4_0.gguf', { signal: controller.signal })).rejects.toBe(reason)
})
