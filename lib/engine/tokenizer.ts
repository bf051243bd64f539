import type { TextOptions } from '../options/types.js'

/** A model's vocabulary, for what writes prompts and reads replies. */
export interface Tokenizer {
  /** The bos token that prompts begin with; undefined where the model wants none. */
  readonly bosToken: number | undefined
  /** The texts of the bos and the eos token; empty where the vocabulary has none. */
  readonly bosText: string
  readonly eosText: string
  /** Texts of the control tokens: what must not be read as such inside people's text. */
  readonly specialTokens: readonly string[]
  /**
   * Without a bos token. Works at once, so a very long text holds up the event loop. Throws TOKENIZE_FAILED,
   * TEXT_TOO_LONG.
   */
  tokenize(text: string, options?: TextOptions): Int32Array
  /** As `tokenize`, while the event loop stays free: for texts that take long. */
  tokenizeLater(text: string, options?: TextOptions): Promise<Int32Array>
  detokenize(tokens: ArrayLike<number>, options?: TextOptions): string
  /** As NativeModel's; works when the model is closed, too. */
  readonly impossibleTrigger: (grammar: string, triggers: readonly string[]) => number
}
