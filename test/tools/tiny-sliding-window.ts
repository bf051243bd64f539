import { common, indices } from './tiny-decoders.js'
import type { TinyWeights } from './tiny-weights.js'

/**
 * Gemma 2 and 3: windowed layers with full ones between them. Gemma 3 has norms on queries and keys and caps no logits.
 */
function gemma(model: TinyWeights, architecture: 'gemma2' | 'gemma3'): void {
  const { writer, shape } = model
  const { width } = shape
  const { tokens, rare } = model.vocabulary
  common(model, architecture)
  writer.set(`${architecture}.attention.head_count_kv`, 'uint32', model.sharedHeads)
  writer.set(`${architecture}.attention.layer_norm_rms_epsilon`, 'float32', 1e-6)
  writer.set(`${architecture}.attention.key_length`, 'uint32', model.headWidth)
  writer.set(`${architecture}.attention.value_length`, 'uint32', model.headWidth)
  writer.set(`${architecture}.attention.sliding_window`, 'uint32', 32)
  if (architecture === 'gemma2') {
    writer.set('gemma2.attn_logit_softcapping', 'float32', 50)
    writer.set('gemma2.final_logit_softcapping', 'float32', 30)
  } else {
    writer.set('gemma3.rope.freq_base', 'float32', 1e6)
    writer.set('gemma3.attention.sliding_window_pattern', 'uint32', 3)
  }
  // Input and output share one matrix. Bytes get short rows, so small logits; and the layers write so much (the norms
  // after them) that little of a token's own embedding is left at the output, where it would make the token repeat.
  const embeddings = model.normal(tokens.length * width, 3 / Math.sqrt(width))
  for (const id of rare)
    embeddings.subarray(id * width, (id + 1) * width).forEach((value, i, row) => {
      row[i] = value * 0.2
    })
  writer.tensor('token_embd.weight', [width, tokens.length], embeddings, shape.weights)
  model.scale('output_norm.weight')
  for (const layer of indices(shape.layers)) {
    const prefix = `blk.${layer}.`
    model.scale(`${prefix}attn_norm.weight`)
    model.attention(prefix, { queryNorm: architecture === 'gemma3' })
    model.scale(`${prefix}post_attention_norm.weight`, width, 10)
    model.scale(`${prefix}ffn_norm.weight`)
    model.gatedFeedForward(prefix)
    model.scale(`${prefix}post_ffw_norm.weight`, width, 10)
  }
}

export const gemma2 = (model: TinyWeights) => gemma(model, 'gemma2')
export const gemma3 = (model: TinyWeights) => gemma(model, 'gemma3')
