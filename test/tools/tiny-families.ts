import { common, decoder, fusedDecoder, indices, ropeSections } from './tiny-decoders.js'
import { jamba, lfm2, mamba, qwen35, windowedLfm2 } from './tiny-hybrids.js'
import { gemma2, gemma3 } from './tiny-sliding-window.js'
import type { TinyWeights } from './tiny-weights.js'

/** One model family: its own metadata and its tensors. What all families have is written elsewhere. */
export interface Family {
  /** Where it is not the family's name. */
  architecture?: string
  layers: number
  write(model: TinyWeights): void
}

/**
 * A learned vector for each absolute position. What llama.cpp calls their kind of RoPE does not tell: StarCoder's is
 * "norm".
 */
function learnedPositions(model: TinyWeights, architecture: string): void {
  const { width, contextLength } = model.shape
  fusedDecoder(model, architecture)
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

function mpt(model: TinyWeights): void {
  model.writer.set('mpt.attention.max_alibi_bias', 'float32', 8)
  fusedDecoder(model, 'mpt')
}

function qwen2vl(model: TinyWeights): void {
  model.writer.setArray('qwen2vl.rope.dimension_sections', 'int32', ropeSections(model))
  decoder(model, 'qwen2vl', { bias: true })
}

/**
 * YaRN: trained for a quarter of its length, its slow rotations stretched to the rest and its attention made sharper.
 */
function yarn(model: TinyWeights): void {
  const { writer, shape } = model
  writer.set('llama.rope.scaling.type', 'string', 'yarn')
  writer.set('llama.rope.scaling.factor', 'float32', 4)
  writer.set('llama.rope.scaling.original_context_length', 'uint32', shape.contextLength / 4)
  decoder(model, 'llama')
}

/** Queries grow with the logarithm of their position: not of a difference of positions, as everything else does. */
function mistral3(model: TinyWeights): void {
  const { writer, shape } = model
  writer.set('mistral3.attention.temperature_scale', 'float32', 0.1)
  writer.set('mistral3.rope.scaling.original_context_length', 'uint32', shape.contextLength / 2)
  decoder(model, 'mistral3')
}

/** Multi-head latent attention: keys and values are kept as one short vector a token, rotated in a part of its own. */
function deepseek2(model: TinyWeights): void {
  const { writer, shape } = model
  const { width, heads, layers } = shape
  const straight = model.headWidth
  const rotated = straight / 2
  const latent = 1.5 * straight
  const queryRank = width / 2
  common(model, 'deepseek2')
  writer.set('deepseek2.attention.head_count_kv', 'uint32', 1)
  writer.set('deepseek2.attention.layer_norm_rms_epsilon', 'float32', 1e-5)
  writer.set('deepseek2.attention.q_lora_rank', 'uint32', queryRank)
  writer.set('deepseek2.attention.kv_lora_rank', 'uint32', latent)
  writer.set('deepseek2.attention.key_length', 'uint32', latent + rotated)
  writer.set('deepseek2.attention.value_length', 'uint32', latent)
  writer.set('deepseek2.attention.key_length_mla', 'uint32', straight + rotated)
  writer.set('deepseek2.attention.value_length_mla', 'uint32', straight)
  writer.set('deepseek2.rope.dimension_count', 'uint32', rotated)
  // no layer has experts, but llama.cpp wants to know about them
  writer.set('deepseek2.leading_dense_block_count', 'uint32', layers)
  writer.set('deepseek2.expert_feed_forward_length', 'uint32', straight)
  writer.set('deepseek2.expert_shared_count', 'uint32', 1)
  model.embeddings()
  model.scale('output_norm.weight')
  for (const layer of indices(layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    model.scale(`${prefix}attn_q_a_norm.weight`, queryRank)
    model.scale(`${prefix}attn_kv_a_norm.weight`, latent)
    model.matrix(`${prefix}attn_q_a.weight`, width, queryRank)
    model.matrix(`${prefix}attn_q_b.weight`, queryRank, heads * (straight + rotated), 1.6)
    model.matrix(`${prefix}attn_kv_a_mqa.weight`, width, latent + rotated, 1.5)
    model.headMatrices(`${prefix}attn_k_b.weight`, straight, latent, 1.2)
    model.headMatrices(`${prefix}attn_v_b.weight`, latent, straight)
    model.residualMatrix(`${prefix}attn_output.weight`, heads * straight, 2)
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
  }
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
  llama: { layers: 3, write: model => decoder(model, 'llama') },
  qwen2: { layers: 3, write: model => decoder(model, 'qwen2', { bias: true }) },
  qwen2vl: { layers: 3, write: qwen2vl },
  bloom: { layers: 3, write: bloom },
  gptneox: { layers: 3, write: gptneox },
  gpt2: { layers: 3, write: model => learnedPositions(model, 'gpt2') },
  gemma2: { layers: 4, write: gemma2 },
  jamba: { layers: 4, write: jamba },
  lfm2: { layers: 4, write: lfm2 },
  mamba: { layers: 3, write: mamba },
  'llama-yarn': { architecture: 'llama', layers: 3, write: yarn },
  'lfm2-windowed': { architecture: 'lfm2', layers: 4, write: windowedLfm2 },
  'mpt-learned': { architecture: 'mpt', layers: 3, write: model => learnedPositions(model, 'mpt') },
  mpt: { layers: 3, write: mpt },
  starcoder: { layers: 3, write: model => learnedPositions(model, 'starcoder') },
  gemma3: { layers: 6, write: gemma3 },
  qwen35: { layers: 4, write: qwen35 },
  deepseek2: { layers: 3, write: deepseek2 },
  smollm3: { layers: 4, write: model => decoder(model, 'smollm3') },
  mistral3: { layers: 3, write: mistral3 },
  bert: { layers: 2, write: bert },
} satisfies Record<string, Family>

export type TinyKind = keyof typeof families
