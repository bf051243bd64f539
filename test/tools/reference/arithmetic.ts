import type { Linear, Norm } from './model.js'

/** Matrix times vector, plus bias. */
export function apply({ inputs, outputs, weight, bias }: Linear, x: Float64Array): Float64Array {
  const y = bias === undefined ? new Float64Array(outputs) : bias.slice()
  for (let row = 0, start = 0; row < outputs; row++, start += inputs) {
    // Two sums, since one alone would have each addition wait for the one before it.
    let even = 0
    let odd = 0
    for (let i = 0; i < inputs; i += 2) {
      even += weight[start + i]! * x[i]!
      odd += weight[start + i + 1]! * x[i + 1]!
    }
    y[row]! += even + odd
  }
  return y
}

export function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((each, i) => each + b[i]!)
}

/** Root mean square norm (Zhang and Sennrich 2019), or layer norm (Ba et al. 2016), which takes out the mean first. */
export function normalize(
  kind: 'rms' | 'layer',
  { weight, bias }: Norm,
  x: Float64Array,
  epsilon: number,
): Float64Array {
  const mean = kind === 'rms' ? 0 : x.reduce((sum, each) => sum + each, 0) / x.length
  const variance = x.reduce((sum, each) => sum + (each - mean) ** 2, 0) / x.length
  const scale = 1 / Math.sqrt(variance + epsilon)
  return x.map((each, i) => (each - mean) * scale * weight[i]! + (bias === undefined ? 0 : bias[i]!))
}

export const activations = {
  silu: (x: number) => x / (1 + Math.exp(-x)),
  /** With the hyperbolic tangent (Hendrycks and Gimpel 2016, section 2), as llama.cpp has it for every model. */
  gelu: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
}

/**
 * How much each head's scores fall with each token of distance (Press et al. 2022): a geometric sequence that ends at
 * 2^-8; for a number of heads that is no power of two, that of the power below, then every other one of the power
 * above.
 */
export function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads))
  return Array.from({ length: heads }, (_, head) =>
    head < power ? 2 ** ((-8 * (head + 1)) / power) : 2 ** ((-4 * (2 * (head - power) + 1)) / power),
  )
}
