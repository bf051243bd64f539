import { fstatSync, readSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { StreamingLLMError } from '../errors.js'
import { otherKind } from '../util/regular-file.js'

/** All of stdin. Throws INVALID_OPTION where it cannot be read. */
export async function readStandardInput(command: string): Promise<Buffer> {
  checkStandardInput(command)
  return buffer(process.stdin).catch((error: unknown) => {
    throw inputUnreadable(command, error)
  })
}

/**
 * Node takes a folder or a disk for an input that is empty, and says of a file only later that it may not be read.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export function checkStandardInput(command: string, descriptor = 0): void {
  try {
    const found = fstatSync(descriptor)
    if (found.isDirectory() || found.isBlockDevice()) throw new Error(`it is ${otherKind(found)}`)
    if (found.isFile()) readSync(descriptor, Buffer.alloc(1), 0, 1, 0) // by its place, so that nothing is missing later
  } catch (error) {
    throw inputUnreadable(command, error)
  }
}

export function inputUnreadable(command: string, cause: unknown): StreamingLLMError {
  return new StreamingLLMError('INVALID_OPTION', `${command}: stdin cannot be read: ${(cause as Error).message}`, {
    cause,
  })
}
