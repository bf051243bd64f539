import { readFileSync, statSync } from 'node:fs'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { readModelFile } from '../../../lib/gguf/open.js'
import { GgufWriter } from '../../tools/gguf-writer.js'
import { tinyModel, tinyModelBytes } from '../../tools/tiny-models.js'
import { SeededRandom } from '../../tools/tiny-random.js'

test('a model is the same each time, and written once', () => {
  const path = tinyModel('llama')
  const written = statSync(path).mtimeMs
  expect(tinyModelBytes('llama').equals(readFileSync(path))).toBe(true)
  expect(tinyModel('llama')).toBe(path)
  expect(statSync(path).mtimeMs).toBe(written)
  expect(statSync(path).size).toBeLessThan(2_000_000)
})

test('each option makes another model', async () => {
  const variants = [
    {},
    { seed: 2 },
    { layers: 2 },
    { weights: 'f16' as const },
    { chatTemplate: null },
    { contextLength: 256 },
    { endBias: 6 },
  ]
  const paths = variants.map(options => tinyModel('llama', options))
  expect(new Set(paths).size).toBe(variants.length)
  for (const path of paths) await checkModelFile(path)
  expect(await checkModelFile(tinyModel('llama', { chatTemplate: null }))).not.toHaveProperty('chatTemplate')
  expect((await checkModelFile(tinyModel('llama', { contextLength: 256 }))).contextLength).toBe(256)
})

test('the incomplete vocabulary has no byte tokens', () => {
  const bytes = tinyModelBytes('llama', { vocabulary: 'incomplete' })
  expect(bytes.includes('<0x0A>')).toBe(false)
  expect(tinyModelBytes('llama').includes('<0x0A>')).toBe(true)
})

test('half precision is rounded to nearest', async () => {
  const values = [0, 1, -2, 0.1, 65504, 1 / 3, 1e-9, 2047.9]
  const bytes = new GgufWriter('test').tensor('t', [values.length], Float32Array.from(values), 'f16').toBuffer()
  const start = bytes.length - 32
  const halves = values.map((_, index) => bytes.readUInt16LE(start + index * 2))
  expect(halves).toEqual([0, 0x3c00, 0xc000, 0x2e66, 0x7bff, 0x3555, 0, 0x6800])
})

test('normal numbers have mean 0 and variance 1', () => {
  const random = new SeededRandom(7)
  const values = Array.from({ length: 20_000 }, () => random.normal())
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length
  expect(Math.abs(mean)).toBeLessThan(0.03)
  expect(Math.abs(variance - 1)).toBeLessThan(0.05)
})

test('f16 weights halve the matrices and leave the norms', async () => {
  const header = await readModelFile(tinyModel('llama', { weights: 'f16' }))
  expect(header.tensors.get('output.weight')!.type.name).toBe('F16')
  expect(header.tensors.get('output_norm.weight')!.type.name).toBe('F32')
})
