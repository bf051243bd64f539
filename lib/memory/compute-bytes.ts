import type { ModelHeader } from '../gguf/check.js'
import { tokensKey } from '../gguf/header.js'
import { ArchitectureHparams, arrayLength } from '../gguf/metadata.js'
import type { ContextSize } from './context-size.js'
import { layerMemories } from './layers.js'

export interface ComputeShape extends ContextSize {
  batchSize: number
  /** Tokens of a batch whose logits are wanted at most. */
  outputs: number
  /** Bytes of a value of the cache. */
  bytesPerValue: number
  flashAttention: boolean
}

export interface ComputeBytes {
  /** Of the graph, on whatever computes; the largest part of it that is there at a time. */
  graph: number
  /** Of the logits, which the CPU gets. */
  logits: number
}

type Header = Pick<ModelHeader, 'architecture' | 'metadata' | 'weightBytes' | 'tensors'>

/**
 * Bytes that computing a batch takes: llama.cpp's compute buffer and its output buffer. An estimate: the allocator's
 * packing is not followed. It takes the largest of some phases of the graph, each counted in 32-bit values a token, in
 * multiples of the widths of the model that were found by measurement.
 */
export function computeBytes(
  header: Header,
  { cells, sequenceIds, batchSize, outputs, bytesPerValue, flashAttention }: ComputeShape,
): ComputeBytes {
  const hparams = new ArchitectureHparams(header.architecture, header.metadata)
  const hparam = (name: string): number => hparams.number(name) ?? 0
  const { layers } = layerMemories(header)
  const max = (values: readonly number[] | undefined): number => Math.max(0, ...(values ?? []))
  const width = hparam('embedding_length')
  const heads = max(hparams.perLayer('attention.head_count', layers.length))
  const keyLength = hparams.number('attention.key_length') ?? (heads > 0 ? width / heads : 0)
  const valueLength = hparams.number('attention.value_length') ?? (heads > 0 ? width / heads : 0)
  const attending = layers.filter(({ keyWidth }) => keyWidth > 0)
  const valueWidth = max(attending.map(layer => layer.valueWidth))
  // Layers that see all and layers that do not have a mask, and places to write to, of their own.
  const kinds = new Set(attending.map(({ windowed }) => windowed)).size
  // llama.cpp plans for as many tokens of each sequence.
  const tokens = Math.ceil(batchSize / sequenceIds) * sequenceIds

  const masks = kinds * cells * (flashAttention ? 2 : 4)
  // Inputs of each layer that are there all the time.
  const perLayerInputs = 8 * hparam('embedding_length_per_layer_input') * layers.length
  const attention = flashAttention
    ? 4 * (3 * width + heads * (2 * keyLength + valueLength))
    : 4 * (5 * width + 2 * kinds * valueWidth + cells * heads)
  // Flash attention takes keys and values in 16 bits.
  const casts =
    flashAttention && bytesPerValue === 4
      ? 2 * cells * (max(attending.map(({ keyWidth }) => keyWidth)) + valueWidth)
      : 0
  const states = 2 * sequenceIds * max(layers.map(({ stateWidth }) => stateWidth))
  const phases = [
    attending.length > 0 ? tokens * attention + (valueWidth > 0 ? casts : 0) : 0,
    tokens * 4 * (4 * width + feedForward(header, hparams, layers.length)),
    states > 0 ? tokens * 4 * recurrence(hparams, width) + states : 0,
  ]
  const vocabulary = arrayLength(header.metadata, tokensKey)
  const last = 4 * (Math.max(sequenceIds, Math.min(batchSize, outputs)) * vocabulary + 3 * width * tokens)
  return {
    graph: Math.max(tokens * (masks + perLayerInputs) + Math.max(...phases), last),
    logits: 4 * sequenceIds * vocabulary,
  }
}

/** Values a token: gate, up and their product; of experts those of all that are used. */
function feedForward({ tensors }: Header, hparams: ArchitectureHparams, layers: number): number {
  const max = (name: string): number => Math.max(0, ...(hparams.perLayer(name, layers) ?? []))
  const width = max('feed_forward_length')
  const parts =
    [...tensors].some(name => /^blk\.\d+\.(ffn_gate|ffn_up_gate)\b/.test(name)) || tensors.size === 0 ? 3 : 2
  const used = max('expert_used_count')
  const expertWidth = max('expert_feed_forward_length') || width
  const experts = used * (2 * expertWidth + Math.max(expertWidth, hparams.number('embedding_length') ?? 0))
  return Math.max(parts * width, experts + 3 * max('expert_shared_feed_forward_length'))
}

/** Values a token of a layer with a state: its projections, and what goes through the convolution. */
function recurrence(hparams: ArchitectureHparams, width: number): number {
  const hparam = (name: string): number => hparams.number(name) ?? 0
  const inner = hparam('ssm.inner_size')
  const convolved = inner + 2 * hparam('ssm.group_count') * hparam('ssm.state_size')
  return inner > 0 ? 4 * inner + 3 * convolved : 8 * width
}
