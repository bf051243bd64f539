import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'

/** What is there that is no regular file, in words; undefined for a regular file. */
export function otherKind(found: Stats): string | undefined {
  if (found.isFile()) return undefined
  return found.isDirectory()
    ? 'a folder'
    : found.isFIFO()
      ? 'a pipe'
      : found.isSocket()
        ? 'a socket'
        : found.isCharacterDevice() || found.isBlockDevice()
          ? 'a device'
          : 'no regular file'
}

/**
 * Opens a file for reading, links followed. Anything else than a regular file is refused: a pipe would be waited for
 * without end, and a device may have no end. Throws an `Error` that says why.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  if (path.includes('\0')) throw new Error('no name of a file has a NUL character')
  // Before it is opened, since a device may do something when it is; and after, since it may be another one by then.
  refuseOther(await stat(path))
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    refuseOther(await handle.stat())
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** All of a regular file that has at most so many bytes. Throws an `Error` that says why not. */
export async function readRegularFile(path: string, max: number): Promise<Buffer> {
  const handle = await openRegularFile(path)
  try {
    // What a file of the system says of its size is 0, and a file may grow meanwhile: what counts is what comes.
    const pieces: Buffer[] = []
    for (let total = 0; ; ) {
      const piece = Buffer.allocUnsafe(Math.min(64 * 1024, max + 1 - total))
      const { bytesRead } = await handle.read(piece, 0, piece.length, null)
      if (bytesRead === 0) return Buffer.concat(pieces, total)
      pieces.push(piece.subarray(0, bytesRead))
      total += bytesRead
      if (total > max) throw new Error(`it has more than ${max} bytes`)
    }
  } finally {
    await handle.close()
  }
}

function refuseOther(found: Stats): void {
  const kind = otherKind(found)
  if (kind !== undefined) throw new Error(`it is ${kind}`)
}
