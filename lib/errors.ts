/**
 * Every reason for which this library refuses or gives up, as a stable string.
 * Code may switch on these; the messages may change from version to version.
 */
export type ErrorCode =
  // what was passed
  | 'UNKNOWN_OPTION'
  | 'INVALID_OPTION'
  | 'WINDOW_TOO_LARGE'
  | 'POLICY_UNAVAILABLE'
  | 'FIM_UNAVAILABLE'
  // the model's file
  | 'MODEL_NOT_FOUND'
  | 'NOT_A_GGUF'
  | 'GGUF_TRUNCATED'
  | 'GGUF_MALFORMED'
  | 'MODEL_UNSUPPORTED'
  | 'MODEL_LOAD_FAILED'
  | 'MODEL_CHANGED'
  | 'DOWNLOAD_FAILED'
  | 'CHECKSUM_MISMATCH'
  | 'ADAPTER_INVALID'
  // the native side
  | 'ADDON_NOT_FOUND'
  | 'LIBRARY_NOT_FOUND'
  | 'LIBRARY_MISMATCH'
  | 'BUILD_FAILED'
  | 'GPU_UNAVAILABLE'
  | 'RPC_UNAVAILABLE'
  | 'OUT_OF_MEMORY'
  | 'CACHE_FULL'
  | 'NO_SEQUENCE_LEFT'
  | 'EVICTED'
  // saved chats
  | 'SAVED_CHAT_INVALID'
  | 'SAVE_FAILED'
  | 'DECODE_FAILED'
  // text and templates
  | 'TOKENIZE_FAILED'
  | 'TEXT_TOO_LONG'
  | 'TEMPLATE_MISSING'
  | 'TEMPLATE_FAILED'
  // replies of a wanted form
  | 'OUTPUT_INCOMPLETE'
  | 'OUTPUT_INVALID'
  | 'GRAMMAR_TOO_COMPLEX'
  // use of an object
  | 'CLOSED'
  | 'ABORTED'
  | 'BUSY'

const marker = Symbol.for('streaming-llm.error')

/**
 * The one error class of this library. `code` is stable, `message` says what was wrong and what to do about it,
 * `details` holds the figures that the message names.
 */
export class StreamingLLMError extends Error {
  override readonly name = 'StreamingLLMError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    Object.defineProperty(this, marker, { value: true })
  }

  /** True for an error of this library, whichever copy of the package threw it. */
  static isInstance(value: unknown): value is StreamingLLMError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[marker] === true
  }
}

export function modelClosed(): StreamingLLMError {
  return new StreamingLLMError('CLOSED', 'the model has been closed; load it again')
}

/**
 * Turns what the addon throws (a plain `Error` with a `code`) into a typed error; anything else passes unchanged.
 * The addon makes no typed errors itself, since under a test runner its objects belong to another realm.
 */
export function fromNative(error: unknown): unknown {
  if (StreamingLLMError.isInstance(error)) return error
  const native = error as { code?: unknown; message?: unknown } | null
  if (typeof native?.code !== 'string' || typeof native.message !== 'string') return error
  return new StreamingLLMError(native.code as ErrorCode, native.message, { cause: error })
}
