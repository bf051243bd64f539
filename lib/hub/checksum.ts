import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { StreamingLLMError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'

/** True for a SHA-256 in hex, which is what the hub's etags of large files are. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text)
}

/** Feeds a file to `hash`, 1 MiB at a time. Rejects with `signal.reason` when aborted. */
export async function hashInto(hash: Hash, path: string, signal?: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    throwIfAborted(signal)
    hash.update(chunk as Buffer)
  }
}

/**
 * The SHA-256 of a file in lower-case hex. Rejects with `signal.reason` when aborted; MODEL_NOT_FOUND where it cannot
 * be read.
 */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  try {
    await hashInto(hash, path, signal)
  } catch (cause) {
    throwIfAborted(signal)
    throw new StreamingLLMError('MODEL_NOT_FOUND', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
      details: { path },
    })
  }
  return hash.digest('hex')
}

export function checksumMismatch(what: string, expected: string | undefined, actual: string): StreamingLLMError {
  return new StreamingLLMError(
    'CHECKSUM_MISMATCH',
    `${what} has the SHA-256 ${actual}, but ${expected} was expected.`,
    { details: { expected, actual } },
  )
}
