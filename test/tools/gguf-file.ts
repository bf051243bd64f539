/** A GGUF file taken apart, so that any piece of it can be changed and the file put together again. */

type Scalar = number | bigint | string

/** An entry of the metadata; types by their numbers in the file. */
export type RawEntry =
  | { key: string; type: number; value: Scalar }
  | { key: string; type: 9; elementType: number; values: readonly Scalar[] }

export interface RawTensor {
  name: string
  shape: number[]
  type: number
  data: Buffer
  /** Where it differs from the place that the tensor has in the order of the file. */
  offset?: bigint
}

export interface GgufFile {
  entries: RawEntry[]
  tensors: RawTensor[]
}

export const arrayType = 9
const stringType = 8
const alignment = 32

const scalars: Record<
  number,
  { size: number; read(bytes: Buffer, at: number): number | bigint; write(bytes: Buffer, value: number | bigint): void }
> = {
  0: { size: 1, read: (b, at) => b.readUInt8(at), write: (b, v) => b.writeUInt8(Number(BigInt.asUintN(8, whole(v)))) },
  1: { size: 1, read: (b, at) => b.readInt8(at), write: (b, v) => b.writeInt8(Number(BigInt.asIntN(8, whole(v)))) },
  2: {
    size: 2,
    read: (b, at) => b.readUInt16LE(at),
    write: (b, v) => b.writeUInt16LE(Number(BigInt.asUintN(16, whole(v)))),
  },
  3: {
    size: 2,
    read: (b, at) => b.readInt16LE(at),
    write: (b, v) => b.writeInt16LE(Number(BigInt.asIntN(16, whole(v)))),
  },
  4: {
    size: 4,
    read: (b, at) => b.readUInt32LE(at),
    write: (b, v) => b.writeUInt32LE(Number(BigInt.asUintN(32, whole(v)))),
  },
  5: {
    size: 4,
    read: (b, at) => b.readInt32LE(at),
    write: (b, v) => b.writeInt32LE(Number(BigInt.asIntN(32, whole(v)))),
  },
  6: { size: 4, read: (b, at) => b.readFloatLE(at), write: (b, v) => b.writeFloatLE(Number(v)) },
  7: { size: 1, read: (b, at) => b.readUInt8(at), write: (b, v) => b.writeUInt8(Number(v) === 0 ? 0 : 1) },
  10: {
    size: 8,
    read: (b, at) => b.readBigUInt64LE(at),
    write: (b, v) => b.writeBigUInt64LE(BigInt.asUintN(64, whole(v))),
  },
  11: {
    size: 8,
    read: (b, at) => b.readBigInt64LE(at),
    write: (b, v) => b.writeBigInt64LE(BigInt.asIntN(64, whole(v))),
  },
  12: { size: 8, read: (b, at) => b.readDoubleLE(at), write: (b, v) => b.writeDoubleLE(Number(v)) },
}

function whole(value: number | bigint): bigint {
  return typeof value === 'bigint' ? value : Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n
}

/** Takes a sound file apart. Its data must lie one tensor after another, as every writer leaves them. */
export function readGguf(bytes: Buffer): GgufFile {
  let at = 8
  const uint64 = () => {
    at += 8
    return Number(bytes.readBigUInt64LE(at - 8))
  }
  const uint32 = () => {
    at += 4
    return bytes.readUInt32LE(at - 4)
  }
  const text = () => {
    const length = uint64()
    at += length
    return bytes.toString('utf8', at - length, at)
  }
  const scalar = (type: number): Scalar => {
    if (type === stringType) return text()
    const { size, read } = scalars[type]!
    at += size
    return read(bytes, at - size)
  }
  const tensorCount = uint64()
  const entryCount = uint64()
  const entries = Array.from({ length: entryCount }, (): RawEntry => {
    const key = text()
    const type = uint32()
    if (type !== arrayType) return { key, type, value: scalar(type) }
    const elementType = uint32()
    const length = uint64()
    return { key, type, elementType, values: Array.from({ length }, () => scalar(elementType)) }
  })
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text()
    const dimensions = uint32()
    const shape = Array.from({ length: dimensions }, uint64)
    return { name, shape, type: uint32(), offset: uint64() }
  })
  const dataOffset = Math.ceil(at / alignment) * alignment
  const tensors = infos.map(({ name, shape, type, offset }, index) => {
    const end = infos[index + 1]?.offset ?? bytes.length - dataOffset
    return { name, shape, type, data: bytes.subarray(dataOffset + offset, dataOffset + end) }
  })
  return { entries, tensors }
}

/** Puts the file together again; nothing in it is checked. */
export function writeGguf({ entries, tensors }: GgufFile): Buffer {
  const parts: Buffer[] = [Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(entries.length)]
  for (const entry of entries) {
    parts.push(text(entry.key), uint32(entry.type))
    if ('value' in entry) parts.push(scalarBytes(entry.type, entry.value))
    else
      parts.push(
        uint32(entry.elementType),
        uint64(entry.values.length),
        ...entry.values.map(value => scalarBytes(entry.elementType, value)),
      )
  }
  let next = 0
  for (const { name, shape, type, data, offset } of tensors) {
    parts.push(text(name), uint32(shape.length), ...shape.map(uint64), uint32(type), uint64(offset ?? next))
    next += padded(data.length)
  }
  const header = Buffer.concat(parts)
  return Buffer.concat([
    header,
    Buffer.alloc(padded(header.length) - header.length),
    ...tensors.flatMap(({ data }) => [data, Buffer.alloc(padded(data.length) - data.length)]),
  ])
}

const padded = (length: number): number => Math.ceil(length / alignment) * alignment

function scalarBytes(type: number, value: Scalar): Buffer {
  if (type === stringType) return text(String(value))
  const { size, write } = scalars[type]!
  const bytes = Buffer.alloc(size)
  write(bytes, typeof value === 'string' ? value.length : value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([uint64(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

function uint64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes
}
