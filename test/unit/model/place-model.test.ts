import { layersThatFit } from '../../../lib/backend/fit-layers.js'
import type { NativeDevice, NativeModel } from '../../../lib/engine/native.js'
import type { ModelHeader } from '../../../lib/gguf/check.js'
import { parseModelOptions } from '../../../lib/model/parse-options.js'
import { loadPlaced, modelDevice, type Placement, placeModel } from '../../../lib/model/place-model.js'

const layerBytes = 200e6
const header: ModelHeader = {
  path: '/m.gguf',
  architecture: 'llama',
  contextLength: 8192,
  tensors: new Set(),
  shapes: new Map(),
  hasLearnedPositions: false,
  sizeBytes: 0,
  splitCount: 1,
  tokensPosition: 0,
  parameters: 0,
  quantization: 'Q4_K_M',
  weightBytes: { layers: Array.from({ length: 32 }, () => layerBytes), output: 400e6, total: 32 * layerBytes + 800e6 },
  metadata: new Map<string, number | { arrayLength: number }>([
    ['llama.embedding_length', 4096],
    ['llama.attention.head_count', 32],
    ['llama.attention.head_count_kv', 8],
    ['llama.feed_forward_length', 14336],
    ['tokenizer.ggml.tokens', { arrayLength: 128_256 }],
  ]),
}
const gpu = (free: number, name = 'CUDA0'): NativeDevice => ({
  name,
  type: 'gpu',
  description: `the ${name}`,
  backend: 'CUDA',
  memoryFree: free,
  memoryTotal: 24e9,
})
const processor: NativeDevice = {
  name: 'CPU',
  type: 'cpu',
  description: 'a processor',
  backend: 'CPU',
  memoryFree: 8e9,
  memoryTotal: 16e9,
}
const place = (devices: NativeDevice[], options = {}): Placement =>
  placeModel(header, parseModelOptions(options), { devices, notices: [] })

test('all layers where there is room, and none where there is no GPU', () => {
  expect(place([gpu(24e9)])).toEqual({ devices: ['CUDA0'], gpuLayers: 33, notices: [] })
  expect(place([])).toEqual({ devices: [], gpuLayers: 0, notices: [] })
})

test('as many as fit, and that is announced', () => {
  const { gpuLayers, notices } = place([gpu(4e9)])
  expect(gpuLayers).toBeGreaterThan(5)
  expect(gpuLayers).toBeLessThan(17) // 400 MB of output and 16 layers of 200 MB are 3.6 GB
  expect(notices).toEqual([
    expect.stringContaining(`${gpuLayers} of 33 layers fit into the 4000 MB that are free on the CUDA0`),
  ])
})

test('adapters take room as well', () => {
  const layers = (loraBytes: number) =>
    placeModel(header, parseModelOptions({}), { devices: [gpu(4e9)], notices: [] }, loraBytes).gpuLayers
  expect(layers(0) - layers(1e9)).toBeGreaterThan(3) // of 200 MB and their part of the cache
  expect(layers(4e9)).toBe(0)
})

test('more memory, a shorter cache or a smaller type never mean fewer layers', () => {
  const fit = (free: number, cells = 4096, bytesPerValue = 2): number =>
    layersThatFit(header, { cells, bytesPerValue, batchSize: 128 }, free)
  let last = 0
  for (let free = 0; free <= 10e9; free += 0.1e9) {
    const count = fit(free)
    expect(count).toBeGreaterThanOrEqual(last)
    expect(fit(free, 1024)).toBeGreaterThanOrEqual(count)
    expect(fit(free, 4096, 0.5625)).toBeGreaterThanOrEqual(count)
    last = count
  }
  expect(fit(0)).toBe(0)
  expect(last).toBe(33)
})

test('the weights and the cache of what is placed are within what is free', () => {
  for (let free = 1e9; free < 9e9; free += 0.37e9) {
    const count = layersThatFit(header, { cells: 8192, bytesPerValue: 2, batchSize: 512 }, free)
    const cache = 8192 * 2 * 1024 * 2 // keys and values of 8 heads of 128
    expect(count === 0 ? 0 : 400e6 + (count - 1) * (layerBytes + cache)).toBeLessThan(free)
  }
})

test('several devices count together; one that does not say what it has gets all', () => {
  expect(place([gpu(4e9), gpu(20e9, 'CUDA1')])).toMatchObject({ devices: ['CUDA0', 'CUDA1'], gpuLayers: 33 })
  expect(place([gpu(0)]).gpuLayers).toBe(33)
})

test('a number is taken as it is, up to what the model has', () => {
  expect(place([gpu(1e9)], { gpuLayers: 20 })).toMatchObject({ gpuLayers: 20, notices: [] })
  expect(place([gpu(1e9)], { gpuLayers: 99 }).gpuLayers).toBe(33)
  expect(place([], { gpuLayers: 20 }).gpuLayers).toBe(0)
})

test('servers get all layers, also on a machine without a GPU', () => {
  expect(place([], { rpc: ['host:1'] })).toEqual({ devices: [], gpuLayers: 33, notices: [] })
  expect(place([], { rpc: ['host:1'], gpuLayers: 7 }).gpuLayers).toBe(7)
})

const failing = (code: string, message: string): Error => Object.assign(new Error(message), { code })

test('where it does not fit after all, half as many are tried, and each step is announced', async () => {
  const tried: number[] = []
  const { placement } = await loadPlaced({ devices: ['CUDA0'], gpuLayers: 33, notices: ['first'] }, true, next => {
    tried.push(next.gpuLayers)
    return next.gpuLayers > 8
      ? Promise.reject(failing('MODEL_LOAD_FAILED', 'unable to allocate CUDA0 buffer'))
      : Promise.resolve({} as NativeModel)
  })
  expect(tried).toEqual([33, 16, 8])
  expect(placement.notices).toEqual([
    'first',
    expect.stringContaining('16 are tried'),
    expect.stringContaining('8 are tried'),
  ])
})

test.each([
  ['a number of layers is kept to', false, 'MODEL_LOAD_FAILED', 'unable to allocate buffer'],
  ['a broken file is not tried again', true, 'MODEL_LOAD_FAILED', 'tensor has the wrong shape'],
  ['nor what was aborted', true, 'ABORTED', 'loading was aborted, buffer or not'],
])('%s', async (_, automatic, code, message) => {
  let times = 0
  await expect(
    loadPlaced({ devices: ['CUDA0'], gpuLayers: 33, notices: [] }, automatic, () => {
      times++
      return Promise.reject(failing(code, message))
    }),
  ).rejects.toMatchObject({ code })
  expect(times).toBe(1)
})

test('what a model says of its device', () => {
  const all = [processor, gpu(4e9), gpu(6e9, 'CUDA1')]
  const device = (placement: Omit<Placement, 'notices'>, options = {}) =>
    modelDevice(header, parseModelOptions(options), { notices: [], ...placement }, all)
  expect(device({ devices: [], gpuLayers: 0 })).toEqual({
    backend: 'CPU',
    name: 'a processor',
    memory: { free: 8e9, total: 16e9 },
    layers: { offloaded: 0, total: 33 },
  })
  expect(device({ devices: ['CUDA0', 'CUDA1'], gpuLayers: 33 })).toEqual({
    backend: 'CUDA',
    name: 'the CUDA0, the CUDA1',
    memory: { free: 10e9, total: 48e9 },
    layers: { offloaded: 33, total: 33 },
  })
  expect(device({ devices: ['CUDA0'], gpuLayers: 0 })).toMatchObject({ backend: 'CPU' })
  expect(device({ devices: [], gpuLayers: 33 }, { rpc: ['host:1'] })).toMatchObject({
    backend: 'RPC',
    name: 'host:1',
    layers: { offloaded: 33, total: 33 },
  })
})
