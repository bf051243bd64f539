import { createHash } from 'node:crypto'
import { StreamingLLMError } from '../errors.js'
import { openRegularFile } from '../util/regular-file.js'

const block = 64 * 1024
const maxBlocks = 1024

/**
 * Identifies a model file: the SHA-256 of its size and content. Of a file larger than 64 MiB only 1,024 blocks of 64
 * KiB count, spread evenly from the first to the last, since reading all of it takes seconds. Throws MODEL_NOT_FOUND
 * where it cannot be read.
 */
export async function modelFingerprint(file: string): Promise<string> {
  try {
    return await fingerprint(file)
  } catch (error) {
    throw new StreamingLLMError(
      'MODEL_NOT_FOUND',
      `the model file ${file} cannot be read any more: ${(error as Error).message}`,
      { cause: error, details: { path: file } },
    )
  }
}

async function fingerprint(file: string): Promise<string> {
  const handle = await openRegularFile(file)
  try {
    const { size } = await handle.stat()
    const hash = createHash('sha256').update(String(size))
    const count = Math.min(maxBlocks, Math.max(1, Math.ceil(size / block)))
    const step = count < 2 ? 0 : Math.max(0, size - block) / (count - 1)
    const buffer = Buffer.alloc(block)
    for (let i = 0; i < count; i++) {
      const { bytesRead } = await handle.read(buffer, 0, block, Math.floor(i * step))
      hash.update(buffer.subarray(0, bytesRead))
    }
    return hash.digest('hex')
  } finally {
    await handle.close()
  }
}
