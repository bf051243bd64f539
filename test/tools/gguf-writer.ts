/**
 * A small writer of GGUF v3 files (little-endian), for tests that need a model file without a download,
 * and for tests that need a file broken in one exact place.
 */

/** GGUF metadata value types by name; the numbers are the ones in the file. */
export const valueTypes = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const

export type ValueType = keyof typeof valueTypes
export type ScalarType = Exclude<ValueType, 'array'>
type Scalar = number | bigint | boolean | string

/** Tensor types that this writer can encode. */
export type WeightType = 'f32' | 'f16'
const tensorTypeNumbers = { f32: 0, f16: 1 } as const

const alignment = 32

/** Collects little-endian pieces; a plain list of buffers, since the files are small. */
class Bytes {
  readonly #parts: Buffer[] = []
  length = 0

  push(part: Buffer): void {
    this.#parts.push(part)
    this.length += part.length
  }

  uint32(value: number): void {
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value)
    this.push(part)
  }

  uint64(value: number | bigint): void {
    const part = Buffer.alloc(8)
    part.writeBigUInt64LE(BigInt(value))
    this.push(part)
  }

  string(value: string): void {
    const text = Buffer.from(value, 'utf8')
    this.uint64(text.length)
    this.push(text)
  }

  scalar(type: ScalarType, value: Scalar): void {
    if (type === 'string') return this.string(String(value))
    const part = Buffer.alloc(scalarSizes[type])
    switch (type) {
      case 'uint8':
        part.writeUInt8(Number(value))
        break
      case 'int8':
        part.writeInt8(Number(value))
        break
      case 'uint16':
        part.writeUInt16LE(Number(value))
        break
      case 'int16':
        part.writeInt16LE(Number(value))
        break
      case 'uint32':
        part.writeUInt32LE(Number(value))
        break
      case 'int32':
        part.writeInt32LE(Number(value))
        break
      case 'float32':
        part.writeFloatLE(Number(value))
        break
      case 'float64':
        part.writeDoubleLE(Number(value))
        break
      case 'bool':
        part.writeUInt8(value === true ? 1 : Number(value))
        break
      case 'uint64':
        part.writeBigUInt64LE(BigInt(value))
        break
      case 'int64':
        part.writeBigInt64LE(BigInt(value))
        break
    }
    this.push(part)
  }

  pad(to: number): void {
    const rest = this.length % to
    if (rest !== 0) this.push(Buffer.alloc(to - rest))
  }

  join(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

const scalarSizes: Record<Exclude<ScalarType, 'string'>, number> = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
}

/** Made when they are written, for models too large to hold twice. */
export interface LateValues {
  length: number
  make(): Float32Array
}
interface Tensor {
  name: string
  shape: readonly number[]
  type: WeightType
  values: Float32Array | LateValues
}

/**
 * Writes one GGUF file. Shapes are in ggml's order: the row length first, so that PyTorch's (out, in) is [in, out].
 * Nothing is checked: a test may write a key twice, or an array whose length is wrong.
 */
export class GgufWriter {
  readonly #entries = new Bytes()
  readonly #tensors: Tensor[] = []
  #entryCount = 0

  constructor(architecture?: string) {
    if (architecture !== undefined) this.set('general.architecture', 'string', architecture)
  }

  /** Adds one scalar or string. */
  set(key: string, type: ScalarType, value: Scalar): this {
    this.#key(key, type)
    this.#entries.scalar(type, value)
    return this
  }

  /** Adds an array whose elements all have one type. */
  setArray(key: string, type: ScalarType, values: readonly Scalar[]): this {
    this.#key(key, 'array')
    this.#entries.uint32(valueTypes[type])
    this.#entries.uint64(values.length)
    for (const value of values) this.#entries.scalar(type, value)
    return this
  }

  /** Adds a tensor; its data lie in the file in the order of these calls. */
  tensor(name: string, shape: readonly number[], values: Float32Array | LateValues, type: WeightType = 'f32'): this {
    this.#tensors.push({ name, shape, type, values })
    return this
  }

  /** The whole file. */
  toBuffer(): Buffer {
    return Buffer.concat([...this.pieces()])
  }

  /** The file piece by piece: the beginning, then each tensor. */
  *pieces(): Generator<Buffer> {
    const file = new Bytes()
    file.push(Buffer.from('GGUF'))
    file.uint32(3)
    file.uint64(this.#tensors.length)
    file.uint64(this.#entryCount)
    file.push(this.#entries.join())
    let offset = 0
    for (const { name, shape, type, values } of this.#tensors) {
      file.string(name)
      file.uint32(shape.length)
      for (const size of shape) file.uint64(size)
      file.uint32(tensorTypeNumbers[type])
      file.uint64(offset)
      offset += Math.ceil((values.length * (type === 'f32' ? 4 : 2)) / alignment) * alignment
    }
    file.pad(alignment)
    yield file.join()
    for (const { values, type } of this.#tensors) {
      const data = new Bytes()
      data.push(encode('make' in values ? values.make() : values, type))
      data.pad(alignment)
      yield data.join()
    }
  }

  #key(key: string, type: ValueType): void {
    this.#entryCount++
    this.#entries.string(key)
    this.#entries.uint32(valueTypes[type])
  }
}

function encode(values: Float32Array, type: WeightType): Buffer {
  const bytes = Buffer.alloc(values.length * (type === 'f32' ? 4 : 2))
  for (let i = 0; i < values.length; i++) {
    if (type === 'f32') bytes.writeFloatLE(values[i]!, i * 4)
    else bytes.writeUInt16LE(toHalf(values[i]!), i * 2)
  }
  return bytes
}

const floatView = new Float32Array(1)
const bitsView = new Uint32Array(floatView.buffer)

/** Half precision by rounding to nearest; what is too small becomes zero, which random weights do not mind. */
function toHalf(value: number): number {
  floatView[0] = value
  const bits = bitsView[0]!
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15
  if (exponent <= 0) return sign
  if (exponent >= 31) return sign | 0x7c00
  // a carry out of the fraction rightly increments the exponent
  return (sign | (exponent << 10) | ((bits >>> 13) & 0x3ff)) + ((bits >>> 12) & 1)
}
