import { common, indices, ropeSections } from './tiny-decoders.js'
import type { TinyWeights } from './tiny-weights.js'
import { stateSpaceSizes } from './tiny-weights.js'

const attends = (layer: number) => layer % 2 === 1

/** Metadata of a hybrid: only every other layer has a key-value cache. */
function hybrid(model: TinyWeights, architecture: string): void {
  const { writer, shape } = model
  common(model, architecture)
  const heads = indices(shape.layers).map(layer => (attends(layer) ? model.sharedHeads : 0))
  writer.setArray(`${architecture}.attention.head_count_kv`, 'int32', heads)
  writer.set(`${architecture}.attention.layer_norm_rms_epsilon`, 'float32', 1e-5)
  model.embeddings()
}

function stateSpaceKeys(model: TinyWeights, architecture: string): void {
  const { inner, state, rank, kernel } = stateSpaceSizes(model.shape.width)
  model.writer.set(`${architecture}.ssm.conv_kernel`, 'uint32', kernel)
  model.writer.set(`${architecture}.ssm.inner_size`, 'uint32', inner)
  model.writer.set(`${architecture}.ssm.state_size`, 'uint32', state)
  model.writer.set(`${architecture}.ssm.time_step_rank`, 'uint32', rank)
}

export function jamba(model: TinyWeights): void {
  hybrid(model, 'jamba')
  stateSpaceKeys(model, 'jamba')
  model.scale('output_norm.weight')
  for (const layer of indices(model.shape.layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    if (attends(layer)) model.attention(prefix)
    else model.stateSpace(prefix, true)
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
  }
}

export function lfm2(model: TinyWeights): void {
  const { width, layers } = model.shape
  hybrid(model, 'lfm2')
  model.writer.set('lfm2.shortconv.l_cache', 'uint32', 3)
  model.scale('token_embd_norm.weight')
  for (const layer of indices(layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    if (attends(layer)) model.attention(prefix, { queryNorm: true })
    else {
      model.matrix(`${prefix}shortconv.conv.weight`, 3, width, 2, 'f32')
      model.matrix(`${prefix}shortconv.in_proj.weight`, width, 3 * width)
      model.residualMatrix(`${prefix}shortconv.out_proj.weight`, width, 2)
    }
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
  }
}

/** LFM2 whose attention is windowed in every layer, so that no layer ever sees the sinks again. */
export function windowedLfm2(model: TinyWeights): void {
  model.writer.set('lfm2.attention.sliding_window', 'uint32', 32)
  lfm2(model)
}

export function mamba(model: TinyWeights): void {
  const { writer, shape } = model
  writer.set('mamba.feed_forward_length', 'uint32', 0)
  writer.set('mamba.attention.head_count', 'uint32', 0)
  writer.set('mamba.attention.layer_norm_rms_epsilon', 'float32', 1e-5)
  stateSpaceKeys(model, 'mamba')
  model.embeddings()
  model.scale('output_norm.weight')
  for (const layer of indices(shape.layers)) {
    model.scale(`blk.${layer}.attn_norm.weight`)
    model.stateSpace(`blk.${layer}.`, false)
  }
}

/** Gated delta nets, and every other layer attention with M-RoPE (interleaved) and a gate on its output. */
export function qwen35(model: TinyWeights): void {
  const { writer, shape } = model
  const { width, heads } = shape
  const state = model.headWidth
  const keys = model.sharedHeads * state
  const values = heads * state
  common(model, 'qwen35')
  writer.set('qwen35.attention.head_count_kv', 'uint32', model.sharedHeads)
  writer.set('qwen35.attention.layer_norm_rms_epsilon', 'float32', 1e-5)
  writer.set('qwen35.full_attention_interval', 'uint32', 2)
  writer.setArray('qwen35.rope.dimension_sections', 'int32', ropeSections(model))
  writer.set('qwen35.ssm.conv_kernel', 'uint32', 4)
  writer.set('qwen35.ssm.inner_size', 'uint32', values)
  writer.set('qwen35.ssm.state_size', 'uint32', state)
  writer.set('qwen35.ssm.time_step_rank', 'uint32', heads)
  writer.set('qwen35.ssm.group_count', 'uint32', model.sharedHeads)
  model.embeddings()
  model.scale('output_norm.weight')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    if (attends(layer)) model.attention(prefix, { queryNorm: true, gated: true })
    else {
      model.matrix(`${prefix}attn_qkv.weight`, width, 2 * keys + values)
      model.matrix(`${prefix}attn_gate.weight`, width, values)
      model.matrix(`${prefix}ssm_conv1d.weight`, 4, 2 * keys + values, 1.5, 'f32')
      model.vector(`${prefix}ssm_dt.bias`, heads)
      model.values(`${prefix}ssm_a`, [heads], head => -0.05 * (1 + head))
      model.matrix(`${prefix}ssm_beta.weight`, width, heads)
      model.matrix(`${prefix}ssm_alpha.weight`, width, heads)
      model.scale(`${prefix}ssm_norm.weight`, state)
      model.residualMatrix(`${prefix}ssm_out.weight`, values, 2)
    }
    model.scale(`${prefix}post_attention_norm.weight`)
    model.gatedFeedForward(prefix)
  }
}
