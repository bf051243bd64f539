import { evaluationAddonPath } from '../../research/evaluation/addon.js'
import { attentionMaps } from '../../research/evaluation/attention.js'
import { seeded } from '../tools/random.js'
import { readReferenceModel } from '../tools/reference/model.js'
import { tinyModel } from '../tools/tiny-models.js'

beforeAll(() => evaluationAddonPath())

test('attention weights are probabilities over what a token may see', async () => {
  const path = tinyModel('llama')
  const random = seeded(5)
  const { vocabulary, layers } = readReferenceModel(path)
  const [length, texts] = [16, 3]
  const tokens = Int32Array.from({ length: length * texts }, () => random.below(vocabulary))
  const seen: number[] = []
  const maps = await attentionMaps({ model: path, tokens, length }, done => seen.push(done))
  expect(seen.at(-1)).toBe(texts)
  expect(maps.layers).toBe(layers.length)
  for (let layer = 0; layer < maps.layers; layer++) {
    for (let query = 0; query < length; query++) {
      const row = maps.weights.subarray((layer * length + query) * length, (layer * length + query + 1) * length)
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5)
      expect(row.subarray(query + 1).every(weight => weight === 0)).toBe(true)
      if (query > 2) expect(Math.max(...row)).toBeLessThan(1)
    }
  }
  // The mean over texts is what the texts give alone.
  const alone = await Promise.all(
    Array.from({ length: texts }, (_, i) =>
      attentionMaps({ model: path, tokens: tokens.slice(i * length, (i + 1) * length), length }),
    ),
  )
  maps.weights.forEach((weight, i) =>
    expect(weight).toBeCloseTo(alone.reduce((sum, one) => sum + one.weights[i]!, 0) / texts, 6),
  )
})

test('says what it cannot do', async () => {
  await expect(
    attentionMaps({ model: tinyModel('llama'), tokens: new Int32Array(17), length: 16 }),
  ).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(
    attentionMaps({ model: tinyModel('llama'), tokens: new Int32Array(16).fill(1e6), length: 16 }),
  ).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(
    attentionMaps({ model: tinyModel('mamba'), tokens: new Int32Array(16), length: 16 }),
  ).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
})
