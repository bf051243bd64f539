import type { TinyWeights } from './tiny-weights.js'
import { stateSpaceSizes } from './tiny-weights.js'

/** One model family: its own metadata and its tensors. What all families have is written elsewhere. */
interface Family {
  layers: number
  write(model: TinyWeights): void
}

const indices = (count: number) => Array.from({ length: count }, (_, index) => index)

function common(model: TinyWeights, architecture: string): void {
  const { writer, shape } = model
  writer.set(`${architecture}.feed_forward_length`, 'uint32', model.feedForward)
  writer.set(`${architecture}.attention.head_count`, 'uint32', shape.heads)
}

/** Norm, attention, norm, gated feed-forward: llama and those after it. */
function decoder(model: TinyWeights, architecture: string, options: { bias?: boolean } = {}): void {
  const { writer, shape } = model
  common(model, architecture)
  writer.set(`${architecture}.attention.head_count_kv`, 'uint32', model.sharedHeads)
  writer.set(`${architecture}.attention.layer_norm_rms_epsilon`, 'float32', 1e-5)
  writer.set(`${architecture}.rope.dimension_count`, 'uint32', model.headWidth)
  writer.set(`${architecture}.rope.freq_base`, 'float32', 10000)
  model.embeddings()
  model.scale('output_norm.weight')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    model.attention(prefix, options)
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
  }
}

/** Layer norms with biases and fused query, key and value: GPT-2, BLOOM and GPT-NeoX. */
function fusedDecoder(model: TinyWeights, architecture: string): void {
  const { writer, shape } = model
  const { width } = shape
  common(model, architecture)
  writer.set(`${architecture}.attention.layer_norm_epsilon`, 'float32', 1e-5)
  model.embeddings()
  model.layerNorm('output_norm')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    model.layerNorm(`${prefix}attn_norm`)
    model.matrix(`${prefix}attn_qkv.weight`, width, 3 * width, 1.4)
    model.vector(`${prefix}attn_qkv.bias`, 3 * width, 0.3)
    model.residualMatrix(`${prefix}attn_output.weight`, width, 2)
    model.residualBias(`${prefix}attn_output.bias`)
    model.layerNorm(`${prefix}ffn_norm`)
    model.plainFeedForward(prefix)
  }
}

function gemma2(model: TinyWeights): void {
  const { writer, shape } = model
  const { width } = shape
  const { tokens, rare } = model.vocabulary
  common(model, 'gemma2')
  writer.set('gemma2.attention.head_count_kv', 'uint32', model.sharedHeads)
  writer.set('gemma2.attention.layer_norm_rms_epsilon', 'float32', 1e-6)
  writer.set('gemma2.attention.key_length', 'uint32', model.headWidth)
  writer.set('gemma2.attention.value_length', 'uint32', model.headWidth)
  writer.set('gemma2.attention.sliding_window', 'uint32', 32)
  writer.set('gemma2.attn_logit_softcapping', 'float32', 50)
  writer.set('gemma2.final_logit_softcapping', 'float32', 30)
  // Input and output share one matrix. Bytes get short rows, so small logits; and the layers write so much (the norms
  // after them) that little of a token's own embedding is left at the output, where it would make the token repeat.
  const embeddings = model.normal(tokens.length * width, 3 / Math.sqrt(width))
  for (const id of rare) embeddings.subarray(id * width, (id + 1) * width).forEach((value, i, row) => { row[i] = value * 0.2 })
  writer.tensor('token_embd.weight', [width, tokens.length], embeddings, shape.weights)
  model.scale('output_norm.weight')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    model.attention(prefix)
    model.scale(`${prefix}post_attention_norm.weight`, width, 10)
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
    model.scale(`${prefix}post_ffw_norm.weight`, width, 10)
  }
}

const attends = (layer: number) => layer % 2 === 1

/** Metadata of a hybrid: only every other layer has a key-value cache. */
function hybrid(model: TinyWeights, architecture: string): void {
  const { writer, shape } = model
  common(model, architecture)
  const heads = indices(shape.layers).map((layer) => attends(layer) ? model.sharedHeads : 0)
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

function jamba(model: TinyWeights): void {
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

function lfm2(model: TinyWeights): void {
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

function mamba(model: TinyWeights): void {
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

function gpt2(model: TinyWeights): void {
  const { width, contextLength } = model.shape
  fusedDecoder(model, 'gpt2')
  model.writer.tensor('position_embd.weight', [width, contextLength], model.normal(width * contextLength, 0.5))
}

function bloom(model: TinyWeights): void {
  fusedDecoder(model, 'bloom')
  model.layerNorm('token_embd_norm')
}

/** Attention and feed-forward side by side, and only a quarter of each head's components rotated. */
function gptneox(model: TinyWeights): void {
  fusedDecoder(model, 'gptneox')
  model.writer.set('gptneox.rope.dimension_count', 'uint32', model.headWidth / 4)
  model.writer.set('gptneox.use_parallel_residual', 'bool', true)
}

function qwen2vl(model: TinyWeights): void {
  const half = model.headWidth / 2
  const time = Math.floor(half / 4)
  const height = Math.floor((half - time) / 2)
  model.writer.setArray('qwen2vl.rope.dimension_sections', 'int32', [time, height, half - time - height, 0])
  decoder(model, 'qwen2vl', { bias: true })
}

/** An encoder: it fills no cache and predicts no next token. */
function bert(model: TinyWeights): void {
  const { writer, shape } = model
  const { width, contextLength } = shape
  const { tokens } = model.vocabulary
  common(model, 'bert')
  writer.set('bert.attention.layer_norm_epsilon', 'float32', 1e-12)
  writer.set('bert.attention.causal', 'bool', false)
  writer.set('bert.pooling_type', 'uint32', 1)
  writer.tensor('token_embd.weight', [width, tokens.length], model.normal(width * tokens.length, 1), shape.weights)
  writer.tensor('position_embd.weight', [width, contextLength], model.normal(width * contextLength, 0.5))
  model.layerNorm('token_embd_norm')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    for (const name of ['attn_q', 'attn_k', 'attn_v']) {
      model.matrix(`${prefix}${name}.weight`, width, width)
      model.vector(`${prefix}${name}.bias`, width)
    }
    model.residualMatrix(`${prefix}attn_output.weight`, width)
    model.residualBias(`${prefix}attn_output.bias`)
    model.layerNorm(`${prefix}attn_output_norm`)
    model.plainFeedForward(prefix)
    model.layerNorm(`${prefix}layer_output_norm`)
  }
}

/** The families, each with the fewest layers that show what it is. */
export const families = {
  llama: { layers: 3, write: (model) => decoder(model, 'llama') },
  qwen2: { layers: 3, write: (model) => decoder(model, 'qwen2', { bias: true }) },
  qwen2vl: { layers: 3, write: qwen2vl },
  bloom: { layers: 3, write: bloom },
  gptneox: { layers: 3, write: gptneox },
  gpt2: { layers: 3, write: gpt2 },
  gemma2: { layers: 4, write: gemma2 },
  jamba: { layers: 4, write: jamba },
  lfm2: { layers: 4, write: lfm2 },
  mamba: { layers: 3, write: mamba },
  bert: { layers: 2, write: bert },
} satisfies Record<string, Family>

export type TinyKind = keyof typeof families
