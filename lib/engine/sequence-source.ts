import type { ParsedPolicyOptions } from '../options/parse.js'
import type { NativeSequence, NativeSequenceOptions } from './native.js'

/** Where a conversation gets its native sequences from, and what tells saved ones apart. */
export interface SequenceSource {
  /** The policy and sizes for a sequence: what was asked for, the rest from the model. Throws WINDOW_TOO_LARGE. */
  limits(options: ParsedPolicyOptions): NativeSequenceOptions
  /** Whether its sequences can have these sizes, which came from outside. */
  fits(sizes: NativeSequenceOptions): boolean
  /** Throws NO_SEQUENCE_LEFT, OUT_OF_MEMORY, CLOSED. */
  open(limits: NativeSequenceOptions): NativeSequence
  /** Another sequence that goes on from where this one is. */
  fork(from: NativeSequence): NativeSequence
  /** Tells this model file from others. */
  fingerprint(): Promise<string>
  /** What a saved cache has in common with this model's, or cannot be read. */
  readonly cacheKind: string
  /** Fires when the model is closed. */
  readonly closing: AbortSignal
}
