import type { ModelBytes } from './model-bytes.js'

/** Bytes by what they are for. */
export interface MemoryParts {
  /** The model's weights. */
  weights: number
  /** Keys and values of the tokens that are kept. */
  cache: number
  /** States of recurrent layers. */
  state: number
  /** What computing a batch takes, logits included. */
  compute: number
  /** The vocabulary, and metadata of the cells. */
  tables: number
}

/**
 * What the CPU's memory and the GPU's (of several, all together) have to hold where the last `gpuLayers` are on
 * the GPU, the output counted as one.
 */
export function deviceBytes(bytes: ModelBytes, gpuLayers: number): { processor: MemoryParts; gpu: MemoryParts } {
  const { layers, output, input, compute, tables } = bytes
  const offloaded = Math.max(0, Math.min(gpuLayers, layers.length + 1))
  const first = layers.length - Math.max(0, offloaded - 1)
  const sum = (of: typeof layers, what: 'weights' | 'cache' | 'state'): number =>
    of.reduce((total, each) => total + each[what], 0)
  const part = (of: typeof layers): Pick<MemoryParts, 'weights' | 'cache' | 'state'> => ({
    weights: sum(of, 'weights'),
    cache: sum(of, 'cache'),
    state: sum(of, 'state'),
  })
  const [here, there] = [part(layers.slice(0, first)), part(layers.slice(first))]
  const outputThere = offloaded > 0 ? output.weights : 0
  return {
    processor: {
      ...here,
      weights: here.weights + input + (offloaded > 0 || output.shared ? 0 : output.weights),
      compute: compute.logits + (first > 0 ? compute.graph : 0),
      tables,
    },
    gpu: { ...there, weights: there.weights + outputThere, compute: offloaded > 0 ? compute.graph : 0, tables: 0 },
  }
}

export function sumOfParts({ weights, cache, state, compute, tables }: MemoryParts): number {
  return weights + cache + state + compute + tables
}
