import type { GgufWriter, WeightType } from './gguf-writer.js'
import { SeededRandom } from './tiny-random.js'
import type { Vocabulary } from './tiny-vocabulary.js'

/** The figures of one tiny model, all of them settled. */
export interface TinyShape {
  layers: number
  width: number
  heads: number
  keyValueHeads: number
  contextLength: number
  seed: number
  weights: WeightType
  endBias: number
}

/**
 * Every token's embedding holds this in its first component, and nothing in the layers writes there. So the last hidden
 * state has a component that is always positive, through which the output matrix can make tokens rare or frequent;
 * most families have no output bias that would do it.
 */
const constantComponent = 4
/** About what is left of it after the last normalisation. */
const constantAtOutput = 2
const rareBias = -7

/** Writes random weights of a sensible size: activations stay near 1, attention is neither flat nor one-hot. */
export class TinyWeights {
  readonly random: SeededRandom

  constructor(
    readonly writer: GgufWriter,
    readonly shape: TinyShape,
    readonly vocabulary: Vocabulary,
  ) {
    this.random = new SeededRandom(shape.seed)
  }

  /** Width of the feed-forward layers: small, to keep the file small. */
  get feedForward(): number {
    return (this.shape.width * 5) / 4
  }

  get headWidth(): number {
    return this.shape.width / this.shape.heads
  }

  /** Heads of keys and values, each shared by some query heads. */
  get sharedHeads(): number {
    return this.shape.keyValueHeads
  }

  /** A matrix from `input` to `output` components. */
  matrix(name: string, input: number, output: number, gain = 1, type = this.shape.weights): void {
    this.writer.tensor(name, [input, output], this.normal(input * output, gain / Math.sqrt(input)), type)
  }

  /** A matrix that writes to the residual stream, so one that leaves the constant component alone. */
  residualMatrix(name: string, input: number, gain = 1): void {
    const values = this.normal(input * this.shape.width, gain / Math.sqrt(input))
    values.fill(0, 0, input)
    this.writer.tensor(name, [input, this.shape.width], values, this.shape.weights)
  }

  residualBias(name: string): void {
    const values = this.normal(this.shape.width, 0.1)
    values[0] = 0
    this.writer.tensor(name, [this.shape.width], values)
  }

  vector(name: string, size: number, gain = 0.1): void {
    this.writer.tensor(name, [size], this.normal(size, gain))
  }

  /** Weights of a normalisation. */
  scale(name: string, size = this.shape.width, around = 1): void {
    this.writer.tensor(
      name,
      [size],
      this.normal(size, 0.1 * around).map(value => around + value),
    )
  }

  /** Weights and biases of a layer normalisation. */
  layerNorm(name: string): void {
    this.scale(`${name}.weight`)
    this.vector(`${name}.bias`, this.shape.width)
  }

  values(name: string, shape: number[], value: (index: number) => number): void {
    const size = shape.reduce((product, each) => product * each, 1)
    this.writer.tensor(
      name,
      shape,
      Float32Array.from({ length: size }, (_, index) => value(index)),
    )
  }

  /** The input embeddings, and an output matrix under which bytes are rare and replies end as `endBias` says. */
  embeddings(): void {
    const { width, weights, endBias } = this.shape
    const { tokens, rare, ends } = this.vocabulary
    const input = this.normal(tokens.length * width, 1)
    const output = this.normal(tokens.length * width, 1.5 / Math.sqrt(width))
    for (let id = 0; id < tokens.length; id++) {
      input[id * width] = constantComponent
      const bias = rare.has(id) ? rareBias : ends.has(id) ? endBias : 0
      output[id * width] = bias / constantAtOutput
    }
    this.writer.tensor('token_embd.weight', [width, tokens.length], input, weights)
    this.writer.tensor('output.weight', [width, tokens.length], output, weights)
  }

  normal(size: number, gain: number): Float32Array {
    return Float32Array.from({ length: size }, () => this.random.normal() * gain)
  }

  /** Separate query, key and value matrices with grouped heads, and the one back. */
  attention(prefix: string, { bias = false, queryNorm = false, gated = false } = {}): void {
    const { width } = this.shape
    const shared = this.sharedHeads * this.headWidth
    // a gate for each component of the output comes out of the query's matrix
    this.matrix(`${prefix}attn_q.weight`, width, gated ? 2 * width : width, 1.6)
    this.matrix(`${prefix}attn_k.weight`, width, shared, 1.6)
    this.matrix(`${prefix}attn_v.weight`, width, shared)
    this.residualMatrix(`${prefix}attn_output.weight`, width, 2)
    if (bias) {
      this.vector(`${prefix}attn_q.bias`, width, 0.5)
      this.vector(`${prefix}attn_k.bias`, shared, 0.5)
      this.vector(`${prefix}attn_v.bias`, shared)
    }
    if (queryNorm) {
      this.scale(`${prefix}attn_q_norm.weight`, this.headWidth)
      this.scale(`${prefix}attn_k_norm.weight`, this.headWidth)
    }
  }

  /** One matrix for each head, from `input` to `output` components. */
  headMatrices(name: string, input: number, output: number, gain = 1): void {
    const { heads, weights } = this.shape
    this.writer.tensor(
      name,
      [input, output, heads],
      this.normal(input * output * heads, gain / Math.sqrt(input)),
      weights,
    )
  }

  gatedFeedForward(prefix: string): void {
    this.matrix(`${prefix}ffn_gate.weight`, this.shape.width, this.feedForward)
    this.matrix(`${prefix}ffn_up.weight`, this.shape.width, this.feedForward)
    this.residualMatrix(`${prefix}ffn_down.weight`, this.feedForward)
  }

  plainFeedForward(prefix: string): void {
    this.matrix(`${prefix}ffn_up.weight`, this.shape.width, this.feedForward)
    this.vector(`${prefix}ffn_up.bias`, this.feedForward)
    this.residualMatrix(`${prefix}ffn_down.weight`, this.feedForward)
    this.residualBias(`${prefix}ffn_down.bias`)
  }

  /** A Mamba layer; with norms on its inputs as Jamba has them. */
  stateSpace(prefix: string, norms: boolean): void {
    const { width } = this.shape
    const { inner, state, rank, kernel } = stateSpaceSizes(width)
    this.matrix(`${prefix}ssm_in.weight`, width, 2 * inner)
    this.matrix(`${prefix}ssm_conv1d.weight`, kernel, inner, 1.5, 'f32')
    this.vector(`${prefix}ssm_conv1d.bias`, inner)
    this.matrix(`${prefix}ssm_x.weight`, inner, rank + 2 * state, 2)
    if (norms) {
      this.scale(`${prefix}ssm_dt_norm.weight`, rank)
      this.scale(`${prefix}ssm_b_norm.weight`, state)
      this.scale(`${prefix}ssm_c_norm.weight`, state)
    }
    this.matrix(`${prefix}ssm_dt.weight`, rank, inner)
    this.values(`${prefix}ssm_dt.bias`, [inner], () => -4 + 3 * this.random.uniform())
    this.values(`${prefix}ssm_a`, [state, inner], index => -0.3 * (1 + (index % state)))
    this.values(`${prefix}ssm_d`, [inner], () => 1)
    this.residualMatrix(`${prefix}ssm_out.weight`, inner, 0.4)
  }
}

export function stateSpaceSizes(width: number) {
  return { inner: 2 * width, state: 16, rank: 8, kernel: 4 }
}
