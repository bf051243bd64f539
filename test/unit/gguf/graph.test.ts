import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { arrayType, type GgufFile, type RawEntry, readGguf, writeGguf } from '../../tools/gguf-file.js'
import { valueTypes } from '../../tools/gguf-writer.js'
import { type TinyKind, tinyModelBytes } from '../../tools/tiny-models.js'
import { failureOf, ModelDraft, temporaryDirectory } from './model-draft.js'

// What llama.cpp would assert in the middle of a batch is told from the header.

const path = join(temporaryDirectory(), 'model.gguf')

type Value = number | boolean | readonly number[]

function entry(key: string, value: Value): RawEntry {
  if (typeof value === 'boolean') return { key, type: valueTypes.bool, value: Number(value) }
  if (typeof value === 'number')
    return { key, type: Number.isInteger(value) ? valueTypes.uint32 : valueTypes.float32, value }
  return { key, type: arrayType, elementType: valueTypes.int32, values: value }
}

const bases = new Map<TinyKind, GgufFile>()

/** A tiny model with some entries replaced, added, or (undefined) taken out. */
function changed(kind: TinyKind, entries: Record<string, Value | undefined>): Buffer {
  if (!bases.has(kind))
    bases.set(kind, readGguf(tinyModelBytes(kind, { layers: 2, width: 64, heads: 2, contextLength: 256 })))
  const base = bases.get(kind)!
  const kept = base.entries.filter(({ key }) => !(key in entries))
  const added = Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [entry(key, value)]))
  return writeGguf({ entries: [...kept, ...added], tensors: base.tensors })
}

describe('of the families that the tests can make', () => {
  test.each<[string, TinyKind, Record<string, Value | undefined>]>([
    // heads of 32 components
    [
      '"qwen2vl.rope.dimension_sections" is an array of 4 int32 values; sections that add up to 32 at most',
      'qwen2vl',
      { 'qwen2vl.rope.dimension_sections': [4, 6, 6, 440] },
    ],
    ['sections that add up to 32 at most', 'qwen2vl', { 'qwen2vl.rope.dimension_sections': [4, 6, -1, 0] }],
    ['one of the first three sections', 'qwen2vl', { 'qwen2vl.rope.dimension_sections': [0, 0, 0, 8] }],
    ['"qwen2vl.rope.dimension_sections" is missing', 'qwen2vl', { 'qwen2vl.rope.dimension_sections': undefined }],
    ['"qwen35.rope.dimension_sections"', 'qwen35', { 'qwen35.rope.dimension_sections': [4, 6, 6, 440] }],
    [
      '"mistral3.rope.dimension_count" is 16 (uint32); all 32 components',
      'mistral3',
      { 'mistral3.rope.dimension_count': 16 },
    ],
    ['"smollm3.rope.dimension_count" is 2', 'smollm3', { 'smollm3.rope.dimension_count': 2 }],
    [
      '"gptneox.rope.dimension_count" is 440 (uint32); an even number from 2 to 32',
      'gptneox',
      { 'gptneox.rope.dimension_count': 440 },
    ],
    ['"gptneox.rope.dimension_count" is 0', 'gptneox', { 'gptneox.rope.dimension_count': 0 }],
    ['"gemma3.rope.dimension_count_swa" is 0', 'gemma3', { 'gemma3.rope.dimension_count_swa': 0 }],
    ['"gptneox.rope.dimension_count" is 7', 'gptneox', { 'gptneox.rope.dimension_count': 7 }],
    ['"gemma3.rope.dimension_count_swa" is 64', 'gemma3', { 'gemma3.rope.dimension_count_swa': 64 }],
    ['"gemma2.attention.key_length" is 0', 'gemma2', { 'gemma2.attention.key_length': 0 }],
    ['"qwen2.attention.value_length" is 16', 'qwen2', { 'qwen2.attention.value_length': 16 }],
    [
      '"qwen2.attention.head_count_kv" is 2 (uint32); the model has 3 heads',
      'qwen2',
      { 'qwen2.attention.head_count': 3, 'qwen2.attention.head_count_kv': 2 },
    ],
    [
      '"deepseek2.rope.dimension_count" is 48 (uint32); less than the 48 components',
      'deepseek2',
      { 'deepseek2.rope.dimension_count': 48 },
    ],
    ['"jamba.ssm.inner_size" is 64 (uint32); 128 is needed', 'jamba', { 'jamba.ssm.inner_size': 64 }],
    ['"mamba.ssm.conv_kernel" is 0', 'mamba', { 'mamba.ssm.conv_kernel': 0 }],
    ['"lfm2.shortconv.l_cache" is 1', 'lfm2', { 'lfm2.shortconv.l_cache': 1 }],
    ['"lfm2.attention.value_length" is 8', 'lfm2', { 'lfm2.attention.value_length': 8 }],
    ['"qwen35.full_attention_interval" is 0', 'qwen35', { 'qwen35.full_attention_interval': 0 }],
    ['"qwen35.ssm.group_count" is 0', 'qwen35', { 'qwen35.ssm.group_count': 0 }],
    ['"qwen35.ssm.inner_size" is 48 (uint32); 2 heads of 32 components', 'qwen35', { 'qwen35.ssm.inner_size': 48 }],
    ['"llama.pooling_type" is 9', 'llama', { 'llama.pooling_type': 9 }],
    ['"llama.expert_gating_func" is 9', 'llama', { 'llama.expert_gating_func': 9 }],
  ])('%s', async (reason, kind, entries) => {
    const failure = await failureOf(path, changed(kind, entries))
    expect(failure.message).toContain(reason)
    expect(failure.code).toBe('GGUF_MALFORMED')
  })

  test.each<[TinyKind, Record<string, Value | undefined>]>([
    ['qwen2vl', {}],
    ['qwen2vl', { 'qwen2vl.rope.dimension_sections': [16, 0, 0, 0] }],
    ['gptneox', { 'gptneox.rope.dimension_count': undefined }],
    ['llama', { 'llama.rope.dimension_sections': [440, 0, 0, 0] }], // not read there
    ['bloom', { 'bloom.rope.dimension_count': 7 }],
    ['gemma3', { 'gemma3.attention.key_length_swa': 32, 'gemma3.rope.dimension_count_swa': 16 }],
  ])('a sound %s passes with %j', async (kind, entries) => {
    writeFileSync(path, changed(kind, entries))
    await expect(checkModelFile(path)).resolves.toMatchObject({ architecture: kind })
  })
})

describe('of other architectures', () => {
  const draft = (architecture: string, entries: Record<string, Value>) => {
    const drafted = new ModelDraft()
    for (const each of drafted.entries) each.key = each.key.replace(/^llama\./, `${architecture}.`)
    drafted.with('general.architecture', 'string', architecture)
    for (const [key, value] of Object.entries(entries)) {
      const whole = typeof value !== 'number' || Number.isInteger(value)
      const type = Array.isArray(value) ? 'int32' : typeof value === 'boolean' ? 'bool' : whole ? 'uint32' : 'float32'
      drafted.with(`${architecture}.${key}`, type, Array.isArray(value) ? [...value] : (value as number))
    }
    return drafted
  }
  const experts = { expert_count: 8, expert_used_count: 2 }
  const indexer = {
    'attention.indexer.head_count': 4,
    'attention.indexer.key_length': 32,
    'attention.indexer.top_k': 4,
  }

  // 4 heads of 8 components
  test.each<[string, string, Record<string, Value>]>([
    ['"paddleocr.rope.dimension_sections" is missing', 'paddleocr', {}],
    ['"glm4.rope.dimension_sections"', 'glm4', { 'rope.dimension_sections': [4, 4, 4, 4] }],
    ['"minicpm.rope.dimension_count" is 4', 'minicpm', { 'rope.dimension_count': 4 }],
    ['"phi3.attention.value_length" is 4', 'phi3', { 'attention.value_length': 4 }],
    [
      '"olmo2.attention.value_length" is 8 (uint32)',
      'olmo2',
      { 'attention.key_length': 16, 'attention.value_length': 8 },
    ],
    [
      '"qwen35moe.expert_count" is missing',
      'qwen35moe',
      {
        'rope.dimension_sections': [1, 1, 1, 0],
        'ssm.inner_size': 32,
        'ssm.state_size': 8,
        'ssm.time_step_rank': 4,
        'ssm.group_count': 2,
      },
    ],
    [
      '"mamba2.ssm.group_count" is 3',
      'mamba2',
      { 'ssm.inner_size': 64, 'ssm.state_size': 8, 'ssm.time_step_rank': 4, 'ssm.group_count': 3 },
    ],
    [
      '"falcon-h1.ssm.time_step_rank" is 3',
      'falcon-h1',
      { 'ssm.inner_size': 64, 'ssm.state_size': 8, 'ssm.time_step_rank': 3, 'ssm.group_count': 1 },
    ],
    [
      '"plamo2.ssm.group_count" is 2',
      'plamo2',
      { 'ssm.inner_size': 64, 'ssm.state_size': 8, 'ssm.time_step_rank': 4, 'ssm.group_count': 2 },
    ],
    ['"rwkv7.wkv.head_size" is 0', 'rwkv7', { 'wkv.head_size': 0 }],
    ['"arwkv7.token_shift_count" is missing; 1 is needed', 'arwkv7', { 'wkv.head_size': 8 }],
    ['"ernie4_5-moe.interleave_moe_layer_step" is 0', 'ernie4_5-moe', { ...experts, interleave_moe_layer_step: 0 }],
    ['"minimax-01.full_attention_interval" is 0', 'minimax-01', { ...experts, full_attention_interval: 0 }],
    ['"grovemoe.experts_per_group" is missing', 'grovemoe', experts],
    ['"glm-dsa.attention.key_length_mla" is missing', 'glm-dsa', { ...experts, ...indexer, 'rope.dimension_count': 4 }],
    [
      '"deepseek4.hyper_connection.count" is 3',
      'deepseek4',
      { ...experts, ...indexer, 'attention.output_group_count': 2, 'hyper_connection.count': 3 },
    ],
    [
      '"minimax-m3.attention.indexer.head_count" is 3',
      'minimax-m3',
      { ...experts, ...indexer, 'attention.indexer.block_size': 4, 'attention.indexer.head_count': 3 },
    ],
    [
      '"deepseek32.attention.indexer.key_length" is 2',
      'deepseek32',
      {
        ...experts,
        ...indexer,
        'attention.indexer.key_length': 2,
        'attention.key_length_mla': 8,
        'attention.value_length_mla': 8,
        'rope.dimension_count': 4,
      },
    ],
    [
      '"kimi-linear.kda.head_dim" is 0',
      'kimi-linear',
      {
        ...experts,
        'kda.head_dim': 0,
        'attention.key_length_mla': 8,
        'attention.value_length_mla': 8,
        'rope.dimension_count': 4,
      },
    ],
    [
      '"bailingmoe3.kda.gate_lower_bound" is 0.5',
      'bailingmoe3',
      {
        ...experts,
        'kda.head_dim': 8,
        'kda.gate_lower_bound': 0.5,
        'attention.key_length_mla': 8,
        'attention.value_length_mla': 8,
        'rope.dimension_count': 4,
      },
    ],
    ['"gemma4.attention.shared_kv_layers" is 1', 'gemma4', { 'attention.shared_kv_layers': 1 }],
    ['"nanbeige.num_loops" is 300', 'nanbeige', { num_loops: 300 }],
    ['"deepseek2-ocr.rope.freq_base" is 0.5', 'deepseek2-ocr', { 'rope.freq_base': 0.5 }],
    ['"step35.rope.dimension_count" is 6', 'step35', { 'rope.dimension_count': 6 }],
  ])('%s', async (reason, architecture, entries) => {
    const failure = await failureOf(path, draft(architecture, entries).toBuffer())
    expect(failure.message).toContain(reason)
    expect(failure.code).toBe('GGUF_MALFORMED')
  })
})

describe('of weights', () => {
  const withType = (kind: TinyKind, tensor: string, type: number, bytes: number): Buffer => {
    changed(kind, {})
    const { entries, tensors } = bases.get(kind)!
    return writeGguf({
      entries,
      tensors: tensors.map(each =>
        each.name === tensor
          ? { ...each, type, data: Buffer.alloc(each.shape.reduce((product, size) => product * size, 1) * bytes) }
          : each,
      ),
    })
  }
  const without = (kind: TinyKind, name: string): Buffer => {
    changed(kind, {})
    const { entries, tensors } = bases.get(kind)!
    return writeGguf({ entries, tensors: tensors.filter(each => each.name !== name) })
  }

  test.each<[string, () => Buffer]>([
    ['tensor "token_embd.weight" is of type F64', () => withType('llama', 'token_embd.weight', 28, 8)],
    ['tensor "output.weight" is of type I32', () => withType('llama', 'output.weight', 26, 4)],
    [
      'tensor "blk.0.attn_norm.weight" is of type F16; F32 is needed',
      () => withType('llama', 'blk.0.attn_norm.weight', 1, 2),
    ],
    ['tensor "blk.1.attn_q.bias" is of type F16; F32 is needed', () => withType('qwen2', 'blk.1.attn_q.bias', 1, 2)],
    ['tensor "blk.0.ssm_conv1d.weight" is of type F16', () => withType('mamba', 'blk.0.ssm_conv1d.weight', 1, 2)],
    ['"blk.0.attn_qkv.weight" is missing', () => without('qwen35', 'blk.0.attn_qkv.weight')],
    ['"blk.0.attn_gate.weight" is missing', () => without('qwen35', 'blk.0.attn_gate.weight')],
  ])('%s', async (reason, make) => {
    const failure = await failureOf(path, make())
    expect(failure.message).toContain(reason)
    expect(failure.code).toBe('GGUF_MALFORMED')
  })
})
