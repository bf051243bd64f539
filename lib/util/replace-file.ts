import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { isRunning, processSpace } from './process-owner.js'
import { otherKind } from './regular-file.js'

const mostLinks = 40 // as many as Linux follows

/**
 * Where what is written to a path goes: links are followed, also one to a file that is not there yet. Only a regular file
 * that may be written to is ever replaced: throws an `Error` that says what else is there.
 */
export function replaceable(file: string): string {
  if (file.endsWith('/') || file.endsWith(path.sep)) throw new Error('it names a folder')
  const target = followLinks(path.resolve(file))
  const found = statSync(target, { throwIfNoEntry: false })
  if (found === undefined) return target
  const kind = otherKind(found)
  if (kind !== undefined) throw new Error(`it is ${kind}, and only files are replaced`)
  accessSync(target, constants.W_OK)
  return target
}

/**
 * Writes it beside the file, and puts it into its place once it is all on the disk: whenever the process or the machine
 * stops, the file is the old one or the new one. Only its owner may read it. Throws system errors, and as `replaceable`.
 */
export async function replaceFile(file: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const target = replaceable(file)
  const folder = path.dirname(target)
  // By a name of its own length, since that of the file may be as long as names can be; and by where
  // processes have the same numbers, since a folder may be shared by several such places.
  const prefix = `.${createHash('sha256')
    .update(`${processSpace()}\0${path.basename(target)}`)
    .digest('hex')
    .slice(0, 16)}.`
  const part = path.join(folder, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}.part`)
  await removeLeftovers(folder, prefix)
  try {
    const handle = await open(part, 'wx', 0o600)
    try {
      for (const piece of pieces) await handle.writeFile(piece) // to the last byte, where `write` may stop before
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, target)
  } catch (error) {
    await rm(part, { force: true }).catch(() => {})
    throw error
  }
  await syncFolder(folder)
}

function followLinks(file: string): string {
  for (let links = 0; links <= mostLinks; links++) {
    if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return file
    file = path.resolve(realpathSync(path.dirname(file)), readlinkSync(file))
  }
  throw new Error('it is a link that leads to itself')
}

/** Of processes that were ended in the middle of it. */
async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner =
      name.startsWith(prefix) && name.endsWith('.part') ? Number(name.slice(prefix.length).split('-')[0]) : NaN
    if (Number.isInteger(owner) && owner > 0 && owner !== process.pid && !isRunning(owner))
      await rm(path.join(folder, name), { force: true }).catch(() => {})
  }
}

/** The new name itself, where the system can do that for folders. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows opens no folders; what counts has happened.
  }
}
