import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { readModelFile } from '../../../lib/gguf/open.js'
import { type TinyKind, tinyModel } from '../../tools/tiny-models.js'
import { SeededRandom } from '../../tools/tiny-random.js'
import { temporaryDirectory } from './model-draft.js'

// Whatever is damaged: the check passes or throws a typed error of the file, soon and without much memory.

const path = join(temporaryDirectory(), 'model.gguf')
const codes = ['NOT_A_GGUF', 'GGUF_TRUNCATED', 'GGUF_MALFORMED', 'MODEL_UNSUPPORTED']

async function outcome(): Promise<string> {
  const failure: unknown = await checkModelFile(path).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure === undefined) return 'passes'
  if (!StreamingLLMError.isInstance(failure)) throw failure
  expect(codes).toContain(failure.code)
  expect(failure.message.length).toBeLessThan(1000)
  return failure.code
}

/** A file with this beginning and zeros up to the size, which take no room on most disks. */
function writeSparse(beginning: Buffer, size: number): void {
  const file = openSync(path, 'w')
  writeSync(file, beginning)
  ftruncateSync(file, size)
  closeSync(file)
}

async function small(kind: TinyKind) {
  const model = tinyModel(kind, { layers: 2, width: 64, heads: 2, contextLength: 512 })
  const bytes = readFileSync(model)
  const { dataOffset } = await readModelFile(model)
  return { bytes, header: bytes.subarray(0, dataOffset), size: bytes.length }
}

test('a model cut off anywhere is found to be truncated', async () => {
  const { bytes } = await small('llama')
  const random = new SeededRandom(1)
  for (let round = 0; round < 300; round++) {
    // half of them within the header
    const length = random.integer(round % 2 === 0 ? bytes.length : 12_000)
    writeFileSync(path, bytes.subarray(0, length))
    expect({ length, code: await outcome() }).toEqual({ length, code: 'GGUF_TRUNCATED' })
  }
})

test.each<[TinyKind, number]>([
  ['llama', 2],
  ['gpt2', 3],
  ['jamba', 4],
])('bytes of the header of a %s model overwritten', async (kind, seed) => {
  const { header, size } = await small(kind)
  const random = new SeededRandom(seed)
  const seen = new Set<string>()
  for (let round = 0; round < 600; round++) {
    const damaged = Buffer.from(header)
    const count = 1 + random.integer(round % 3 === 0 ? 64 : 2)
    for (let index = 0; index < count; index++) {
      const at = random.integer(header.length)
      const choices = [random.integer(256), 0, 255, damaged[at]! ^ (1 << random.integer(8))]
      damaged[at] = choices[random.integer(choices.length)]!
    }
    writeSparse(damaged, size)
    seen.add(await outcome())
  }
  expect(seen).toContain('GGUF_MALFORMED')
  expect(seen).toContain('GGUF_TRUNCATED')
})

test('noise after a sound beginning', async () => {
  const { header, size } = await small('llama')
  const random = new SeededRandom(5)
  for (let round = 0; round < 200; round++) {
    const noisy = Buffer.from(header)
    for (let at = 24 + random.integer(header.length - 24); at < noisy.length; at++) noisy[at] = random.integer(256)
    writeSparse(noisy, size)
    await outcome()
  }
})

test('an array that claims millions of strings costs little memory', async () => {
  const { header } = await small('llama')
  const damaged = Buffer.from(header)
  const key = 'tokenizer.ggml.tokens'
  damaged.writeBigUInt64LE(1_000_000n, damaged.indexOf(key) + key.length + 8)
  const before = process.memoryUsage().rss
  // zeros are strings of length 0, so the array goes on for eight million bytes
  writeSparse(damaged.subarray(0, damaged.indexOf(key) + key.length + 16), 64 * 1024 ** 2)
  expect(await outcome()).toBe('GGUF_MALFORMED')
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2)
})
