import { constants } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { totalmem } from 'node:os'
import type { NativeSequenceOptions } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import type { LoggedMessage } from '../messages.js'
import type { ParsedChatOptions } from '../options/parse.js'
import { openRegularFile } from '../util/regular-file.js'
import { replaceFile } from '../util/replace-file.js'
import type { OpeningMark } from './opening-mark.js'
import { checkSavedHead } from './saved-chat-head.js'

/** What is known of a chat beside what the engine says. */
export interface SavedChat {
  /** Which model file it was, see `modelFingerprint`. */
  model: string
  /** What decides whether the cache can be read: llama.cpp's version, types, adapters. */
  cache: string
  system?: string
  /** Of what the cache begins with, where there is one. */
  mark?: OpeningMark
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

// A file: the mark, the version and the length of the head (each 4 bytes, little endian), the head as JSON, the state,
// and the SHA-256 of all of that.
const mark = Buffer.from('SLLMCHAT')
const version = 1
const fixed = mark.length + 8
const digestBytes = 32

/**
 * So much is written, read and hashed at a time. A single call takes 2 GiB at most, and hashing blocks the process, for
 * a few milliseconds here.
 */
const partBytes = 1024 ** 2

/** @internal The file, in pieces of no more than a part: hashed as they are taken. */
export function* encodeSavedChat({ state, ...head }: SavedChat): Generator<Uint8Array, void> {
  const text = Buffer.from(JSON.stringify(head))
  const start = Buffer.alloc(fixed)
  mark.copy(start)
  start.writeUInt32LE(version, mark.length)
  start.writeUInt32LE(text.length, mark.length + 4)
  const hash = createHash('sha256')
  for (const bytes of [start, text, state]) {
    for (let at = 0; at < bytes.length; at += partBytes) {
      const part = bytes.subarray(at, at + partBytes)
      hash.update(part)
      yield part
    }
  }
  yield hash.digest()
}

/**
 * Writes it beside the file, and renames it once it is all on the disk. Whenever the process or the machine stops, the
 * file is the old one or the new one. Throws SAVE_FAILED.
 */
export async function writeSavedChat(file: string, chat: SavedChat): Promise<void> {
  try {
    await replaceFile(file, encodeSavedChat(chat))
  } catch (error) {
    throw saveFailed(file, error)
  }
}

export function saveFailed(file: string, cause: unknown): StreamingLLMError {
  return new StreamingLLMError('SAVE_FAILED', `the chat could not be saved to ${file}: ${(cause as Error).message}`, {
    cause,
    details: { path: file },
  })
}

/** Throws SAVED_CHAT_INVALID for what is no saved chat, or one that cannot have been written by this package. */
export async function readSavedChat(file: string): Promise<SavedChat> {
  try {
    const handle = await openRegularFile(file)
    try {
      return await decode(handle)
    } finally {
      await handle.close()
    }
  } catch (error) {
    const why = error instanceof Refusal ? error.message : `cannot be read: ${(error as Error).message}`
    throw new StreamingLLMError('SAVED_CHAT_INVALID', `${file} ${why}`, { cause: error, details: { path: file } })
  }
}

/** Why a file is no saved chat, behind its name. */
class Refusal extends Error {}

async function decode(handle: FileHandle): Promise<SavedChat> {
  // Of whatever else it is, however large, no more than this is read.
  const start = await readPart(handle, fixed, 0)
  const { size } = await handle.stat()
  if (start.length < fixed || size < fixed + digestBytes || !start.subarray(0, mark.length).equals(mark))
    throw new Refusal('is no saved chat, or only the beginning of one')
  const found = start.readUInt32LE(mark.length)
  if (found !== version)
    throw new Refusal(
      `is a saved chat of version ${found}, and this package reads version ${version}: use the package that wrote it`,
    )
  const length = start.readUInt32LE(mark.length + 4)
  if (size > totalmem()) throw new Refusal(`has ${size} bytes, more than the memory of this machine`)
  const bodyBytes = size - fixed - digestBytes
  if (bodyBytes > constants.MAX_LENGTH)
    throw new Refusal(`has ${size} bytes, more than this Node.js can hold in one piece: use Node.js 22 or later`)
  const hash = createHash('sha256').update(start)
  const body = await readPart(handle, bodyBytes, fixed, part => hash.update(part))
  const digest = await readPart(handle, digestBytes, fixed + bodyBytes)
  if (!hash.digest().equals(digest) || length > body.length)
    throw new Refusal('is damaged: its checksum is another one')
  try {
    const head = checkSavedHead(JSON.parse(body.subarray(0, length).toString('utf8')))
    return { ...head, state: body.subarray(length) }
  } catch (error) {
    // The checksum was right, so this file was made on purpose.
    throw new Refusal(`holds what no chat can have saved: ${(error as Error).message}`, { cause: error })
  }
}

/** So many bytes from a place on, or fewer where the file ends before; `take` gets them bit by bit. */
async function readPart(
  handle: FileHandle,
  length: number,
  position: number,
  take?: (bytes: Buffer) => void,
): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, Math.min(partBytes, length - done), position + done)
    if (bytesRead === 0) break
    take?.(buffer.subarray(done, done + bytesRead))
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

/**
 * Whether the file exists and is no saved chat of any version. False for a file that cannot be read: writing it reports
 * that.
 */
export async function isOtherFile(file: string): Promise<boolean> {
  const handle = await openRegularFile(file).catch(() => undefined)
  if (handle === undefined) return false
  try {
    const found = await readPart(handle, mark.length, 0)
    return found.length > 0 && !found.equals(mark)
  } catch {
    return false
  } finally {
    await handle.close()
  }
}
