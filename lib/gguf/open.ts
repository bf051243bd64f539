import { open, stat } from 'node:fs/promises'
import { StreamingLLMError } from '../errors.js'
import { checkFirstBytes, firstBytesLength } from './first-bytes.js'
import { type RawHeader, readHeader } from './header.js'
import type { ByteSource, OpenSource } from './source.js'

/** Opens one file, reads its header and closes it. Throws typed errors for whatever is in the way. */
export async function readModelFile(path: string, openSource: OpenSource = openFile): Promise<RawHeader> {
  const source = await openSource(path)
  try {
    const bytes = Buffer.alloc(Math.min(firstBytesLength, source.sizeBytes))
    const { bytesRead } = await source.read(bytes, 0, bytes.length, 0)
    checkFirstBytes(path, bytes.subarray(0, bytesRead), source.sizeBytes)
    return await readHeader(source, path, source.sizeBytes)
  } finally {
    await source.close()
  }
}

/** A file of this machine. */
export async function openFile(path: string): Promise<ByteSource> {
  const sizeBytes = await regularFileSize(path)
  const file = await open(path, 'r').catch((error: unknown) => {
    throw notReadable(path, error)
  })
  return {
    sizeBytes,
    read: async (buffer, offset, length, position) => {
      try {
        return await file.read(buffer, offset, length, position)
      } catch (error) {
        throw notReadable(path, error)
      }
    },
    close: () => file.close(),
  }
}

async function regularFileSize(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw notReadable(path, error)
  })
  if (found.isDirectory()) {
    throw new StreamingLLMError('MODEL_NOT_FOUND', `${path} is a directory. Pass the path of a .gguf file in it.`, {
      details: { path },
    })
  }
  // opening a pipe would wait for its writer
  if (!found.isFile()) {
    throw new StreamingLLMError('MODEL_NOT_FOUND', `${path} is no regular file. Pass the path of a .gguf file.`, {
      details: { path },
    })
  }
  return found.size
}

function notReadable(path: string, cause: unknown): StreamingLLMError {
  const code = (cause as { code?: unknown } | null)?.code
  const message =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? `There is no model file at ${path}. Check the path; a relative one starts at ${process.cwd()}.`
      : code === 'EACCES' || code === 'EPERM'
        ? `The model file ${path} may not be read by this user. Change its permissions.`
        : `The model file ${path} cannot be read (${String(code ?? cause)}).`
  return new StreamingLLMError('MODEL_NOT_FOUND', message, { cause, details: { path, reason: code } })
}
