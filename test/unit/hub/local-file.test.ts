import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resolveModel } from '../../../lib/hub/resolve-model.js'
import { sha256 } from '../hub/fake-hub.js'
import { tempHome } from '../hub/temp-home.js'

let folder: string
let restore: () => Promise<void>

beforeEach(async () => {
  ;({ home: folder, restore } = await tempHome())
})
afterEach(() => restore())

test('a path, relative or not, and a file: URL give the absolute path', async () => {
  const path = join(folder, 'a b.gguf')
  await writeFile(path, 'x')
  expect(await resolveModel(path)).toBe(path)
  expect(await resolveModel(relative(process.cwd(), path))).toBe(path)
  expect(await resolveModel(pathToFileURL(path).href)).toBe(path)
})

test('a missing file is named by its absolute path, with a hint', async () => {
  await expect(resolveModel('no/such.gguf')).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: `There is no file at ${join(process.cwd(), 'no/such.gguf')}. For a Hugging Face model write hf:owner/repo/file.gguf`,
  })
  await expect(resolveModel('owner/repo:Q4_0')).rejects.toThrow('write hf:owner/repo:Q4_0')
})

test('a folder is no model', async () => {
  await mkdir(join(folder, 'm.gguf'))
  await expect(resolveModel(join(folder, 'm.gguf'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})

test('any part of a split model gives the first, and a missing part is named', async () => {
  const part = (n: number) => join(folder, `m-0000${n}-of-00003.gguf`)
  await writeFile(part(1), '1')
  await writeFile(part(2), '2')
  await expect(resolveModel(part(2))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    message: expect.stringContaining(part(3)),
    details: { path: part(3) },
  })
  await writeFile(part(3), '3')
  expect(await resolveModel(part(2))).toBe(part(1))
})

test('sha256 is checked for local files too', async () => {
  const path = join(folder, 'm.gguf')
  await writeFile(path, 'x')
  expect(await resolveModel(path, { sha256: sha256(Buffer.from('x')).toUpperCase() })).toBe(path)
  await expect(resolveModel(path, { sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  await expect(resolveModel(path, { sha256: 'abc' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})
