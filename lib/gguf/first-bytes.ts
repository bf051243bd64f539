import { StreamingLLMError } from '../errors.js'
import { truncated } from './failures.js'

/** How many bytes from the beginning of a file tell what it is. */
export const firstBytesLength = 64

/** The shortest header: magic, version and two counts. */
const minHeaderBytes = 24

const magic = Buffer.from('GGUF')

interface Lookalike {
  what: string
  advice: string
  matches(bytes: Buffer, text: string): boolean
}

const startsWith =
  (...signatures: (string | number[])[]) =>
  (bytes: Buffer) =>
    signatures.some(signature => {
      const expected = Buffer.from(signature as string)
      return bytes.subarray(0, expected.length).equals(expected)
    })

// What people have in place of a model file, the more exact signatures first.
const lookalikes: readonly Lookalike[] = [
  {
    what: 'a Git LFS pointer, which stands for the file in a checkout made without Git LFS',
    advice: 'Fetch the file itself, e.g. with "git lfs pull".',
    matches: (_, text) => text.startsWith('version https://git-lfs'),
  },
  {
    what: 'a web page',
    advice: 'Download the file itself, not the page that shows it; a page that asks to log in comes without an error.',
    matches: (_, text) => /^\s*<(!doctype html|html|head|!--)/i.test(text),
  },
  {
    what: 'an XML document, such as a storage server sends for an error',
    advice: 'Read it with a text viewer, then download the model again.',
    matches: (_, text) => /^\s*<\?xml/i.test(text),
  },
  {
    what: 'a GGUF file whose magic is in reverse order, for a big-endian machine',
    advice: 'Get the little-endian file of the model.',
    matches: startsWith('FUGG'),
  },
  {
    what: 'a model in the format that llama.cpp used before GGUF',
    advice: 'Get the model as GGUF; files of 2023 and older cannot be read any more.',
    matches: startsWith('lmgg', 'fmgg', 'tjgg', 'algg', 'sngg'),
  },
  {
    what: 'a safetensors file',
    advice: "Get the model as GGUF, or convert it with llama.cpp's convert_hf_to_gguf.py.",
    matches: bytes => bytes.length >= 9 && bytes[8] === 0x7b && bytes.readBigUInt64LE(0) < 2n ** 32n,
  },
  {
    what: 'a zip archive, perhaps a PyTorch checkpoint',
    advice: 'Unpack the GGUF file from it, or get the model as GGUF.',
    matches: startsWith([0x50, 0x4b, 0x03, 0x04], [0x50, 0x4b, 0x05, 0x06]),
  },
  {
    what: 'a compressed file',
    advice: 'Unpack it first.',
    matches: startsWith(
      [0x1f, 0x8b],
      [0x28, 0xb5, 0x2f, 0xfd],
      [0xfd, 0x37, 0x7a, 0x58, 0x5a],
      [0x37, 0x7a, 0xbc, 0xaf],
      'BZh',
      'Rar!',
    ),
  },
  {
    what: 'a Python pickle, perhaps a PyTorch checkpoint',
    advice: 'Get the model as GGUF.',
    matches: bytes => bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5,
  },
  {
    what: "a JSON document, perhaps a server's answer about an error",
    advice: 'Read it with a text viewer, then download the model again.',
    matches: (_, text) => /^\s*[{[]\s*["\]}]/.test(text),
  },
  {
    what: 'nothing but zeros, as of a download that reserved its room and was broken off',
    advice: 'Download it again.',
    matches: bytes => bytes.every(byte => byte === 0),
  },
  {
    what: 'text',
    advice: 'Pass the path of a .gguf file.',
    matches: bytes => bytes.every(byte => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte !== 127)),
  },
]

/**
 * Looks at a file's first bytes. Returns if they are those of a little-endian GGUF file; otherwise throws `NOT_A_GGUF`,
 * naming what the file seems to be, or `GGUF_TRUNCATED` where it ends before one could tell.
 */
export function checkFirstBytes(path: string, bytes: Buffer, sizeBytes: number): void {
  const isGguf = bytes.subarray(0, 4).equals(magic.subarray(0, Math.min(4, bytes.length)))
  if (isGguf && sizeBytes < minHeaderBytes) {
    throw truncated(path, 'a GGUF header', minHeaderBytes, sizeBytes)
  }
  if (isGguf && isBigEndian(bytes)) {
    throw notGguf(path, bytes, 'a GGUF file for big-endian machines', 'Get the little-endian file of the model.')
  }
  if (isGguf) return
  const text = bytes.toString('latin1')
  const found = lookalikes.find(({ matches }) => matches(bytes, text))
  throw notGguf(path, bytes, found?.what, found?.advice ?? 'Pass the path of a .gguf file.')
}

/** A version in the wrong byte order has its only digit in the upper half. */
function isBigEndian(bytes: Buffer): boolean {
  const version = bytes.readUInt32LE(4)
  return version !== 0 && (version & 0xffff) === 0
}

function notGguf(path: string, bytes: Buffer, what: string | undefined, advice: string): StreamingLLMError {
  const start = bytes.subarray(0, 16)
  const shown = `${start.toString('hex').replace(/(..)(?=.)/g, '$1 ')} ${JSON.stringify(start.toString('latin1').replace(/[^ -~]/g, '.'))}`
  const finding =
    what === undefined ? 'is no GGUF file' : `is no GGUF file that can be read here: it looks like ${what}`
  return new StreamingLLMError('NOT_A_GGUF', `${path} ${finding}. Its first bytes are ${shown}. ${advice}`, {
    details: { path, looksLike: what, firstBytes: start.toString('hex') },
  })
}
