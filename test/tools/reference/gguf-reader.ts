import { readFileSync } from 'node:fs'

export type MetadataValue = number | boolean | string | MetadataValue[]

/** Sizes in ggml's order: the row length first. */
export interface Tensor {
  shape: number[]
  values: Float64Array
}

export interface GgufContents {
  metadata: Map<string, MetadataValue>
  tensors: Map<string, Tensor>
}

/**
 * Reads a whole GGUF file of f32 and f16 tensors into float64. Written from the format's description, apart from the
 * readers in lib/ and in llama.cpp, since it serves to check what is computed through these.
 */
export function readGguf(path: string): GgufContents {
  const bytes = new Cursor(readFileSync(path))
  if (bytes.take(4).toString('latin1') !== 'GGUF') throw new Error(`${path}: not a GGUF file`)
  const version = bytes.uint32()
  if (version !== 3) throw new Error(`${path}: GGUF version ${version}, want 3`)
  const tensorCount = bytes.uint64()
  const entryCount = bytes.uint64()
  const metadata = new Map<string, MetadataValue>()
  for (let i = 0; i < entryCount; i++) {
    const key = bytes.string()
    metadata.set(key, bytes.value(bytes.uint32()))
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = bytes.string()
    const shape = Array.from({ length: bytes.uint32() }, () => bytes.uint64())
    return { name, shape, type: bytes.uint32(), offset: bytes.uint64() }
  })
  const alignment = Number(metadata.get('general.alignment') ?? 32)
  const data = Math.ceil(bytes.at / alignment) * alignment
  const tensors = new Map<string, Tensor>()
  for (const { name, shape, type, offset } of infos) {
    const size = shape.reduce((product, each) => product * each, 1)
    tensors.set(name, { shape, values: bytes.numbers(data + offset, size, type) })
  }
  return { metadata, tensors }
}

class Cursor {
  at = 0

  constructor(readonly bytes: Buffer) {}

  take(length: number): Buffer {
    return this.bytes.subarray(this.at, (this.at += length))
  }

  uint32(): number {
    return this.take(4).readUInt32LE()
  }

  uint64(): number {
    return Number(this.take(8).readBigUInt64LE())
  }

  string(): string {
    return this.take(this.uint64()).toString('utf8')
  }

  /** A metadata value of that type. */
  value(type: number): MetadataValue {
    switch (type) {
      case 0:
        return this.take(1).readUInt8()
      case 1:
        return this.take(1).readInt8()
      case 2:
        return this.take(2).readUInt16LE()
      case 3:
        return this.take(2).readInt16LE()
      case 4:
        return this.uint32()
      case 5:
        return this.take(4).readInt32LE()
      case 6:
        return this.take(4).readFloatLE()
      case 7:
        return this.take(1).readUInt8() !== 0
      case 8:
        return this.string()
      case 9: {
        const elements = this.uint32()
        return Array.from({ length: this.uint64() }, () => this.value(elements))
      }
      case 10:
        return this.uint64()
      case 11:
        return Number(this.take(8).readBigInt64LE())
      case 12:
        return this.take(8).readDoubleLE()
      default:
        throw new Error(`no metadata type ${type}`)
    }
  }

  /** A tensor's numbers, which lie at that offset in the file. */
  numbers(offset: number, size: number, type: number): Float64Array {
    switch (type) {
      case 0:
        return Float64Array.from({ length: size }, (_, i) => this.bytes.readFloatLE(offset + 4 * i))
      case 1:
        return Float64Array.from({ length: size }, (_, i) => half(this.bytes.readUInt16LE(offset + 2 * i)))
      default:
        throw new Error(`tensors of type ${type} are not read here, only f32 and f16`)
    }
  }
}

/** The value of an IEEE half-precision number: 1 bit of sign, 5 of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15))
}
