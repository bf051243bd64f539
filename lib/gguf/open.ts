import { open, stat } from 'node:fs/promises'
import { StreamingLLMError } from '../errors.js'
import { checkFirstBytes, firstBytesLength } from './first-bytes.js'
import { readHeader, type RawHeader } from './header.js'

/** Opens one file, reads its header and closes it. Throws typed errors for whatever is in the way. */
export async function readModelFile(path: string): Promise<RawHeader> {
  const sizeBytes = await regularFileSize(path)
  const file = await open(path, 'r').catch((error: unknown) => { throw notReadable(path, error) })
  try {
    const bytes = Buffer.alloc(Math.min(firstBytesLength, sizeBytes))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    checkFirstBytes(path, bytes.subarray(0, bytesRead), sizeBytes)
    return await readHeader(file, path, sizeBytes)
  } catch (error) {
    throw StreamingLLMError.isInstance(error) ? error : notReadable(path, error)
  } finally {
    await file.close()
  }
}

async function regularFileSize(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => { throw notReadable(path, error) })
  if (found.isDirectory()) {
    throw new StreamingLLMError('MODEL_NOT_FOUND', `${path} is a directory. Pass the path of a .gguf file in it.`, { details: { path } })
  }
  // opening a pipe would wait for its writer
  if (!found.isFile()) {
    throw new StreamingLLMError('MODEL_NOT_FOUND', `${path} is no regular file. Pass the path of a .gguf file.`, { details: { path } })
  }
  return found.size
}

function notReadable(path: string, cause: unknown): StreamingLLMError {
  const code = (cause as { code?: unknown } | null)?.code
  const message = code === 'ENOENT' || code === 'ENOTDIR'
    ? `There is no model file at ${path}. Check the path; a relative one starts at ${process.cwd()}.`
    : code === 'EACCES' || code === 'EPERM'
      ? `The model file ${path} may not be read by this user. Change its permissions.`
      : `The model file ${path} cannot be read (${String(code ?? cause)}).`
  return new StreamingLLMError('MODEL_NOT_FOUND', message, { cause, details: { path, reason: code } })
}
