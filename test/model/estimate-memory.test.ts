import { estimateMemory, loadModel, type MemoryEstimateOptions } from '../../lib/index.js'
import { allocated } from '../tools/allocated.js'
import { realModelPath as path } from '../tools/real-model-path.js'

const mib = (bytes: number): number => bytes / 2 ** 20

test.each<MemoryEstimateOptions>([
  { window: 508 },
  { window: 4000, reanchorEvery: 100 },
  { window: 1020, batchSize: 512 },
  { window: 1020, batchSize: 512, flashAttention: 'off' },
  { window: 1020, kvType: 'q8_0', chats: 4 },
  { window: 1020, kvType: 'f32' },
  { window: 1020, maxSequences: 32 },
])('SmolLM2-135M with %j takes what was estimated', async options => {
  const found = await estimateMemory(path, { gpu: false, ...options })
  const real = await allocated(path, options)
  expect(found.cells).toBe(real.cells)
  for (const part of ['weights', 'cache', 'state'] as const)
    expect(Math.abs(mib(found[part]) - real[part])).toBeLessThan(0.02)
  const share = mib(found.compute) / real.compute
  expect(share).toBeGreaterThan(0.98)
  expect(share).toBeLessThan(1.07)
})

test('its name, size and licence', async () => {
  const model = await loadModel(path, { gpu: false })
  expect(model.info).toMatchObject({
    architecture: 'llama',
    quantization: 'Q4_1',
    parameters: model.nativeInfo.parameters,
    layers: 30,
    licence: 'apache-2.0',
    memory: { kind: 'attention' },
  })
  await model.close()
})
