import { heldCells, idsPerSequence, sinkCopies } from '../engine/cache-constants.js'
import type { NativeSequenceOptions } from '../engine/native.js'

/** The size of a llama.cpp context. */
export interface ContextSize {
  /** Tokens that the cache has room for. */
  cells: number
  /** Sequences that llama.cpp tells apart; our own conversations take several each. */
  sequenceIds: number
}

export interface ContextNeeds {
  /** What each conversation keeps. */
  limits: NativeSequenceOptions
  /** How many there are at once. */
  chats: number
  batchSize: number
  maxSequences: number
  /** Cells of the whole cache; undefined: as many as are needed. */
  cacheTokens?: number
  /** It has a recurrent state, alone or beside attention. */
  hasState: boolean
  /** Some of its layers see only the latest tokens. */
  hasWindow: boolean
}

export function contextSize({
  limits,
  chats,
  batchSize,
  maxSequences,
  cacheTokens,
  hasState,
  hasWindow,
}: ContextNeeds): ContextSize {
  const { policy, sinks, window } = limits
  const tokens = sinks + window
  const each = policy === 'streaming' ? tokens + sinkCopies(hasState) * sinks + heldCells : tokens + 1
  return {
    cells: Math.ceil((cacheTokens ?? batchSize + chats * each) / 256) * 256,
    sequenceIds: idsPerSequence(hasState) * (hasState || hasWindow ? chats : maxSequences),
  }
}
