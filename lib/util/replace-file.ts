import { createHash, randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { isRunning, processSpace } from './process-owner.js'
import { otherKind } from './regular-file.js'

const maxLinks = 40 // as many as Linux follows

const ownersMode = 0o600

/**
 * Where what is written to a path goes: links are followed, also one to a file that is not there yet. Only a regular
 * file that may be written to is ever replaced: throws an `Error` that says what else is there.
 */
function replaceable(file: string): string {
  if (file.endsWith('/') || file.endsWith(path.sep)) throw new Error('it names a folder')
  const target = followLinks(path.resolve(file))
  const found = statSync(target, { throwIfNoEntry: false })
  if (found === undefined) return target
  const kind = otherKind(found)
  if (kind !== undefined) throw new Error(`it is ${kind}, and only files are replaced`)
  accessSync(target, constants.W_OK)
  return target
}

/** As `putInPlace`, at a path that a user has named. Throws system errors, and as `replaceable`. */
export async function replaceFile(file: string, pieces: Iterable<Uint8Array>): Promise<void> {
  await putInPlace(replaceable(file), pieces)
}

/**
 * Writes it beside the file, and renames it once it is all on the disk. Whenever the process or the machine stops, the
 * file is the old one or the new one. Only its owner may read it, unless `mode` says otherwise. Throws system errors.
 */
export async function putInPlace(
  target: string,
  pieces: Iterable<Uint8Array>,
  { mode = ownersMode }: { mode?: number } = {},
): Promise<void> {
  const part = partOf(target)
  for (const name of part.leftovers(await readdir(part.folder).catch(() => [])))
    await rm(name, { force: true }).catch(() => {})
  try {
    const handle = await open(part.file, 'wx', mode)
    try {
      for (const piece of pieces) await handle.writeFile(piece) // to the last byte, where `write` may stop before
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part.file, target)
  } catch (error) {
    await rm(part.file, { force: true }).catch(() => {})
    throw error
  }
  await syncFolder(part.folder).catch(() => {}) // what counts has happened
}

/** As `replaceFile`, for what is small and must be written before anything else happens. */
export function replaceFileSync(file: string, text: string): void {
  const target = replaceable(file)
  const part = partOf(target)
  for (const name of part.leftovers(attempt(() => readdirSync(part.folder)) ?? []))
    attempt(() => rmSync(name, { force: true }))
  try {
    const descriptor = openSync(part.file, 'wx', ownersMode)
    try {
      writeFileSync(descriptor, text)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(part.file, target)
  } catch (error) {
    attempt(() => rmSync(part.file, { force: true }))
    throw error
  }
  attempt(() => syncFolderSync(part.folder))
}

/** For what is done where it can be, and is left out where it cannot. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

function followLinks(file: string): string {
  for (let links = 0; links <= maxLinks; links++) {
    if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return file
    file = path.resolve(realpathSync(path.dirname(file)), readlinkSync(file))
  }
  throw new Error('it is a link that leads to itself')
}

/** A name for the unfinished file, and which others are those of processes that were ended in the middle of it. */
function partOf(target: string): { folder: string; file: string; leftovers: (names: string[]) => string[] } {
  const folder = path.dirname(target)
  // The name is a hash, since the file's own name may be as long as names can be. The hash includes the space of
  // process ids, since machines and containers may share a folder.
  const prefix = `.${createHash('sha256')
    .update(`${processSpace()}\0${path.basename(target)}`)
    .digest('hex')
    .slice(0, 16)}.`
  const isLeftOver = (name: string): boolean => {
    if (!name.startsWith(prefix) || !name.endsWith('.part')) return false
    const owner = Number(name.slice(prefix.length).split('-')[0])
    return Number.isInteger(owner) && owner > 0 && owner !== process.pid && !isRunning(owner)
  }
  return {
    folder,
    file: path.join(folder, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}.part`),
    leftovers: names => names.filter(isLeftOver).map(name => path.join(folder, name)),
  }
}

/** The new name itself. Fails on Windows, which opens no folders, and where the folder may not be read. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** As `syncFolder`. */
function syncFolderSync(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
