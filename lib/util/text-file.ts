import { closeSync, openSync, readSync } from 'node:fs'

/** No text that people write for a program by hand, or that a program makes for another, is larger. */
const maxBytes = 256 * 1024 ** 2

/**
 * A text as people's editors write it: UTF-8, or UTF-16 that says so by its mark. The mark at its beginning is no part
 * of it. Throws an `Error` for what is no such text.
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}

/** Ends of lines as Unix has them. */
export function textLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/)
}

/** A whole text file, as `readBytes` reads it. */
export function readTextFile(file: string): string {
  return decodeText(readBytes(file))
}

/**
 * All of a file that a user has named; a pipe too, which is waited for, as a shell's `<(command)` is one. Throws an
 * `Error` that says why not, also where it does not end.
 */
export function readBytes(file: string): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const pieces: Buffer[] = []
    for (let total = 0; ; ) {
      const piece = Buffer.allocUnsafe(1024 ** 2)
      const count = readSync(descriptor, piece, 0, piece.length, null)
      if (count === 0) return Buffer.concat(pieces, total)
      pieces.push(piece.subarray(0, count))
      total += count
      if (total > maxBytes) throw new Error(`${file} has more than ${maxBytes / 1024 ** 2} MB of text`)
    }
  } finally {
    closeSync(descriptor)
  }
}
