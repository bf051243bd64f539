import type { ContextSize } from './context-size.js'
import type { LayerMemory } from './layers.js'

/** Bytes of a value, by the type of the cached keys and values. */
export const bytesPerCachedValue = { f32: 4, f16: 2, q8_0: 1.0625, q4_0: 0.5625 }

export interface CacheFormat {
  /** Bytes of a value of the cache. */
  bytesPerValue: number
  /** Without flash attention the values of all layers are laid out as wide as the widest. */
  flashAttention: boolean
}

/** Bytes of one layer: of its keys and values, and of its states, which are always kept in 32 bits. */
export interface LayerBytes {
  cache: number
  state: number
}

/**
 * What each layer of a model takes in a context of a size; exactly what llama.cpp allocates. Layers that see only the
 * latest tokens take as much as the others, since the engine has llama.cpp keep them whole.
 */
export function layerBytes(
  layers: readonly LayerMemory[],
  { cells, sequenceIds }: ContextSize,
  { bytesPerValue, flashAttention }: CacheFormat,
): LayerBytes[] {
  const widestValue = Math.max(0, ...layers.map(({ valueWidth }) => valueWidth))
  return layers.map(layer => {
    const valueWidth = flashAttention || layer.valueWidth === 0 ? layer.valueWidth : widestValue
    return {
      cache: (layer.keyWidth + valueWidth) * bytesPerValue * cells,
      state: layer.stateWidth * 4 * sequenceIds,
    }
  })
}
