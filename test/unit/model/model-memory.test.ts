import { cacheLimits } from '../../../lib/engine/cache-geometry.js'
import type { NativeModelInfo } from '../../../lib/engine/native.js'
import type { ModelHeader } from '../../../lib/gguf/check.js'
import { modelMemory } from '../../../lib/model/model-memory.js'
import type { PolicyOptions } from '../../../lib/options/parse.js'

const info = {
  isHybrid: false,
  isRecurrent: false,
  slidingWindow: 0,
  hasPositions: true,
  trainedLength: 32_768,
} as NativeModelInfo

function memory(
  architecture: string,
  hparams: Record<string, number> = {},
  more: Partial<NativeModelInfo> & { learned?: boolean } = {},
) {
  const { learned = false, ...changes } = more
  const metadata = new Map(Object.entries(hparams).map(([key, value]) => [`${architecture}.${key}`, value]))
  return modelMemory({ ...info, ...changes }, {
    path: 'm.gguf',
    architecture,
    metadata,
    hasLearnedPositions: learned,
  } as unknown as ModelHeader)
}

const limits = (of: ReturnType<typeof memory>, options: PolicyOptions, trainedLength = 32_768, cacheTokens?: number) =>
  cacheLimits({ policy: 'streaming', ...options }, { trainedLength, batchSize: 128, cacheTokens, memory: of })

describe('the memory of a model', () => {
  test.each([
    ['llama', {}, {}, { kind: 'attention', eviction: 'evict', sinksMove: true }],
    ['gemma3', {}, { slidingWindow: 512 }, { kind: 'sliding window', eviction: 'evict', sinksMove: true }],
    ['lfm2', {}, { isHybrid: true }, { kind: 'hybrid', eviction: 'evict', sinksMove: true }],
    ['jamba', {}, { isHybrid: true, hasPositions: false }, { kind: 'hybrid', sinksMove: false }],
    ['bloom', {}, { hasPositions: false }, { kind: 'attention', sinksMove: true }], // ALiBi
    ['mamba', {}, { isRecurrent: true, hasPositions: false }, { kind: 'recurrent', sinksMove: false }],
    ['gpt2', {}, { learned: true, hasPositions: false }, { eviction: 'refill', lastPosition: 32_768 }],
    ['starcoder', {}, { learned: true }, { eviction: 'refill', lastPosition: 32_768 }], // although llama.cpp calls it RoPE
    ['deepseek4', {}, {}, { eviction: 'refill' }],
    ['llama4', {}, {}, { eviction: 'evict', positionLimit: 8192 }],
    [
      'mistral3',
      { 'attention.temperature_scale': 0.1, 'rope.scaling.original_context_length': 16_384 },
      {},
      { positionLimit: 16_384 },
    ],
    [
      'deepseek2',
      { 'attention.temperature_scale': 0.1, 'attention.temperature_length': 4096 },
      {},
      { positionLimit: 4096 },
    ],
    ['mistral3', { 'attention.temperature_scale': 0 }, {}, { eviction: 'evict', sinksMove: true }],
  ] as const)('%s with %j %j', (architecture, hparams, more, expected) => {
    const found = memory(architecture, hparams, more)
    expect(found).toMatchObject(expected)
    expect(found.reason).toMatch(/^\S.{20,}$/)
  })

  test('a temperature without a length would end the process at the first decode', () => {
    expect(() => memory('deepseek2', { 'attention.temperature_scale': 0.1 })).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }),
    )
  })
})

describe('policies and sizes', () => {
  const attention = memory('llama')

  test('all policies keep the same number of tokens', () => {
    const given = { sinks: 4, window: 1020 }
    expect(limits(attention, given)).toMatchObject({ policy: 'streaming', sinks: 4, window: 1020, reanchorEvery: 256 })
    expect(limits(attention, { ...given, policy: 'window' })).toMatchObject({
      policy: 'streaming',
      sinks: 0,
      window: 1024,
    })
    expect(limits(attention, { ...given, policy: 'dense' })).toMatchObject({ policy: 'dense', sinks: 0, window: 1024 })
    expect(limits(attention, { ...given, policy: 'recompute' })).toMatchObject({
      policy: 'recompute',
      sinks: 0,
      window: 1024,
    })
  })

  test.each([undefined, 2048] as const)('defaults fit a cache of %s tokens', cacheTokens => {
    for (const policy of ['streaming', 'window', 'dense', 'recompute'] as const) {
      const { sinks, window, policy: native } = limits(attention, { policy }, 32_768, cacheTokens)
      const needed = 128 + (native === 'streaming' ? 2 * sinks + window + 64 : sinks + window + 1)
      expect(needed).toBeLessThanOrEqual(cacheTokens ?? 5000)
      expect(window).toBeGreaterThan(1500)
    }
  })

  test('positions stay below the limit of a model that has one, or are refilled where that is too near', () => {
    const limited = memory('deepseek2', { 'attention.temperature_scale': 0.1, 'attention.temperature_length': 4096 })
    expect(limits(limited, { window: 1000 })).toMatchObject({ policy: 'streaming', rebaseAfter: 4096 - 128 - 64 })
    expect(limits(limited, { window: 4000 })).toMatchObject({ policy: 'refill', sinks: 4, window: 4000 })
  })

  test('learned positions are refilled, and none is asked for that is not there', () => {
    const learned = memory('gpt2', {}, { learned: true, trainedLength: 1024 })
    expect(limits(learned, { window: 1020 }, 1024)).toMatchObject({ policy: 'refill', sinks: 4, window: 1020 })
    for (const policy of ['streaming', 'dense', 'window', 'recompute'] as const) {
      expect(limits(learned, { policy }, 1024).window).toBeLessThanOrEqual(1024)
      expect(() => limits(learned, { policy, sinks: 4, window: 1021 }, 1024)).toThrow(
        expect.objectContaining({ code: 'WINDOW_TOO_LARGE' }),
      )
    }
    expect(() => limits(learned, { policy: 'recompute', sinks: 4, window: 1020 }, 1024)).toThrow(
      expect.objectContaining({ code: 'WINDOW_TOO_LARGE' }),
    )
  })

  test.each(['jamba', 'mamba'])(
    '%s fits its default window, and the sinks of its bookmarks, into the cache it is given',
    architecture => {
      const of = memory(
        architecture,
        {},
        { isHybrid: architecture === 'jamba', isRecurrent: architecture === 'mamba', hasPositions: false },
      )
      for (const cacheTokens of [512, 1024, 4096]) {
        const { sinks, window } = limits(of, {}, 32_768, cacheTokens)
        expect(128 + sinks + window + 3 * sinks + 64).toBeLessThanOrEqual(cacheTokens)
      }
    },
  )

  test.each([
    [{ policy: 'window', window: 2046 }, 'at most 2042'],
    [{ sinks: 3000, window: 10 }, 'use fewer sinks'],
    [{ sinks: 4, window: 2044 }, 'at most 2042'],
    [{ window: 100, reanchorEvery: 100_000 }, "'reanchorEvery' may be at most"],
    [{ window: 100, reanchorEvery: 10, rebaseAfter: 50 }, "'rebaseAfter' must be at least 124"],
  ] as const)('%j: says what would do', (given, message) => {
    expect(() => limits(attention, given, 2048)).toThrow(message)
  })

  test('sinks that mean nothing to a model stay where they are', () => {
    const { reanchorEvery, window } = limits(memory('jamba', {}, { isHybrid: true, hasPositions: false }), {
      window: 500,
      reanchorEvery: 7,
    })
    expect({ reanchorEvery, window }).toEqual({ reanchorEvery: 2 ** 30, window: 500 })
  })
})
