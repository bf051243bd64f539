import { defaultBatchSize, heldCells, sinkCopies } from '../../lib/engine/cache-constants.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import { estimateMemory, loadModel, type MemoryEstimateOptions } from '../../lib/index.js'
import { traitsOfHeader } from '../../lib/model/model-memory.js'
import { allocated } from '../tools/allocated.js'
import { attentionFamilies, learnedFamilies, recurrentFamilies } from '../tools/family-runs.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

// The truth is what llama.cpp says it allocates, in its log.

const families = [...attentionFamilies, ...recurrentFamilies, ...learnedFamilies]
const mib = (bytes: number): number => bytes / 2 ** 20

/** llama.cpp's figures have two decimals, one for each buffer. */
const rounding = 0.02

async function compare(path: string, options: MemoryEstimateOptions): Promise<{ cells: number }> {
  const found = await estimateMemory(path, { gpu: false, ...options })
  const real = await allocated(path, options)
  expect({ cells: found.cells }).toEqual({ cells: real.cells })
  expect(Math.abs(mib(found.weights) - real.weights)).toBeLessThan(rounding)
  expect(Math.abs(mib(found.cache) - real.cache)).toBeLessThan(rounding)
  expect(Math.abs(mib(found.state) - real.state)).toBeLessThan(rounding)
  const share = mib(found.compute) / real.compute
  expect(share).toBeGreaterThan(0.93)
  expect(share).toBeLessThan(1.16)
  return found
}

describe.each(families)('%s', kind => {
  test.each<[string, MemoryEstimateOptions]>([
    ['one chat', { window: 508 }],
    ['three chats in batches of 512', { window: 252, chats: 3, batchSize: 512 }],
    ['without flash attention', { window: 1020, sinks: 8, flashAttention: 'off' }],
    ['another policy, 32-bit keys and values', { window: 508, policy: 'dense', kvType: 'f32' }],
  ])('%s: weights, cache and states to the byte, computing within what is promised', async (_, options) => {
    await compare(tinyModel(kind), options)
  })

  test('the header tells the kind of memory that llama.cpp tells', async () => {
    const path = tinyModel(kind)
    const model = await loadModel(path, { gpu: false })
    const { isRecurrent, isHybrid, hasPositions, slidingWindow, trainedLength } = model.nativeInfo
    expect(traitsOfHeader(await checkModelFile(path))).toEqual({
      isRecurrent,
      isHybrid,
      hasPositions,
      slidingWindow,
      trainedLength,
    })
    await model.close()
  })
})

test.each<[TinyKind, MemoryEstimateOptions]>([
  ['llama', { window: 508, gpuLayers: 3 }],
  ['llama', { kvType: 'q8_0', window: 508 }],
  ['llama', { kvType: 'q4_0', window: 508 }],
  ['qwen2', { kvType: 'f32', window: 508 }],
  ['llama', { cacheTokens: 3000, window: 508 }],
  ['llama', { maxSequences: 20, window: 508 }],
  ['llama', { policy: 'recompute', window: 508 }],
  ['lfm2', { maxSequences: 20, window: 508 }],
])('%s with %j', async (kind, options) => {
  await compare(tinyModel(kind), options)
})

// llama.cpp rounds up to 256 cells, so only here one cell too many or too few would be seen.
test.each<[TinyKind, boolean]>([
  ['llama', false],
  ['lfm2', true],
])('%s: no cell is left of 768, and one token more takes 1024', async (kind, hasState) => {
  const sinks = 20
  const window = 768 - defaultBatchSize - heldCells - (1 + sinkCopies(hasState)) * sinks
  const path = tinyModel(kind)
  expect(await compare(path, { sinks, window })).toMatchObject({ sinks, window, cells: 768 })
  expect(await compare(path, { sinks, window: window + 1 })).toMatchObject({ sinks, window: window + 1, cells: 1024 })
})
