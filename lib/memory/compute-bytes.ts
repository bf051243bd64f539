import type { ModelHeader } from '../gguf/check.js'
import { tokensKey } from '../gguf/header.js'
import { arrayLength, ArchitectureFigures } from '../gguf/metadata.js'
import type { ContextSize } from './context-size.js'
import { layerMemories } from './layers.js'

export interface ComputeSetting extends ContextSize {
  batchSize: number
  /** Tokens of a batch whose logits are wanted at most. */
  outputs: number
  flashAttention: boolean
}

/** The scores are so large that the gaps between them and others count. */
const scoresSlack = 1.07

type Header = Pick<ModelHeader, 'architecture' | 'metadata' | 'weightBytes' | 'tensors'>

export interface ComputeBytes {
  /** Of the graph, on whatever computes; the largest part of it that is there at a time. */
  graph: number
  /** Of the logits, which the processor gets. */
  logits: number
}

/**
 * Bytes that computing a batch takes: llama.cpp's compute buffer and its output buffer. An estimate: the allocator's packing is not followed. It counts in 32-bit values a token, in multiples
 * of the widths of the model, which were found by measurement.
 */
export function computeBytes(header: Header, { cells, sequenceIds, batchSize, outputs, flashAttention }: ComputeSetting): ComputeBytes {
  const figures = new ArchitectureFigures(header.architecture, header.metadata)
  const figure = (name: string): number => figures.number(name) ?? 0
  const { layers } = layerMemories(header)
  const most = (values: readonly number[] | undefined): number => Math.max(0, ...values ?? [])
  const width = figure('embedding_length')
  const heads = most(figures.perLayer('attention.head_count', layers.length))
  const attending = layers.filter(({ keyWidth }) => keyWidth > 0)
  const attends = attending.length > 0
  const hasState = layers.some(({ stateWidth }) => stateWidth > 0)
  const keyLength = figures.number('attention.key_length') ?? (heads > 0 ? width / heads : 0)
  const valueLength = figures.number('attention.value_length') ?? (heads > 0 ? width / heads : 0)

  // One mask for the layers that see all, and one for those that do not; with flash attention of 16 bits.
  const masks = new Set(attending.map(({ windowed }) => windowed)).size * cells * batchSize * (flashAttention ? 2 : 4)
  // Inputs of each layer that are there all the time.
  const perLayerInputs = 2 * figure('embedding_length_per_layer_input') * layers.length

  const attention = attends ? 4 * width + (flashAttention ? heads * (2 * keyLength + valueLength) : 2 * width) : 0
  const scores = attends && !flashAttention ? cells * heads : 0
  const phases = [attention + scores, 4 * width + feedForward(header, figures, layers.length), hasState ? recurrence(figures, width) : 0]
  const states = hasState ? Math.max(...layers.map(({ stateWidth }) => stateWidth)) * sequenceIds : 0

  const vocabulary = arrayLength(header.metadata, tokensKey)
  const last = Math.max(sequenceIds, Math.min(batchSize, outputs)) * vocabulary + 3 * width * batchSize
  return {
    graph: Math.max((4 * (batchSize * (perLayerInputs + Math.max(...phases)) + states) + masks) * (flashAttention ? 1 : scoresSlack), 4 * last),
    logits: 4 * sequenceIds * vocabulary,
  }
}

/** Values a token: gate, up and their product; of experts those of all that are used. */
function feedForward({ tensors }: Header, figures: ArchitectureFigures, layers: number): number {
  const most = (name: string): number => Math.max(0, ...figures.perLayer(name, layers) ?? [])
  const width = most('feed_forward_length')
  const parts = [...tensors].some(name => /^blk\.\d+\.(ffn_gate|ffn_up_gate)\b/.test(name)) || tensors.size === 0 ? 3 : 2
  const used = most('expert_used_count')
  const expertWidth = most('expert_feed_forward_length') || width
  const experts = used * (2 * expertWidth + Math.max(expertWidth, figures.number('embedding_length') ?? 0))
  return Math.max(parts * width, experts + 3 * most('expert_shared_feed_forward_length'))
}

/** Values a token of a layer with a state: its projections, and what goes through the convolution. */
function recurrence(figures: ArchitectureFigures, width: number): number {
  const figure = (name: string): number => figures.number(name) ?? 0
  const inner = figure('ssm.inner_size')
  const convolved = inner + 2 * figure('ssm.group_count') * figure('ssm.state_size')
  return inner > 0 ? 4 * inner + 3 * convolved : 8 * width
}
