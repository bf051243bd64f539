import { join } from 'node:path'
import { failureOf, ModelDraft, temporaryDirectory } from './model-draft.js'

const path = join(temporaryDirectory(), 'model.gguf')

test.each([0, 1, 3, 4, 8, 23])('a file of %i bytes is shorter than any header', async length => {
  const failure = await failureOf(path, new ModelDraft().toBuffer().subarray(0, length))
  expect(failure.code).toBe('GGUF_TRUNCATED')
  expect(failure.details).toMatchObject({ expectedBytes: 24, actualBytes: length })
})

test('a file that ends within its header', async () => {
  const bytes = new ModelDraft().toBuffer()
  const length = bytes.indexOf('llama.block_count') + 5
  const failure = await failureOf(path, bytes.subarray(0, length))
  expect(failure.code).toBe('GGUF_TRUNCATED')
  expect(failure.details).toMatchObject({ expectedBytes: length + 12, actualBytes: length })
  expect(failure.message).toContain(`needs at least ${length + 12} bytes, and the file has ${length}`)
})

test('a file that ends within the data of its last tensor', async () => {
  // the last tensor, of 32 * 4 floats, needs no padding after it
  const bytes = new ModelDraft().toBuffer()
  const failure = await failureOf(path, bytes.subarray(0, bytes.length - 1))
  expect(failure.code).toBe('GGUF_TRUNCATED')
  expect(failure.details).toMatchObject({ expectedBytes: bytes.length, actualBytes: bytes.length - 1 })
})

test('an array that claims more strings than the file has room for', async () => {
  const bytes = new ModelDraft().toBuffer()
  const count = bytes.indexOf('tokenizer.ggml.tokens') + 'tokenizer.ggml.tokens'.length + 8
  bytes.writeBigUInt64LE(100_000n, count)
  expect((await failureOf(path, bytes)).code).toBe('GGUF_TRUNCATED')
})
