import { activations, add, alibiSlopes, apply, normalize } from './arithmetic.js'
import type { Layer, ReferenceModel } from './model.js'

/** What one token leaves in the cache, by layer: keys before any rotation, and values. */
export interface Cached {
  keys: Float64Array[]
  values: Float64Array[]
}

/** One token through the layers. `hidden` is the state that the output matrix reads. */
export interface Decoded {
  cached: Cached
  hidden: Float64Array
}

/**
 * The decoder-only transformer, in float64 and one token at a time, written from the papers (Vaswani et al. 2017,
 * Su et al. 2021, Touvron et al. 2023, Black et al. 2022, Le Scao et al. 2022) and knowing nothing of our engine.
 */
export class Transformer {
  readonly #slopes: number[]
  readonly #angles: { cosines: Float64Array; sines: Float64Array }[] = []

  constructor(readonly model: ReferenceModel) {
    this.#slopes = alibiSlopes(model.heads)
  }

  /**
   * Decodes a token that sees `seen` and itself. Positions are those inside the cache, 0, 1, 2... (Xiao et al. 2023,
   * section 3.2), unless `positions` gives one for each of `seen` and one for the token.
   */
  decode(token: number, seen: readonly Cached[], positions: readonly number[] = inOrder(seen.length + 1)): Decoded {
    const { model } = this
    const norm = (weights: Layer['attentionNorm'], x: Float64Array) => normalize(model.norm, weights, x, model.epsilon)
    const cached: Cached = { keys: [], values: [] }
    let x: Float64Array = model.embeddings.slice(token * model.width, (token + 1) * model.width)
    if (model.embeddingNorm !== undefined) x = norm(model.embeddingNorm, x)
    model.layers.forEach((layer, index) => {
      const input = norm(layer.attentionNorm, x)
      cached.keys.push(apply(layer.key, input))
      cached.values.push(apply(layer.value, input))
      const visible = [...seen, cached]
      const attended = this.#attend(
        apply(layer.query, input),
        visible.map(({ keys }) => keys[index]!),
        visible.map(({ values }) => values[index]!),
        positions,
      )
      const attention = apply(layer.attentionOutput, attended)
      if (model.parallelResidual) x = add(add(x, attention), this.#feedForward(layer, norm(layer.feedForwardNorm, x)))
      else {
        x = add(x, attention)
        x = add(x, this.#feedForward(layer, norm(layer.feedForwardNorm, x)))
      }
    })
    return { cached, hidden: norm(model.outputNorm, x) }
  }

  /** Of a token after that hidden state; natural logarithm. */
  negativeLogLikelihood(hidden: Float64Array, token: number): number {
    const logits = apply(this.model.output, hidden)
    const max = logits.reduce((a, b) => Math.max(a, b))
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - max), 0)
    return max + Math.log(sum) - logits[token]!
  }

  #feedForward({ gate, up, down }: Layer, x: Float64Array): Float64Array {
    const activation = activations[this.model.activation]
    const raised = apply(up, x)
    if (gate === undefined) return apply(down, raised.map(activation))
    const opened = apply(gate, x)
    return apply(
      down,
      raised.map((each, i) => each * activation(opened[i]!)),
    )
  }

  #attend(
    query: Float64Array,
    keys: Float64Array[],
    values: Float64Array[],
    positions: readonly number[],
  ): Float64Array {
    const { heads, keyValueHeads, headWidth } = this.model
    const own = positions.at(-1)!
    const rotatedQuery = this.#rotate(query, heads, own)
    const rotatedKeys = keys.map((key, i) => this.#rotate(key, keyValueHeads, positions[i]!))
    const output = new Float64Array(heads * headWidth)
    const weights = new Float64Array(keys.length)
    for (let head = 0; head < heads; head++) {
      const from = head * headWidth
      const shared = Math.floor((head * keyValueHeads) / heads) * headWidth
      let max = -Infinity
      for (let i = 0; i < keys.length; i++) {
        const key = rotatedKeys[i]!
        let score = 0
        for (let c = 0; c < headWidth; c++) score += rotatedQuery[from + c]! * key[shared + c]!
        score /= Math.sqrt(headWidth)
        if (this.model.positions === 'alibi') score -= this.#slopes[head]! * (own - positions[i]!)
        weights[i] = score
        max = Math.max(max, score)
      }
      let total = 0
      for (let i = 0; i < keys.length; i++) total += weights[i] = Math.exp(weights[i]! - max)
      for (let i = 0; i < keys.length; i++) {
        const weight = weights[i]! / total
        const value = values[i]!
        for (let c = 0; c < headWidth; c++) output[from + c]! += weight * value[shared + c]!
      }
    }
    return output
  }

  /** Turns each pair of components of each head by position times the pair's frequency; without RoPE, nothing. */
  #rotate(x: Float64Array, heads: number, position: number): Float64Array {
    const { positions, headWidth, rotated } = this.model
    if (positions === 'alibi') return x
    const { cosines, sines } = this.#anglesAt(position)
    const pairs = rotated / 2
    const y = x.slice()
    for (let head = 0; head < heads; head++) {
      for (let pair = 0; pair < pairs; pair++) {
        const a = head * headWidth + (positions === 'neighbours' ? 2 * pair : pair)
        const b = a + (positions === 'neighbours' ? 1 : pairs)
        y[a] = x[a]! * cosines[pair]! - x[b]! * sines[pair]!
        y[b] = x[a]! * sines[pair]! + x[b]! * cosines[pair]!
      }
    }
    return y
  }

  #anglesAt(position: number): { cosines: Float64Array; sines: Float64Array } {
    const { rotated, frequencyBase } = this.model
    return (this.#angles[position] ??= (() => {
      const angles = Float64Array.from(
        { length: rotated / 2 },
        (_, pair) => position * frequencyBase ** ((-2 * pair) / rotated),
      )
      return { cosines: angles.map(Math.cos), sines: angles.map(Math.sin) }
    })())
  }
}

function inOrder(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
