import { typed } from '../backend/open.js'
import type { NativeModel } from '../engine/native.js'
import { wholeNumbers } from '../engine/sequence.js'
import type { Tokenizer } from '../engine/tokenizer.js'
import { fromNative, modelClosed, StreamingLLMError } from '../errors.js'
import { describe } from '../options/check.js'
import { parseTextOptions, type TextOptions } from '../options/parse.js'

/** Bytes of one text, as on the native side, which counts them exactly. */
export const maxTextBytes = 64 * 2 ** 20

/** The vocabulary of a loaded model. What needs the model throws CLOSED once that is closed. */
export class ModelTokenizer implements Tokenizer {
  readonly bosToken: number | undefined
  readonly bosText: string
  readonly eosText: string
  readonly specialTokens: readonly string[]
  readonly impossibleTrigger: Tokenizer['impossibleTrigger']
  readonly #native: NativeModel
  readonly #closing: AbortSignal

  constructor(native: NativeModel, closing: AbortSignal) {
    const { bosToken, bosText, eosText, specialTokens } = native.info
    this.bosToken = bosToken
    this.bosText = bosText
    this.eosText = eosText
    this.specialTokens = specialTokens
    this.impossibleTrigger = (grammar, triggers) => native.impossibleTrigger(grammar, triggers)
    this.#native = native
    this.#closing = closing
  }

  tokenize(text: string, options: TextOptions = {}): Int32Array {
    const { special = false } = parseTextOptions(options, 'tokenize')
    this.#check(text)
    return typed(() => this.#native.tokenize(text, special))
  }

  async tokenizeLater(text: string, options: TextOptions = {}): Promise<Int32Array> {
    this.#check(text)
    try {
      return await this.#native.tokenizeLater(text, options.special === true)
    } catch (error) {
      throw fromNative(error)
    }
  }

  /** The tokens of a text from its start: after the bos token where the model has one. */
  textTokens(text: string): Int32Array {
    const tokens = this.tokenize(text)
    if (this.bosToken === undefined) return tokens
    const all = new Int32Array(tokens.length + 1)
    all[0] = this.bosToken
    all.set(tokens, 1)
    return all
  }

  detokenize(tokens: ArrayLike<number>, options: TextOptions = {}): string {
    const { special = false } = parseTextOptions(options, 'detokenize')
    this.#assertOpen()
    const checked = wholeNumbers('detokenize', tokens)
    return typed(() => this.#native.detokenize(checked, special))
  }

  #check(text: unknown): asserts text is string {
    this.#assertOpen()
    if (typeof text !== 'string')
      throw new StreamingLLMError('INVALID_OPTION', `tokenize: the text must be a string, got ${describe(text)}`, {
        details: { call: 'tokenize', option: 'text' },
      })
    // Before it is copied: a UTF-16 code unit takes at least a byte.
    if (text.length > maxTextBytes)
      throw new StreamingLLMError(
        'TEXT_TOO_LONG',
        `tokenize: a text of ${text.length} characters is longer than the ${maxTextBytes} bytes that are tokenized at once; pass it in parts`,
        { details: { length: text.length, limit: maxTextBytes } },
      )
  }

  #assertOpen(): void {
    if (this.#closing.aborted) throw modelClosed()
  }
}
