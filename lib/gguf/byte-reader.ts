import { malformed, truncated } from './failures.js'
import type { ByteSource } from './source.js'

/** llama.cpp's own limit; a longer string is a damaged length. */
const maxStringLength = 1024 ** 3

/**
 * Reads a file onwards through one window of fixed size, so that no length in a damaged file can make it allocate.
 * Every read first says what it needs (`need`), and only that waits for the disk. The rest is taken from the window at
 * once, since a vocabulary has hundreds of thousands of strings.
 */
export class ByteReader {
  readonly #window = Buffer.allocUnsafe(windowSize)
  #windowStart = 0
  #windowLength = 0
  #position: number

  /** @param start where to begin, in bytes from the beginning of the file */
  constructor(
    readonly file: ByteSource,
    readonly path: string,
    readonly size: number,
    start = 0,
  ) {
    this.#position = start
  }

  get position(): number {
    return this.#position
  }

  get remaining(): number {
    return this.size - this.#position
  }

  /** True if `bytes` more can be taken without reading from the file. */
  has(bytes: number): boolean {
    return this.#position + bytes <= this.#windowStart + this.#windowLength
  }

  /** Makes `bytes` more available, at most as many as the window holds; throws where the file is too short. */
  async need(bytes: number): Promise<void> {
    if (this.has(bytes)) return
    this.expect(bytes)
    let length = 0
    while (length < bytes) {
      const { bytesRead } = await this.file.read(this.#window, length, windowSize - length, this.#position + length)
      // the file was longer when it was opened
      if (bytesRead === 0) throw truncated(this.path, 'its header', this.#position + bytes, this.#position + length)
      length += bytesRead
    }
    this.#windowStart = this.#position
    this.#windowLength = length
  }

  /** Throws unless the file holds `bytes` more. */
  expect(bytes: number): void {
    if (bytes > this.remaining) throw truncated(this.path, 'its header', this.#position + bytes, this.size)
  }

  /** Passes over bytes without reading them. */
  skip(bytes: number): void {
    this.expect(bytes)
    this.#position += bytes
  }

  /** The next bytes, which `need` has provided; a view that the next `need` overwrites. */
  take(bytes: number): Buffer {
    const start = this.#position - this.#windowStart
    this.#position += bytes
    return this.#window.subarray(start, start + bytes)
  }

  async uint32(): Promise<number> {
    await this.need(4)
    return this.take(4).readUInt32LE()
  }

  /** A count or a length: above 2^53 it is returned inexactly, and every limit is far below that. */
  async uint64(): Promise<number> {
    await this.need(8)
    return this.takeUint64()
  }

  takeUint64(): number {
    return Number(this.take(8).readBigUInt64LE())
  }

  /** The length of the string that follows; throws if it is too long or the file cannot hold it. */
  takeStringLength(what: string, maxLength = maxStringLength): number {
    const length = this.takeUint64()
    if (length > maxLength) {
      throw malformed(this.path, `${what} claims a length of ${length} bytes`, {
        position: this.#position - 8,
        longest: maxLength,
      })
    }
    this.expect(length)
    return length
  }

  /** A string that has to be short: a name, a key. */
  async shortString(what: string, maxLength: number): Promise<string> {
    await this.need(8)
    const length = this.takeStringLength(what, maxLength)
    await this.need(length)
    return this.take(length).toString('utf8')
  }

  /** The text of the next `length` bytes, which may be more than the window holds. */
  async text(length: number): Promise<string> {
    if (length <= windowSize) {
      await this.need(length)
      return this.take(length).toString('utf8')
    }
    this.expect(length)
    const whole = Buffer.alloc(length)
    for (let filled = 0; filled < length; ) {
      const part = Math.min(windowSize, length - filled)
      await this.need(part)
      filled += this.take(part).copy(whole, filled)
    }
    return whole.toString('utf8')
  }
}

/** The most that `need` can provide at once. */
export const windowSize = 256 * 1024
