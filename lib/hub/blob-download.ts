import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat, statfs, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { otherKind } from '../util/regular-file.js'
import { checksumMismatch, hashInto } from './checksum.js'
import { byteCount } from './hub-api.js'
import { fileSize } from './hub-cache.js'
import type { Exchange } from './hub-http.js'
import { TransientFailure, withRetries } from './transient-failure.js'

export interface BlobDownload {
  /** Where the finished file goes. Until then it is `<target>.incomplete`, which a later download goes on from. */
  target: string
  /** For the error messages. */
  what: string
  /** Expected size in bytes, if known. */
  size: number | undefined
  /** Expected SHA-256 in hex, if known. */
  sha256: string | undefined
  /** Asks for the content from a byte offset on; the answer may be the whole content all the same. */
  request: (offset: number) => Promise<Exchange>
  attempts: number
  /** More than so many bytes are progress, after which the attempts count anew. */
  progress: number
  backoffMs: number
  signal?: AbortSignal
  onProgress: (receivedBytes: number, totalBytes: number | undefined, last?: boolean) => void
}

/**
 * Fetches one file, going on after broken connections and from what an earlier call has left. Only a file of the
 * right size and checksum gets the name `target`. The caller keeps other processes away.
 *
 * @throws {TransientFailure} the connection keeps breaking; what has arrived stays for the next call
 * @throws {StreamingLLMError} DOWNLOAD_FAILED for a wrong size, CHECKSUM_MISMATCH; what has arrived is deleted
 */
export async function downloadBlob(job: BlobDownload): Promise<void> {
  const partial = `${job.target}.incomplete`
  let received = (await fileSize(partial)) ?? 0
  if (job.size !== undefined && received > job.size) {
    await truncate(partial, 0)
    received = 0
  }
  let hash = startHash(job)
  if (hash && received > 0) await hashInto(hash, partial, job.signal)
  let total = job.size
  const file = await openForWriting(partial)
  try {
    let farthest = received
    job.onProgress(received, total, true)
    await withRetries({ ...job, reached: () => farthest }, async () => {
      if (received === total) return
      const exchange = await job.request(received)
      try {
        const answer = classify(exchange, received)
        if (answer.offset === 0 && received > 0) {
          await file.truncate(0)
          received = 0
          hash = startHash(job)
        }
        if (answer.total !== undefined) {
          if (total !== undefined && answer.total !== total) throw wrongSize(job, answer.total, total)
          total = answer.total
        }
        if (total !== undefined) await assertDiskSpace(dirname(partial), total - received, job.what)
        if (answer.retry) throw new TransientFailure('the server did not accept the place to go on from')
        for (let piece = await exchange.read(); piece; piece = await exchange.read()) {
          if (total !== undefined && received + piece.length > total)
            throw wrongSize(job, received + piece.length, total)
          await writeAt(file, piece, received)
          hash?.update(piece)
          received += piece.length
          farthest = Math.max(farthest, received)
          throwIfAborted(job.signal)
          job.onProgress(received, total)
        }
        // An answer without a length can end early without any sign of it.
        if (total !== undefined && received < total) {
          throw new TransientFailure(`the server ended the file after ${received} of ${total} bytes`)
        }
      } finally {
        exchange.close()
      }
    })
    const digest = hash?.digest('hex')
    if (digest !== undefined && digest !== job.sha256?.toLowerCase())
      throw checksumMismatch(job.what, job.sha256, digest)
    // The name of a blob is trusted from now on, so its content must outlive a power cut.
    await file.sync()
  } catch (error) {
    await file.close()
    if (StreamingLLMError.isInstance(error) && spoilsPartial(error)) await rm(partial, { force: true })
    throw error
  }
  await file.close()
  try {
    await rename(partial, job.target)
  } catch (error) {
    // Python's huggingface_hub uses the same names but another lock; if it finished the file, so be it.
    if ((await fileSize(job.target)) !== received) throw error
  }
  job.onProgress(received, total ?? received, true)
}

function startHash(job: BlobDownload): Hash | undefined {
  return job.sha256 === undefined ? undefined : createHash('sha256')
}

/**
 * Writing goes by offset, without truncation: should a lock ever fail, two writers write the same bytes to the same
 * place.
 */
async function openForWriting(path: string): Promise<FileHandle> {
  const found = await stat(path).catch(() => undefined)
  const kind = found === undefined ? undefined : otherKind(found)
  if (kind !== undefined)
    throw new StreamingLLMError('DOWNLOAD_FAILED', `${path} is ${kind}, where a download is to go: remove it.`, {
      details: { path },
    })
  try {
    return await open(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return await open(path, 'w+')
  }
}

/** A disk that would be filled to no end is left as it is. */
async function assertDiskSpace(path: string, bytes: number, what: string): Promise<void> {
  const disk = await statfs(path).catch(() => undefined)
  if (disk === undefined || disk.bavail * disk.bsize >= bytes) return
  throw new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `${what} needs ${bytes} bytes more, and the disk of ${path} has ${disk.bavail * disk.bsize} left. Make room, or set HF_HUB_CACHE to a folder with room.`,
    { details: { path, neededBytes: bytes } },
  )
}

async function writeAt(file: FileHandle, piece: Uint8Array, offset: number): Promise<void> {
  let done = 0
  while (done < piece.length) {
    done += (await file.write(piece, done, piece.length - done, offset + done)).bytesWritten
  }
}

/** Where an answer's body begins, and how long the whole file is as far as the answer says. */
function classify(exchange: Exchange, asked: number): { offset: number; total?: number; retry?: boolean } {
  if (exchange.status === 416) return { offset: 0, retry: true }
  if (exchange.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(exchange.headers.get('content-range') ?? '')
    if (!range || Number(range[1]) !== asked) return { offset: 0, retry: true }
    const total = byteCount(range[2]!)
    return { offset: asked, ...(total === undefined ? {} : { total }) }
  }
  const length = byteCount(exchange.headers.get('content-length'))
  // A server that packs the body in spite of our wish states the packed length.
  return { offset: 0, ...(length !== undefined && !exchange.headers.has('content-encoding') ? { total: length } : {}) }
}

function wrongSize(job: BlobDownload, actual: number, expected: number): StreamingLLMError {
  return new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `${job.what} should have ${expected} bytes, but the server sends ${actual > expected ? 'more' : `only ${actual}`}. Try again later, or check HF_ENDPOINT.`,
    { details: { expectedBytes: expected, actualBytes: actual } },
  )
}

/** What arrived is of no use only where it is known to be wrong; a refusal half-way leaves it good. */
function spoilsPartial(error: StreamingLLMError): boolean {
  return error.code === 'CHECKSUM_MISMATCH' || 'actualBytes' in error.details
}
