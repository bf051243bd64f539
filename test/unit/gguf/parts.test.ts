import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { failureOfFile, ModelDraft, temporaryDirectory } from './model-draft.js'

const directory = temporaryDirectory()
const part = (number: number) => join(directory, `model-0000${number}-of-00003.gguf`)

function split(draft: ModelDraft, number: number, tensors = 4): ModelDraft {
  return draft
    .with('split.no', 'uint16', number - 1)
    .with('split.count', 'uint16', 3)
    .with('split.tensors.count', 'int32', tensors)
}

function later(number: number, ...names: string[]): ModelDraft {
  const draft = new ModelDraft().withTensors(...names.map(name => ({ name, shape: [32] })))
  draft.entries = []
  return split(draft, number)
}

let sizes: number[]

beforeEach(() => {
  const first = split(new ModelDraft().withTensors({ name: 'a', shape: [32] }), 1)
  sizes = [first, later(2, 'b', 'position_embd.weight'), later(3, 'd')].map((draft, index) => {
    const bytes = draft.toBuffer()
    writeFileSync(part(index + 1), bytes)
    return bytes.length
  })
})

test('all parts make one model', async () => {
  const header = await checkModelFile(part(1))
  expect(header).toMatchObject({ path: part(1), splitCount: 3, hasLearnedPositions: true })
  expect(header.sizeBytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
  expect([...header.tensors]).toEqual(['a', 'b', 'position_embd.weight', 'd'])
})

test('a part that is missing is named', async () => {
  rmSync(part(3))
  const failure = await failureOfFile(part(1))
  expect(failure.code).toBe('MODEL_NOT_FOUND')
  expect(failure.message).toContain('model-00003-of-00003.gguf')
})

test('a part that is cut off is named', async () => {
  writeFileSync(part(2), later(2, 'b', 'c').toBuffer().subarray(0, -1))
  const failure = await failureOfFile(part(1))
  expect(failure.code).toBe('GGUF_TRUNCATED')
  expect(failure.message).toContain('model-00002-of-00003.gguf')
})

test('a later part leads to the first', async () => {
  const failure = await failureOfFile(part(2))
  expect(failure.code).toBe('MODEL_UNSUPPORTED')
  expect(failure.message).toContain('is part 2 of 3 of a model')
  expect(failure.message).toContain('-00001-of-00003.gguf')
})

test('a first part under another name does not find the others', async () => {
  const renamed = join(directory, 'model.gguf')
  renameSync(part(1), renamed)
  const failure = await failureOfFile(renamed)
  expect(failure.code).toBe('MODEL_NOT_FOUND')
  expect(failure.message).toContain('its name must end in -00001-of-00003.gguf')
})

test.each<[string, string, ModelDraft]>([
  ['out of order', 'by its name it is part 2 of 3', later(3, 'b', 'c')],
  ['with a tensor of another part', 'tensor "a" is in another part too', later(2, 'a', 'c')],
  ['of another model', 'hold 3 tensors, not as many as it announces', later(2, 'b')],
])('a part %s', async (_, reason, draft) => {
  writeFileSync(part(2), draft.toBuffer())
  const failure = await failureOfFile(part(1))
  expect(failure.message).toContain(reason)
  expect(failure.code).toBe('GGUF_MALFORMED')
})
