import type { NativeModelInfo } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import { hybridArchitectures, recurrentArchitectures, unrotatedArchitectures } from '../gguf/architectures.js'
import type { ModelHeader } from '../gguf/check.js'
import { ArchitectureHparams } from '../gguf/metadata.js'
import { layerMemories } from '../memory/layers.js'

/** How a model remembers what it has read, and what that means for a conversation without end. */
export interface ModelMemory {
  /**
   * `attention`: keys and values of each token. `sliding window`: so, but some layers see only the latest tokens.
   * `recurrent`: a state that takes each token in. `hybrid`: layers of both kinds.
   */
  readonly kind: 'attention' | 'sliding window' | 'hybrid' | 'recurrent'
  /**
   * `evict`: old tokens leave the cache and nothing else changes. `refill`: tokens cannot be moved, so whenever the
   * cache is full, the sinks and half of the window are decoded again.
   */
  readonly eviction: 'evict' | 'refill'
  /** Whether the sinks must follow the window. Not where positions mean nothing to the model. */
  readonly sinksMove: boolean
  /** Positions from here on mean something else to the model, so the streaming policy stays below. */
  readonly positionLimit?: number
  /** Learned positions: there are no others than these. */
  readonly lastPosition?: number
  /** Why it is so, in a sentence. */
  readonly reason: string
}

/** Memories that llama.cpp cannot take single tokens out of, by architecture. */
const unremovable = new Set(['deepseek4'])

/** What tells the families apart. */
export type MemoryTraits = Pick<
  NativeModelInfo,
  'isRecurrent' | 'isHybrid' | 'hasPositions' | 'slidingWindow' | 'trainedLength'
>

/**
 * The same before a model is loaded, as far as its file's header tells; only for architectures of this llama.cpp is
 * that the whole truth.
 */
export function traitsOfHeader(header: ModelHeader): MemoryTraits {
  const { architecture } = header
  return {
    isRecurrent: recurrentArchitectures.has(architecture),
    isHybrid: hybridArchitectures.has(architecture),
    hasPositions: !unrotatedArchitectures.has(architecture),
    slidingWindow: layerMemories(header).window,
    trainedLength: header.contextLength,
  }
}

/** Tells the families apart; what is exact for which is measured in test/native/families. */
export function modelMemory(info: MemoryTraits, header: ModelHeader): ModelMemory {
  const { architecture } = header
  const limit = positionLimit(header, info)
  const kind = info.isHybrid
    ? 'hybrid'
    : info.isRecurrent
      ? 'recurrent'
      : info.slidingWindow > 0
        ? 'sliding window'
        : 'attention'
  const evicts = { kind, eviction: 'evict', sinksMove: true } as const
  if (header.hasLearnedPositions) {
    return {
      ...evicts,
      eviction: 'refill',
      lastPosition: info.trainedLength,
      reason: `${architecture} has learned absolute positions, so its tokens cannot be moved`,
    }
  }
  if (unremovable.has(architecture))
    return {
      ...evicts,
      eviction: 'refill',
      reason: `llama.cpp cannot take single tokens out of the memory of ${architecture}`,
    }
  if (kind === 'recurrent')
    return {
      ...evicts,
      sinksMove: false,
      reason: `${architecture} has a recurrent state: there is nothing to evict, and no positions`,
    }
  if (kind === 'hybrid' && !info.hasPositions)
    return {
      ...evicts,
      sinksMove: false,
      reason: `${architecture} attends without positions, so its sinks may stay where they are`,
    }
  if (limit !== undefined)
    return {
      ...evicts,
      positionLimit: limit,
      reason: `${architecture} attends differently from position ${limit} on, so positions are brought back before`,
    }
  return {
    ...evicts,
    reason:
      kind === 'hybrid'
        ? 'its attention sees differences of positions alone, and its recurrent state needs no eviction'
        : 'its attention sees differences of positions alone',
  }
}

function positionLimit({ architecture, metadata, path }: ModelHeader, info: MemoryTraits): number | undefined {
  const hparams = new ArchitectureHparams(architecture, metadata)
  const hparam = (key: string) => hparams.number(key) ?? 0
  if (architecture === 'llama4') return 8192 // both its attention's temperature and its chunks change there
  if (hparam('attention.temperature_scale') === 0) return undefined
  const limit =
    architecture === 'mistral3'
      ? hparam('rope.scaling.original_context_length') || info.trainedLength
      : hparam('attention.temperature_length')
  // llama.cpp asserts at the first decode.
  if (limit <= 0)
    throw new StreamingLLMError(
      'MODEL_UNSUPPORTED',
      `${path} scales its attention by position but does not say from which length on (${architecture}.attention.temperature_length)`,
      { details: { path, architecture } },
    )
  return limit
}
