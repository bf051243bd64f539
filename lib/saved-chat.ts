import { createHash, randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { StreamingLLMError } from './errors.js'
import type { LoggedMessage } from './messages.js'
import type { NativeSequenceOptions } from './native.js'
import type { ParsedChatOptions } from './options.js'

/** What is known of a chat beside what the engine says. */
export interface SavedChat {
  /** Which model file it was, see `modelFingerprint`. */
  model: string
  /** What decides whether the cache can be read: llama.cpp's version, types, adapters. */
  cache: string
  system?: string
  options: Omit<ParsedChatOptions, 'messages' | 'tools'>
  sizes: NativeSequenceOptions
  begun: boolean
  skipped: number
  seenBefore: number
  counts: { seenTokens: number; cachedTokens: number; evictedTokens: number }
  log: SavedLog
  /** The engine's: tokens, positions, cells. */
  state: Uint8Array
}

export interface SavedLog {
  dropped: { count: number; hash: string }
  entries: { message: LoggedMessage; end: number; left: boolean; digest: string }[]
}

// A file: the mark, the version and the length of the head (each 4 bytes, little endian), the head as JSON, the state, and
// the SHA-256 of all of that.
const mark = Buffer.from('SLLMCHAT')
const version = 1
const fixed = mark.length + 8
const digestBytes = 32

function encode({ state, ...head }: SavedChat): Buffer[] {
  const text = Buffer.from(JSON.stringify(head))
  const start = Buffer.alloc(fixed)
  mark.copy(start)
  start.writeUInt32LE(version, mark.length)
  start.writeUInt32LE(text.length, mark.length + 4)
  const digest = createHash('sha256').update(start).update(text).update(state).digest()
  return [start, text, Buffer.from(state.buffer, state.byteOffset, state.byteLength), digest]
}

function decode(bytes: Buffer, file: string): SavedChat {
  const refuse = (why: string) => new StreamingLLMError('SAVED_CHAT_INVALID', `${file} ${why}`, { details: { path: file } })
  if (bytes.length < fixed + digestBytes || !bytes.subarray(0, mark.length).equals(mark)) throw refuse('is no saved chat, or only the beginning of one')
  const found = bytes.readUInt32LE(mark.length)
  if (found !== version) throw refuse(`is a saved chat of version ${found}, and this package reads version ${version}: use the package that wrote it`)
  const body = bytes.subarray(0, -digestBytes)
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(-digestBytes))) throw refuse('is damaged: its checksum is another one')
  const length = bytes.readUInt32LE(mark.length + 4)
  const head = JSON.parse(body.subarray(fixed, fixed + length).toString('utf8')) as Omit<SavedChat, 'state'>
  return { ...head, state: body.subarray(fixed + length) }
}

/**
 * Writes it beside the file, and puts it into its place once it is all on the disk: whenever the process or the machine
 * stops, the file is the old one or the new one.
 */
export async function writeSavedChat(file: string, chat: SavedChat): Promise<void> {
  const folder = path.dirname(path.resolve(file))
  const prefix = `.${path.basename(file)}.`
  const part = path.join(folder, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}.part`)
  await removeLeftovers(folder, prefix)
  try {
    const handle = await open(part, 'wx', 0o600) // what people have said is theirs
    try {
      await handle.writev(encode(chat))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw new StreamingLLMError('SAVE_FAILED', `the chat could not be saved to ${file}: ${(error as Error).message}`, { cause: error, details: { path: file } })
  }
  await syncFolder(folder)
}

export async function readSavedChat(file: string): Promise<SavedChat> {
  let bytes: Buffer
  try {
    const handle = await open(file)
    try {
      bytes = await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new StreamingLLMError('SAVED_CHAT_INVALID', `${file} cannot be read: ${(error as Error).message}`, { cause: error, details: { path: file } })
  }
  return decode(bytes, file)
}

/** Whether something is there that is no saved chat, of whatever version. A file that cannot be read is for whoever writes it. */
export async function isOtherFile(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined)
  if (handle === undefined) return false
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(mark.length), 0, mark.length, 0)
    return bytesRead > 0 && !buffer.subarray(0, bytesRead).equals(mark)
  } catch {
    return false
  } finally {
    await handle.close()
  }
}

/** Of processes that were ended in the middle of saving. */
async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = name.startsWith(prefix) && name.endsWith('.part') ? Number(name.slice(prefix.length).split('-')[0]) : NaN
    if (Number.isInteger(owner) && owner !== process.pid && !isRunning(owner)) await rm(path.join(folder, name), { force: true })
  }
}

function isRunning(process_: number): boolean {
  try {
    process.kill(process_, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
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
