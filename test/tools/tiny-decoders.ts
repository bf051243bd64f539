import type { TinyWeights } from './tiny-weights.js'

export const indices = (count: number) => Array.from({ length: count }, (_, index) => index)

export function common(model: TinyWeights, architecture: string): void {
  const { writer, shape } = model
  writer.set(`${architecture}.feed_forward_length`, 'uint32', model.feedForward)
  writer.set(`${architecture}.attention.head_count`, 'uint32', shape.heads)
}

/** Norm, attention, norm, gated feed-forward: llama and those after it. */
export function decoder(model: TinyWeights, architecture: string, options: { bias?: boolean } = {}): void {
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
export function fusedDecoder(model: TinyWeights, architecture: string): void {
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

/** How M-RoPE shares out the pairs of a head among time, height and width. */
export function ropeSections(model: TinyWeights): number[] {
  const half = model.headWidth / 2
  const time = Math.floor(half / 4)
  const height = Math.floor((half - time) / 2)
  return [time, height, half - time - height, 0]
}
