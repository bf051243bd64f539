import type { NativeSequenceOptions } from '../../../lib/engine/native.js'
import type { ModelHeader } from '../../../lib/gguf/check.js'
import type { MetadataValue } from '../../../lib/gguf/metadata.js'
import { contextSize } from '../../../lib/memory/context-size.js'
import { type LayerMemory, layerMemories } from '../../../lib/memory/layers.js'

// What test/native/estimate-memory.test.ts cannot compare with llama.cpp for want of tiny models of these families: the
// figures are those of its source, src/llama-hparams.cpp and src/models of v0.4.0.

const list = (...values: number[]): MetadataValue => ({ arrayLength: values.length, values })

function layersOf(
  architecture: string,
  hparams: Record<string, MetadataValue>,
): { layers: LayerMemory[]; window: number } {
  const metadata = new Map(
    Object.entries({ embedding_length: 64, 'attention.head_count': 4, ...hparams }).map(([key, value]) => [
      `${architecture}.${key}`,
      value,
    ]),
  )
  return layerMemories({ architecture, metadata, weightBytes: { layers: [], output: 0, total: 0 } } satisfies Pick<
    ModelHeader,
    'architecture' | 'metadata' | 'weightBytes'
  >)
}
const widths = (architecture: string, hparams: Record<string, MetadataValue>) =>
  layersOf(architecture, hparams).layers.map(({ keyWidth, valueWidth }) => [keyWidth, valueWidth])
const windowed = (architecture: string, hparams: Record<string, MetadataValue>) =>
  layersOf(architecture, hparams)
    .layers.map(each => (each.windowed ? 1 : 0))
    .join('')
const states = (architecture: string, hparams: Record<string, MetadataValue>) =>
  layersOf(architecture, hparams).layers.map(({ stateWidth }) => stateWidth)

describe('keys and values', () => {
  test.each<[string, Record<string, MetadataValue>, number[][]]>([
    [
      'llama',
      { block_count: 2 },
      [
        [64, 64],
        [64, 64],
      ],
    ],
    [
      'llama',
      { block_count: 2, 'attention.head_count_kv': 1 },
      [
        [16, 16],
        [16, 16],
      ],
    ],
    [
      'qwen3',
      { block_count: 1, 'attention.head_count_kv': 2, 'attention.key_length': 32, 'attention.value_length': 24 },
      [[64, 48]],
    ],
    [
      'deci',
      { block_count: 3, 'attention.head_count': list(4, 0, 4), 'attention.head_count_kv': list(2, 0, 4) },
      [
        [32, 32],
        [0, 0],
        [64, 64],
      ],
    ],
    // latent attention: one vector a token; the value is a part of it
    [
      'deepseek2',
      {
        block_count: 1,
        'attention.head_count_kv': 1,
        'attention.key_length': 576,
        'attention.value_length': 512,
        'attention.key_length_mla': 192,
        'attention.value_length_mla': 128,
      },
      [[576, 0]],
    ],
    // the last layers use what earlier ones keep, and windowed ones have narrower heads
    [
      'gemma4',
      {
        block_count: 4,
        'attention.shared_kv_layers': 1,
        'attention.sliding_window': 8,
        'attention.sliding_window_pattern': list(1, 0, 1, 1),
        'attention.head_count_kv': 2,
        'attention.key_length': 32,
        'attention.value_length': 32,
        'attention.key_length_swa': 16,
        'attention.value_length_swa': 16,
      },
      [
        [32, 32],
        [64, 64],
        [32, 32],
        [0, 0],
      ],
    ],
    // layers that foretell tokens have no part in it, where llama.cpp leaves them out
    [
      'mimo2',
      { block_count: 2, nextn_predict_layers: 1 },
      [
        [64, 64],
        [0, 0],
      ],
    ],
    [
      'glm4moe',
      { block_count: 2, nextn_predict_layers: 1 },
      [
        [64, 64],
        [64, 64],
      ],
    ],
    [
      'nemotron_h',
      {
        block_count: 3,
        'attention.head_count_kv': list(0, 0, 2),
        feed_forward_length: list(0, 128, 0),
        'ssm.inner_size': 128,
        'ssm.state_size': 8,
        'ssm.conv_kernel': 4,
      },
      [
        [0, 0],
        [0, 0],
        [32, 32],
      ],
    ],
    [
      'qwen3next',
      { block_count: 4 },
      [
        [0, 0],
        [0, 0],
        [0, 0],
        [64, 64],
      ],
    ],
    [
      'qwen35',
      { block_count: 3, 'attention.recurrent_layers': list(1, 0, 1) },
      [
        [0, 0],
        [64, 64],
        [0, 0],
      ],
    ],
    ['mamba', { block_count: 1, 'attention.head_count': 0 }, [[0, 0]]],
  ])('%s %j', (architecture, hparams, expected) => {
    expect(widths(architecture, hparams)).toEqual(expected)
  })
})

describe('windows', () => {
  test.each<[string, Record<string, MetadataValue>, string, number]>([
    ['gemma3', { block_count: 7, 'attention.sliding_window': 512 }, '1111101', 512],
    ['gemma3', { block_count: 4, 'attention.sliding_window': 512, 'attention.sliding_window_pattern': 2 }, '1010', 512],
    ['gemma3', { block_count: 2 }, '00', 0],
    ['gemma2', { block_count: 3 }, '101', 4096],
    ['gpt-oss', { block_count: 4, 'attention.sliding_window': 128 }, '1010', 128],
    ['laguna', { block_count: 5, 'attention.sliding_window': 64 }, '01110', 64],
    ['smallthinker', { block_count: 4, 'attention.sliding_window': 64 }, '0111', 4096],
    ['llama4', { block_count: 4 }, '1110', 8192],
    [
      'mellum',
      { block_count: 3, 'attention.sliding_window': 64, 'attention.sliding_window_pattern': list(0, 1, 1) },
      '011',
      64,
    ],
    [
      'gemma3n',
      { block_count: 5, 'attention.sliding_window': 64, 'attention.sliding_window_pattern': list(0, 0, 0, 0, 0) },
      '11110',
      64,
    ],
    ['exaone4', { block_count: 4, 'attention.sliding_window': 64 }, '0000', 0],
    // llama.cpp uses none of theirs
    ['phi3', { block_count: 2, 'attention.sliding_window': 64 }, '00', 0],
    ['qwen2', { block_count: 2, 'attention.sliding_window': 64 }, '00', 0],
  ])('%s %j', (architecture, hparams, expected, window) => {
    expect(windowed(architecture, hparams)).toBe(expected)
    expect(layersOf(architecture, hparams).window).toBe(window)
  })
})

describe('states', () => {
  test.each<[string, Record<string, MetadataValue>, number[]]>([
    [
      'mamba2',
      { block_count: 1, 'ssm.conv_kernel': 4, 'ssm.inner_size': 128, 'ssm.state_size': 16, 'ssm.group_count': 2 },
      [3 * (128 + 64) + 16 * 128],
    ],
    ['rwkv7', { block_count: 1, 'wkv.head_size': 32 }, [2 * 64 + 64 * 32]],
    ['arwkv7', { block_count: 1, 'wkv.head_size': 32, token_shift_count: 1 }, [64 + 64 * 32]],
    ['lfm2', { block_count: 2, 'attention.head_count_kv': list(0, 2), 'shortconv.l_cache': 3 }, [128, 0]],
    [
      'kimi-linear',
      { block_count: 2, 'attention.head_count_kv': list(0, 1), 'kda.head_dim': 8, 'ssm.conv_kernel': 4 },
      [3 * 3 * 4 * 8 + 8 * 8 * 4, 0],
    ],
    ['minimax-01', { block_count: 2, full_attention_interval: 2, 'attention.key_length': 16 }, [16 * 16 * 4, 0]],
    [
      'falcon-h1',
      { block_count: 1, 'ssm.conv_kernel': 4, 'ssm.inner_size': 32, 'ssm.state_size': 8, 'ssm.group_count': 1 },
      [3 * (32 + 16) + 8 * 32],
    ],
    ['llama', { block_count: 1 }, [0]],
  ])('%s %j', (architecture, hparams, expected) => {
    expect(states(architecture, hparams)).toEqual(expected)
  })

  test('a layer of Falcon H1 attends and remembers', () => {
    expect(widths('falcon-h1', { block_count: 1 })).toEqual([[64, 64]])
  })
})

describe('the size of a context', () => {
  const needs = {
    limits: { policy: 'streaming', sinks: 4, window: 1020 } as NativeSequenceOptions,
    chats: 1,
    batchSize: 128,
    maxSequences: 8,
    hasState: false,
    hasWindow: false,
  }

  test.each([
    [{}, { cells: 1280, sequenceIds: 24 }],
    [{ chats: 3 }, { cells: Math.ceil((128 + 3 * (1024 + 4 + 64)) / 256) * 256, sequenceIds: 24 }],
    [
      { hasWindow: true, chats: 2 },
      { cells: 2560, sequenceIds: 6 },
    ],
    [
      { hasState: true, chats: 2 },
      { cells: 2560, sequenceIds: 8 },
    ],
    [{ cacheTokens: 5000 }, { cells: 5120, sequenceIds: 24 }],
    [
      { limits: { ...needs.limits, policy: 'dense' as const, sinks: 0, window: 1024 } },
      { cells: 1280, sequenceIds: 24 },
    ],
  ])('%j', (changes, expected) => {
    expect(contextSize({ ...needs, ...changes })).toEqual(expected)
  })
})
