import { createHash } from 'node:crypto'
import { ByteReader, windowSize } from './byte-reader.js'
import { malformed } from './failures.js'
import type { ByteSource } from './source.js'
import { type TensorType, tensorTypes } from './tensor-types.js'

export type Scalar = number | bigint | boolean

/** A value of the metadata with the type it has in the file. */
export type Entry =
  | { type: ScalarTypeName; value: Scalar }
  /** Of a string too long to keep only the length is known. */
  | { type: 'string'; value: string | undefined; byteLength: number }
  /**
   * The values are kept only of short arrays of numbers, such as a figure for each layer; of strings the first few.
   * Where the elements begin, `position` tells in bytes from the beginning of the file.
   */
  | {
      type: 'array'
      elementType: ElementTypeName
      length: number
      position: number
      values?: Scalar[]
      firstStrings?: string[]
      firstDuplicate?: string
    }

export interface TensorInfo {
  name: string
  type: TensorType
  /** Row length first. */
  shape: number[]
  byteLength: number
  /** From the beginning of the data. */
  offset: number
}

/** What stands in front of the tensors' data; well-formed, but not yet known to make sense. */
export interface RawHeader {
  path: string
  sizeBytes: number
  version: number
  entries: Map<string, Entry>
  tensors: Map<string, TensorInfo>
  alignment: number
  /** Where the tensors' data begin. */
  dataOffset: number
}

const scalarTypes = {
  uint8: { size: 1, read: (bytes: Buffer, at: number) => bytes.readUInt8(at) },
  int8: { size: 1, read: (bytes: Buffer, at: number) => bytes.readInt8(at) },
  uint16: { size: 2, read: (bytes: Buffer, at: number) => bytes.readUInt16LE(at) },
  int16: { size: 2, read: (bytes: Buffer, at: number) => bytes.readInt16LE(at) },
  uint32: { size: 4, read: (bytes: Buffer, at: number) => bytes.readUInt32LE(at) },
  int32: { size: 4, read: (bytes: Buffer, at: number) => bytes.readInt32LE(at) },
  float32: { size: 4, read: (bytes: Buffer, at: number) => bytes.readFloatLE(at) },
  bool: { size: 1, read: (bytes: Buffer, at: number) => bytes.readUInt8(at) !== 0 },
  uint64: { size: 8, read: (bytes: Buffer, at: number) => exact(bytes.readBigUInt64LE(at)) },
  int64: { size: 8, read: (bytes: Buffer, at: number) => exact(bytes.readBigInt64LE(at)) },
  float64: { size: 8, read: (bytes: Buffer, at: number) => bytes.readDoubleLE(at) },
} as const

type ScalarTypeName = keyof typeof scalarTypes
type ElementTypeName = ScalarTypeName | 'string'

const typeNames: readonly (ElementTypeName | 'array')[] = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
]

// Limits far beyond any real file; they keep a damaged count from costing memory or minutes.
const maxEntries = 65_536
const maxTensors = 262_144
const maxElements = 1024 ** 3
const maxStrings = 16_777_216
const maxTokens = 1_048_576
const maxKeyLength = 65_535
const maxTensorNameLength = 63
const maxKeptStringLength = 4 * 1024 ** 2
const maxKeptBytes = 64 * 1024 ** 2
const maxKeptArrayLength = 1024
const keptStrings = 8
const maxKeptElementLength = 256
const maxAlignment = 65_536

/** The vocabulary, in which llama.cpp aborts the process over a token that occurs twice. */
export const tokensKey = 'tokenizer.ggml.tokens'

function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/**
 * Reads what stands in front of the tensors' data, from the file's magic on. Throws `GGUF_TRUNCATED` where the file
 * ends too early and `GGUF_MALFORMED` where it does not follow the format.
 */
export async function readHeader(file: ByteSource, path: string, sizeBytes: number): Promise<RawHeader> {
  const reader = new ByteReader(file, path, sizeBytes)
  reader.skip(4)
  const version = await reader.uint32()
  if (version !== 2 && version !== 3) {
    throw malformed(path, `it is of GGUF version ${version}, and versions 2 and 3 can be read`, { version })
  }
  const tensorCount = await reader.uint64()
  const entryCount = await reader.uint64()
  if (tensorCount > maxTensors) throw malformed(path, `it claims to hold ${tensorCount} tensors`, { tensorCount })
  if (entryCount > maxEntries) throw malformed(path, `it claims to hold ${entryCount} metadata entries`, { entryCount })
  const entries = await readEntries(reader, entryCount)
  const alignment = alignmentOf(path, entries)
  const tensors = await readTensors(reader, tensorCount)
  const dataOffset = Math.ceil(reader.position / alignment) * alignment
  return { path, sizeBytes, version, entries, tensors, alignment, dataOffset }
}

async function readEntries(reader: ByteReader, count: number): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  const budget = { bytes: maxKeptBytes }
  for (let index = 0; index < count; index++) {
    const key = await reader.shortString(`the key of metadata entry ${index}`, maxKeyLength)
    if (key === '') throw malformed(reader.path, `metadata entry ${index} has an empty key`)
    if (entries.has(key)) throw malformed(reader.path, `the metadata key ${quoted(key)} occurs twice`, { key })
    const type = await readType(reader, key)
    if (type === 'array') entries.set(key, await readArray(reader, key, budget))
    else if (type === 'string') entries.set(key, await readString(reader, key, budget))
    else {
      const { size, read } = scalarTypes[type]
      await reader.need(size)
      entries.set(key, { type, value: read(reader.take(size), 0) })
    }
  }
  return entries
}

async function readType(reader: ByteReader, key: string): Promise<ElementTypeName | 'array'> {
  const number = await reader.uint32()
  const name = typeNames[number]
  if (name === undefined)
    throw malformed(reader.path, `the metadata key ${quoted(key)} has the unknown value type ${number}`, { key })
  return name
}

async function readString(reader: ByteReader, key: string, budget: { bytes: number }): Promise<Entry> {
  await reader.need(8)
  const byteLength = reader.takeStringLength(`the value of ${quoted(key)}`)
  if (byteLength > maxKeptStringLength || byteLength > budget.bytes) {
    reader.skip(byteLength)
    return { type: 'string', value: undefined, byteLength }
  }
  budget.bytes -= byteLength
  return { type: 'string', value: await reader.text(byteLength), byteLength }
}

async function readArray(reader: ByteReader, key: string, budget: { bytes: number }): Promise<Entry> {
  const elementType = await readType(reader, key)
  if (elementType === 'array') throw malformed(reader.path, `${quoted(key)} is an array of arrays`, { key })
  const length = await reader.uint64()
  const { position } = reader
  const max = key === tokensKey ? maxTokens : elementType === 'string' ? maxStrings : maxElements
  if (length > max) throw malformed(reader.path, `${quoted(key)} claims to have ${length} elements`, { key, length })
  if (elementType === 'string') {
    return { type: 'array', elementType, length, position, ...(await passStrings(reader, key, length)) }
  }
  const { size, read } = scalarTypes[elementType]
  if (length > maxKeptArrayLength || length * size > budget.bytes) {
    reader.skip(length * size)
    return { type: 'array', elementType, length, position }
  }
  budget.bytes -= length * size
  await reader.need(length * size)
  const bytes = reader.take(length * size)
  return {
    type: 'array',
    elementType,
    length,
    position,
    values: Array.from({ length }, (_, index) => read(bytes, index * size)),
  }
}

/**
 * Passes over an array of strings, validating each length; returns the first few, and of the vocabulary the first token
 * seen twice.
 */
async function passStrings(
  reader: ByteReader,
  key: string,
  length: number,
): Promise<{ firstStrings: string[]; firstDuplicate?: string }> {
  // each string takes eight bytes at least, so a count that the file cannot hold shows at once
  reader.expect(length * 8)
  const seen = key === tokensKey ? new Set<string>() : undefined
  const firstStrings: string[] = []
  let firstDuplicate: string | undefined
  for (let index = 0; index < length; index++) {
    if (!reader.has(8)) await reader.need(8)
    const bytes = reader.takeStringLength(`string ${index} of ${quoted(key)}`)
    const kept = index === firstStrings.length && index < keptStrings && bytes <= maxKeptElementLength
    if ((seen === undefined && !kept) || bytes > windowSize) {
      reader.skip(bytes)
      continue
    }
    if (!reader.has(bytes)) await reader.need(bytes)
    const content = reader.take(bytes)
    if (kept) firstStrings.push(content.toString('utf8'))
    if (seen === undefined) continue
    const token = asVocabularyEntry(content)
    // an empty token gets a name from llama.cpp, so that any number of them may be there
    if (token === '') continue
    if (firstDuplicate === undefined && seen.has(token)) firstDuplicate = Buffer.from(token, 'latin1').toString('utf8')
    seen.add(token)
  }
  return { firstStrings, ...(firstDuplicate === undefined ? {} : { firstDuplicate }) }
}

/** The token as llama.cpp's vocabulary has it, up to a NUL. Of a long one a digest does, which takes little memory. */
function asVocabularyEntry(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  const token = end < 0 ? bytes : bytes.subarray(0, end)
  return token.length <= 256 ? token.toString('latin1') : createHash('sha256').update(token).digest('hex')
}

function alignmentOf(path: string, entries: Map<string, Entry>): number {
  const entry = entries.get('general.alignment')
  if (entry === undefined) return 32
  const value = entry.type === 'uint32' ? Number(entry.value) : Number.NaN
  const powerOfTwo = value > 0 && (value & (value - 1)) === 0
  if (!powerOfTwo || value > maxAlignment) {
    throw malformed(path, `"general.alignment" is ${describe(entry)}, and a power of two is needed`)
  }
  return value
}

async function readTensors(reader: ByteReader, count: number): Promise<Map<string, TensorInfo>> {
  const tensors = new Map<string, TensorInfo>()
  for (let index = 0; index < count; index++) {
    const name = await reader.shortString(`the name of tensor ${index}`, maxTensorNameLength)
    if (tensors.has(name)) throw malformed(reader.path, `there are two tensors named ${quoted(name)}`, { tensor: name })
    const dimensions = await reader.uint32()
    if (dimensions > 4)
      throw malformed(reader.path, `tensor ${quoted(name)} claims to have ${dimensions} dimensions`, { tensor: name })
    const shape: number[] = []
    for (let dimension = 0; dimension < dimensions; dimension++) shape.push(await reader.uint64())
    const typeNumber = await reader.uint32()
    const type = tensorTypes.get(typeNumber)
    if (type === undefined) {
      throw malformed(reader.path, `tensor ${quoted(name)} has the unknown type ${typeNumber}`, {
        tensor: name,
        type: typeNumber,
      })
    }
    const byteLength = byteLengthOf(reader.path, name, shape, type)
    tensors.set(name, { name, type, shape, byteLength, offset: await reader.uint64() })
  }
  return tensors
}

function byteLengthOf(path: string, name: string, shape: readonly number[], type: TensorType): number {
  const elements = shape.reduce((product, size) => product * size, 1)
  const row = shape[0] ?? 1
  if (!Number.isSafeInteger(elements) || !Number.isSafeInteger(elements * type.blockBytes)) {
    throw malformed(path, `tensor ${quoted(name)} has the impossible shape ${shape.join(' x ')}`, {
      tensor: name,
      shape: [...shape],
    })
  }
  if (row % type.blockSize !== 0) {
    throw malformed(
      path,
      `tensor ${quoted(name)} of type ${type.name} has rows of ${row} elements, which is no multiple of ${type.blockSize}`,
      { tensor: name, shape: [...shape] },
    )
  }
  return (elements / type.blockSize) * type.blockBytes
}

/** A name from the file, safe to show: without line breaks and control characters, and not too long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}\u2026` : name)
}

/** An entry's value in a message. */
export function describe(entry: Entry): string {
  if (entry.type === 'array') return `an array of ${entry.length} ${entry.elementType} values`
  if (entry.type === 'string')
    return entry.value === undefined ? `a string of ${entry.byteLength} bytes` : `the string ${quoted(entry.value)}`
  return `${String(entry.value)} (${entry.type})`
}
