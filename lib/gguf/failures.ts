import { StreamingLLMError } from '../errors.js'

type Details = Record<string, unknown>

/** The file's structure is not what the format asks for, and not because its end is missing. */
export function malformed(path: string, reason: string, details: Details = {}): StreamingLLMError {
  return new StreamingLLMError(
    'GGUF_MALFORMED',
    `${path} is a damaged GGUF file: ${reason}. Download it again, or convert it again.`,
    { details: { path, reason, ...details } },
  )
}

/** The file ends before what its header announces. */
export function truncated(path: string, where: string, expectedBytes: number, actualBytes: number): StreamingLLMError {
  return new StreamingLLMError(
    'GGUF_TRUNCATED',
    `${path} is cut off: ${where} needs at least ${expectedBytes} bytes, and the file has ${actualBytes}. Download it again; the last download was probably broken off.`,
    { details: { path, expectedBytes, actualBytes } },
  )
}

/** A sound GGUF file, but not of a model that this library can run. */
export function unsupported(path: string, what: string, advice: string, details: Details = {}): StreamingLLMError {
  return new StreamingLLMError('MODEL_UNSUPPORTED', `${path} ${what}. ${advice}`, { details: { path, ...details } })
}
