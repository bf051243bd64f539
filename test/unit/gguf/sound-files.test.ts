import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { quantizationName } from '../../../lib/gguf/file-types.js'
import { tokenTexts } from '../../../lib/gguf/token-texts.js'
import { chatML, type TinyKind, tinyModel } from '../../tools/tiny-models.js'
import { ModelDraft, temporaryDirectory } from './model-draft.js'

const directory = temporaryDirectory()

async function check(draft: ModelDraft) {
  const path = join(directory, 'model.gguf')
  writeFileSync(path, draft.toBuffer())
  return checkModelFile(path)
}

const decoders: TinyKind[] = ['llama', 'qwen2', 'qwen2vl', 'bloom', 'gpt2', 'gemma2', 'jamba', 'lfm2', 'mamba']

test.each(decoders)('a %s model passes', async kind => {
  const path = tinyModel(kind)
  const header = await checkModelFile(path)
  expect(header).toMatchObject({
    path,
    architecture: kind,
    name: `tiny ${kind}`,
    contextLength: 2048,
    chatTemplate: chatML,
    hasLearnedPositions: kind === 'gpt2',
    sizeBytes: statSync(path).size,
    splitCount: 1,
  })
  expect(header.tensors).toContain('token_embd.weight')
})

test('metadata keep scalars, strings, short arrays of numbers, and of other arrays their length and first texts', async () => {
  const header = await check(
    new ModelDraft()
      .with('test.flag', 'bool', true)
      .with('test.small', 'int8', -5)
      .with('test.half', 'float32', 0.5)
      .with('test.big', 'uint64', 2n ** 60n)
      .with('test.number', 'uint64', 7)
      .with('test.text', 'string', 'gr\u00fc\u00df')
      .with('test.figures', 'int32', [1, 2])
      .with(
        'test.many',
        'int32',
        Array.from({ length: 2000 }, () => 1),
      )
      .with(
        'test.languages',
        'string',
        Array.from({ length: 20 }, (_, index) => `l${index}`),
      ),
  )
  expect(Object.fromEntries(header.metadata)).toMatchObject({
    'general.architecture': 'llama',
    'tokenizer.ggml.tokens': { arrayLength: 4 },
    'tokenizer.ggml.scores': { arrayLength: 4 },
    'test.flag': true,
    'test.small': -5,
    'test.half': 0.5,
    'test.big': 2n ** 60n,
    'test.number': 7,
    'test.text': 'gr\u00fc\u00df',
    'test.figures': { arrayLength: 2, values: [1, 2] },
    'test.languages': { arrayLength: 20, values: ['l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'l6', 'l7'] },
  })
  expect(header.metadata.get('test.many')).toEqual({ arrayLength: 2000 })
})

test('name and chat template are left out where the file has none', async () => {
  const header = await check(new ModelDraft())
  expect(header).not.toHaveProperty('name')
  expect(header).not.toHaveProperty('chatTemplate')
})

test('version 2 passes', async () => {
  const bytes = new ModelDraft().toBuffer()
  bytes.writeUInt32LE(2, 4)
  const path = join(directory, 'two.gguf')
  writeFileSync(path, bytes)
  await expect(checkModelFile(path)).resolves.toMatchObject({ architecture: 'llama' })
})

test('strings larger than the reading window are read, or passed over where they are not needed', async () => {
  const template = 'x'.repeat(300_000)
  const header = await check(
    new ModelDraft()
      .with('tokenizer.chat_template', 'string', template)
      .with('tokenizer.huggingface.json', 'string', 'y'.repeat(5_000_000))
      .with('test.merges', 'string', ['a b', 'z'.repeat(400_000), 'c d']),
  )
  expect(header.chatTemplate).toBe(template)
  expect(header.metadata.get('tokenizer.huggingface.json')).toEqual({ byteLength: 5_000_000 })
  expect(header.metadata.get('test.merges')).toEqual({ arrayLength: 3, values: ['a b'] })
})

test.each<[string, (draft: ModelDraft) => ModelDraft]>([
  ['an id that means "none"', draft => draft.with('tokenizer.ggml.eos_token_id', 'uint32', 0xffff_ffff)],
  // llama.cpp warns of these and goes on
  ['a padding token beyond the vocabulary', draft => draft.with('tokenizer.ggml.padding_token_id', 'uint32', 4)],
  ['more scores than tokens', draft => draft.with('tokenizer.ggml.scores', 'float32', [0, 0, 0, 0, 0])],
  ['several empty tokens', draft => draft.with('tokenizer.ggml.tokens', 'string', ['', '', '', 'a'])],
  ['head counts for each layer', draft => draft.with('llama.attention.head_count', 'int32', [0, 4])],
  ['experts', draft => draft.with('llama.expert_count', 'uint32', 8).with('llama.expert_used_count', 'uint32', 2)],
  ['a data part that ends with the last tensor', draft => draft],
])('%s passes', async (_, edit) => {
  await expect(check(edit(new ModelDraft()))).resolves.toMatchObject({ architecture: 'llama' })
})

test('the weights are counted, and their quantization named', async () => {
  const header = await checkModelFile(tinyModel('llama', { weights: 'f16' }))
  expect(header.quantization).toBe('F16')
  expect(header.weightBytes.total).toBeLessThan(header.sizeBytes)
  expect(header.weightBytes.total).toBeGreaterThan(
    header.weightBytes.output + header.weightBytes.layers.reduce((sum, bytes) => sum + bytes, 0),
  )
  expect(header.parameters).toBeGreaterThan(header.weightBytes.total / 4)
  expect(quantizationName(15, new Map([['Q6_K', 9]]))).toBe('Q4_K_M')
  expect(
    quantizationName(
      99,
      new Map([
        ['Q6_K', 9],
        ['F32', 1],
      ]),
    ),
  ).toBe('Q6_K')
})

test('texts of single tokens are read where they are asked for', async () => {
  const header = await checkModelFile(tinyModel('llama'))
  const texts = await tokenTexts(header, [2, 1, 5_000_000])
  expect(texts.get(1)).toBe('<s>')
  expect(texts.get(2)).toBe('</s>')
  expect(texts.size).toBe(2)
})
