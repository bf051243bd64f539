import { type GgufContents, readGguf } from './gguf-reader.js'

/** A matrix, a row of `inputs` numbers for each output, and a bias where the model has one. */
export interface Linear {
  inputs: number
  outputs: number
  weight: Float64Array
  bias?: Float64Array
}

export interface Norm {
  weight: Float64Array
  bias?: Float64Array
}

export interface Layer {
  attentionNorm: Norm
  query: Linear
  key: Linear
  value: Linear
  attentionOutput: Linear
  feedForwardNorm: Norm
  /** Only where the feed-forward layer is gated. */
  gate?: Linear
  up: Linear
  down: Linear
}

/** How the families differ in what no tensor tells. */
interface Architecture {
  norm: 'rms' | 'layer'
  /**
   * Where positions enter: rotary embedding of neighbouring components (0, 1), (2, 3)... or of a component and the one
   * half a rotation further, or ALiBi's penalty on the distance. The converter to GGUF orders the rows of llama's
   * query and key matrices so that 'neighbours' is right there.
   */
  positions: 'neighbours' | 'halves' | 'alibi'
  activation: 'silu' | 'gelu'
}

const architectures: Record<string, Architecture> = {
  llama: { norm: 'rms', positions: 'neighbours', activation: 'silu' },
  qwen2: { norm: 'rms', positions: 'halves', activation: 'silu' },
  gptneox: { norm: 'layer', positions: 'halves', activation: 'gelu' },
  bloom: { norm: 'layer', positions: 'alibi', activation: 'gelu' },
}

/** One transformer: its figures and its weights, in float64. */
export interface ReferenceModel extends Architecture {
  width: number
  heads: number
  keyValueHeads: number
  headWidth: number
  /** Components of each head that are rotated; the rest passes as it is. */
  rotated: number
  frequencyBase: number
  epsilon: number
  /** Attention and feed-forward layer read the same input, and both are added to it (GPT-NeoX, GPT-J). */
  parallelResidual: boolean
  vocabulary: number
  embeddings: Float64Array
  embeddingNorm?: Norm
  layers: Layer[]
  outputNorm: Norm
  output: Linear
}

export function readReferenceModel(path: string): ReferenceModel {
  const contents = readGguf(path)
  const name = String(contents.metadata.get('general.architecture'))
  const architecture = architectures[name]
  if (architecture === undefined) throw new Error(`the reference does not know the architecture '${name}'`)
  const { number, flag } = keysOf(contents, name)
  const { linear, norm, optional, embeddings } = weightsOf(contents)
  const heads = number('attention.head_count')
  const width = number('embedding_length')
  const headWidth = width / heads
  const keyValueHeads = number('attention.head_count_kv', heads)
  const [, vocabulary] = embeddings.shape as [number, number]

  const layer = (index: number): Layer => {
    const prefix = `blk.${index}.`
    const fused = optional(linear, `${prefix}attn_qkv`)
    const query = heads * headWidth
    const shared = keyValueHeads * headWidth
    return {
      attentionNorm: norm(`${prefix}attn_norm`),
      query: fused ? rows(fused, 0, query) : linear(`${prefix}attn_q`),
      key: fused ? rows(fused, query, shared) : linear(`${prefix}attn_k`),
      value: fused ? rows(fused, query + shared, shared) : linear(`${prefix}attn_v`),
      attentionOutput: linear(`${prefix}attn_output`),
      feedForwardNorm: norm(`${prefix}ffn_norm`),
      gate: optional(linear, `${prefix}ffn_gate`),
      up: linear(`${prefix}ffn_up`),
      down: linear(`${prefix}ffn_down`),
    }
  }

  return {
    ...architecture,
    width,
    heads,
    keyValueHeads,
    headWidth,
    vocabulary,
    rotated: number('rope.dimension_count', headWidth),
    frequencyBase: number('rope.freq_base', 10000),
    epsilon: number(architecture.norm === 'rms' ? 'attention.layer_norm_rms_epsilon' : 'attention.layer_norm_epsilon'),
    parallelResidual: flag('use_parallel_residual'),
    embeddings: embeddings.values,
    embeddingNorm: optional(norm, 'token_embd_norm'),
    layers: Array.from({ length: number('block_count') }, (_, index) => layer(index)),
    outputNorm: norm('output_norm'),
    // Where there is no output matrix, the embeddings serve for both.
    output: optional(linear, 'output') ?? { inputs: width, outputs: vocabulary, weight: embeddings.values },
  }
}

function keysOf({ metadata }: GgufContents, architecture: string) {
  const number = (key: string, otherwise?: number): number => {
    const value = metadata.get(`${architecture}.${key}`) ?? otherwise
    if (typeof value !== 'number') throw new Error(`'${architecture}.${key}' must be a number, got ${String(value)}`)
    return value
  }
  return { number, flag: (key: string) => metadata.get(`${architecture}.${key}`) === true }
}

function weightsOf({ tensors }: GgufContents) {
  const tensor = (name: string) => {
    const found = tensors.get(name)
    if (found === undefined) throw new Error(`no tensor '${name}'`)
    return found
  }
  const linear = (name: string): Linear => {
    const { shape, values } = tensor(`${name}.weight`)
    const [inputs, outputs] = shape as [number, number]
    return { inputs, outputs, weight: values, bias: tensors.get(`${name}.bias`)?.values }
  }
  const norm = (name: string): Norm => ({
    weight: tensor(`${name}.weight`).values,
    bias: tensors.get(`${name}.bias`)?.values,
  })
  const optional = <T>(read: (name: string) => T, name: string) =>
    tensors.has(`${name}.weight`) ? read(name) : undefined
  return { linear, norm, optional, embeddings: tensor('token_embd.weight') }
}

/** Some of a matrix's outputs: query, key and value lie one after the other in the fused one. */
function rows({ inputs, weight, bias }: Linear, first: number, count: number): Linear {
  return {
    inputs,
    outputs: count,
    weight: weight.subarray(first * inputs, (first + count) * inputs),
    bias: bias?.subarray(first, first + count),
  }
}
