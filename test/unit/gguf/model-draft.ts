import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { GgufWriter, type ScalarType } from '../../tools/gguf-writer.js'

type Value = number | bigint | boolean | string
type Entry = { key: string; type: ScalarType; value: Value | Value[] }
type Tensor = { name: string; shape: number[] }

/** The smallest header that passes the check, to be spoiled in one place. */
export class ModelDraft {
  entries: Entry[] = [
    { key: 'general.architecture', type: 'string', value: 'llama' },
    { key: 'llama.context_length', type: 'uint32', value: 512 },
    { key: 'llama.embedding_length', type: 'uint32', value: 32 },
    { key: 'llama.block_count', type: 'uint32', value: 2 },
    { key: 'llama.attention.head_count', type: 'uint32', value: 4 },
    { key: 'tokenizer.ggml.model', type: 'string', value: 'llama' },
    { key: 'tokenizer.ggml.tokens', type: 'string', value: ['<unk>', '<s>', '</s>', 'a'] },
    { key: 'tokenizer.ggml.scores', type: 'float32', value: [0, 0, 0, -1] },
    { key: 'tokenizer.ggml.token_type', type: 'int32', value: [2, 3, 3, 1] },
  ]
  tensors: Tensor[] = [
    { name: 'token_embd.weight', shape: [32, 4] },
    { name: 'output_norm.weight', shape: [3] },
    { name: 'output.weight', shape: [32, 4] },
  ]

  /** Sets an entry, in the place of the old one if there is one. */
  with(key: string, type: ScalarType, value: Value | Value[]): this {
    const at = this.entries.findIndex(entry => entry.key === key)
    this.entries.splice(at < 0 ? this.entries.length : at, at < 0 ? 0 : 1, { key, type, value })
    return this
  }

  without(...keys: string[]): this {
    this.entries = this.entries.filter(({ key }) => !keys.includes(key))
    return this
  }

  withTensors(...tensors: Tensor[]): this {
    this.tensors = tensors
    return this
  }

  toBuffer(): Buffer {
    const writer = new GgufWriter()
    for (const { key, type, value } of this.entries) {
      if (Array.isArray(value)) writer.setArray(key, type, value)
      else writer.set(key, type, value)
    }
    for (const { name, shape } of this.tensors) {
      writer.tensor(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1)))
    }
    return writer.toBuffer()
  }
}

/** A directory that is gone after the test file. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'streaming-llm-gguf-'))
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

/** Where in the file the description of a tensor goes on after its name. */
export function afterName(bytes: Buffer, name: string): number {
  return bytes.indexOf(name, 0, 'latin1') + name.length
}

/** Writes the bytes to a file, checks it, and returns the error, which must be a typed one. */
export async function failureOf(path: string, bytes: Uint8Array): Promise<StreamingLLMError> {
  writeFileSync(path, bytes)
  return failureOfFile(path)
}

export async function failureOfFile(path: string): Promise<StreamingLLMError> {
  const failure: unknown = await checkModelFile(path).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(StreamingLLMError)
  return failure as StreamingLLMError
}
