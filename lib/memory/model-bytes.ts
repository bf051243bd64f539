import { maxDrafts } from '../engine/cache-constants.js'
import type { NativeSequenceOptions } from '../engine/native.js'
import type { ModelHeader } from '../gguf/check.js'
import { tokensKey } from '../gguf/header.js'
import { arrayLength } from '../gguf/metadata.js'
import type { ParsedModelOptions } from '../options/parse.js'
import { bytesPerCachedValue, type LayerBytes, layerBytes } from './cache-bytes.js'
import { type ComputeBytes, computeBytes } from './compute-bytes.js'
import { type ContextSize, contextSize } from './context-size.js'
import { layerMemories } from './layers.js'

/** What a model takes, before it is known where its layers go. */
export interface ModelBytes extends ContextSize {
  layers: (LayerBytes & { weights: number })[]
  /** Of the weights that make logits. The processor keeps a copy where they are those of the input, too. */
  output: { weights: number; shared: boolean }
  /** Of weights outside the layers, without those of the output. */
  input: number
  compute: ComputeBytes
  /** What llama.cpp keeps of the vocabulary, and its metadata of the cells. */
  tables: number
}

export interface ModelUse {
  options: Pick<ParsedModelOptions, 'batchSize' | 'cacheTokens' | 'maxSequences' | 'kvType' | 'flashAttention'>
  limits: NativeSequenceOptions
  /** Conversations at once. */
  chats: number
}

// Measured: a vocabulary of 49,152 tokens with as many merges takes 30 MB; 4 million cells some 400 MB.
const bytesPerToken = 300
const bytesPerCell = 96

export function modelBytes(header: ModelHeader, { options, limits, chats }: ModelUse): ModelBytes {
  const { batchSize, cacheTokens, maxSequences, kvType } = options
  const memories = layerMemories(header)
  const hasState = memories.layers.some(({ stateWidth }) => stateWidth > 0)
  const size = contextSize({
    limits,
    chats,
    batchSize,
    maxSequences,
    cacheTokens,
    hasState,
    hasWindow: memories.window > 0,
  })
  const flashAttention = options.flashAttention !== 'off' && !withoutFlashAttention.has(header.architecture)
  const kept = layerBytes(memories.layers, size, { bytesPerValue: bytesPerCachedValue[kvType], flashAttention })
  const { layers, output, total } = header.weightBytes
  const shared = !header.tensors.has('output.weight')
  const inLayers = layers.reduce((sum, bytes) => sum + bytes, 0)
  return {
    ...size,
    layers: Array.from({ length: Math.max(layers.length, kept.length) }, (_, layer) => ({
      weights: layers[layer] ?? 0,
      cache: kept[layer]?.cache ?? 0,
      state: kept[layer]?.state ?? 0,
    })),
    output: { weights: output, shared },
    input: total - inLayers - (shared ? 0 : output),
    compute: computeBytes(header, {
      ...size,
      batchSize,
      flashAttention,
      bytesPerValue: bytesPerCachedValue[kvType],
      outputs: Math.max(size.sequenceIds, maxSequences + maxDrafts),
    }),
    tables:
      bytesPerToken *
        (arrayLength(header.metadata, tokensKey) + arrayLength(header.metadata, 'tokenizer.ggml.merges')) +
      bytesPerCell * size.cells,
  }
}

/** llama.cpp switches it off for these. */
const withoutFlashAttention = new Set(['grok'])
