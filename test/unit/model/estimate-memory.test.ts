import type { NativeDevice } from '../../../lib/engine/native.js'
import { checkModelFile, type ModelHeader } from '../../../lib/gguf/check.js'
import { estimateMemory } from '../../../lib/index.js'
import {
  type DeviceNeed,
  estimateOf,
  type MemoryEstimateOptions,
  parseEstimateOptions,
} from '../../../lib/model/estimate-memory.js'
import { tinyModel } from '../../tools/tiny-models.js'

const model = tinyModel('llama')
const gpu = (memoryFree: number, memoryTotal = 8e9): NativeDevice => ({
  name: 'CUDA0',
  type: 'gpu',
  description: 'a card',
  backend: 'CUDA',
  memoryFree,
  memoryTotal,
})
const processor: Omit<DeviceNeed, 'needed' | 'layers'> = {
  device: 'cpu',
  name: 'a processor',
  free: 4e9,
  total: 8e9,
}
const estimate = (header: ModelHeader, options: MemoryEstimateOptions, devices: NativeDevice[] = []) =>
  estimateOf(header, parseEstimateOptions(options), { devices, notices: [] }, processor)

test('all parts are in the total, and it fits where that much is free', async () => {
  const found = await estimateMemory(model, { gpu: false, window: 1000 })
  const { weights, cache, state, compute, tables, total, devices, fits } = found
  expect(weights + cache + state + compute + tables).toBe(total)
  expect(devices).toEqual([expect.objectContaining({ device: 'cpu', layers: 4 })])
  expect(devices[0]!.needed).toBe(total)
  expect(devices[0]!.free).toBeGreaterThan(1e6)
  expect(fits).toBe(true)
  expect(found).toMatchObject({ sinks: 4, window: 1000, notes: [] })
})

test('it does not fit where less is free', async () => {
  const header = await checkModelFile(model)
  const { total } = estimate(header, {})
  const tight = estimateOf(
    header,
    parseEstimateOptions({}),
    { devices: [], notices: [] },
    { ...processor, free: total - 1 },
  )
  expect(tight.fits).toBe(false)
  expect(
    estimateOf(header, parseEstimateOptions({}), { devices: [], notices: [] }, { ...processor, free: total }).fits,
  ).toBe(true)
})

test('smaller types, fewer chats and shorter windows take less', async () => {
  const header = await checkModelFile(model)
  const { cache } = estimate(header, { window: 1000 })
  expect(estimate(header, { window: 1000, kvType: 'q8_0' }).cache).toBe((cache * 1.0625) / 2)
  expect(estimate(header, { window: 1000, kvType: 'f32' }).cache).toBe(cache * 2)
  expect(estimate(header, { window: 1000, chats: 4 }).cache).toBeGreaterThan(cache * 3)
  expect(estimate(header, { window: 100 }).cache).toBeLessThan(cache / 2)
  expect(estimate(header, { window: 1000, policy: 'dense' }).cache).toBeLessThanOrEqual(cache)
})

describe('with a GPU', () => {
  test('what is there is not here, but for the input', async () => {
    const header = await checkModelFile(model)
    const alone = estimate(header, {})
    const { devices, weights, cache, fits } = estimate(header, { gpuLayers: 99 }, [gpu(4e9)])
    const [here, there] = devices
    expect(devices).toEqual([
      expect.objectContaining({ device: 'cpu', layers: 0 }),
      { device: 'gpu', name: 'a card', free: 4e9, total: 8e9, layers: 4, needed: expect.any(Number) },
    ])
    expect({ weights, cache, fits }).toEqual({ weights: alone.weights, cache: alone.cache, fits: true })
    expect(there!.needed).toBeGreaterThan(alone.weights * 0.7 + alone.cache)
    expect(here!.needed).toBeLessThan(alone.total - alone.cache)
  })

  test('some layers', async () => {
    const header = await checkModelFile(model)
    const { devices } = estimate(header, { gpuLayers: 2 }, [gpu(4e9)])
    expect(devices.map(({ layers }) => layers)).toEqual([2, 2])
  })

  test('a driver that does not say what is free is no reason against it', async () => {
    const { devices, fits } = estimate(await checkModelFile(model), {}, [gpu(0, 0)])
    expect(devices[1]).toMatchObject({ free: undefined, total: undefined })
    expect(fits).toBe(true)
  })

  test('too little room there is told, and the rest stays here', async () => {
    const { devices, notes } = estimate(await checkModelFile(model), {}, [gpu(1e6)])
    expect(devices).toHaveLength(1)
    expect(notes).toEqual([expect.stringContaining('0 of 4 layers fit')])
  })
})

test('what is not counted is said', async () => {
  const header = await checkModelFile(model)
  const metadata = new Map([...header.metadata].map(([key, value]) => [key.replace(/^llama\./, 'glm-dsa.'), value]))
  const { notes } = estimate({ ...header, architecture: 'glm-dsa', metadata }, {})
  expect(notes).toEqual([expect.stringContaining('the keys of its indexer')])
})

test.each<[MemoryEstimateOptions, string, string]>([
  [{ kvtype: 'q8_0' } as MemoryEstimateOptions, 'UNKNOWN_OPTION', "did you mean 'kvType'"],
  [{ threads: 2 } as MemoryEstimateOptions, 'UNKNOWN_OPTION', 'estimateMemory'],
  [{ chats: 0 }, 'INVALID_OPTION', "'chats' must be a whole number from 1 to 64"],
  [{ chats: 9 }, 'NO_SEQUENCE_LEFT', '9 chats are more than the 8 of maxSequences'],
  [{ window: 500, chats: 4, cacheTokens: 1000 }, 'NO_SEQUENCE_LEFT', 'cacheTokens is 1000'],
  [{ window: 1_000_000 }, 'WINDOW_TOO_LARGE', 'trained on'],
  [{ kvType: 'q8_0', flashAttention: false }, 'INVALID_OPTION', 'needs flash attention'],
])('%j is refused', async (options, code, message) => {
  await expect(estimateMemory(model, { gpu: false, ...options })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
})

test('what is no model is refused as loadModel refuses it', async () => {
  await expect(estimateMemory('/no/such.gguf')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  await expect(estimateMemory(tinyModel('bert'), { gpu: false })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  const reason = new Error('enough')
  await expect(estimateMemory(model, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})
