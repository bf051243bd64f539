import { checkHparams } from './check-hparams.js'
import { quantizationName } from './file-types.js'
import { type RawHeader, tokensKey } from './header.js'
import { checkKind, text } from './kinds.js'
import { checkLayout } from './layout.js'
import { type Metadata, metadataValue } from './metadata.js'
import { openFile, readModelFile } from './open.js'
import { readParts } from './parts.js'
import type { OpenSource } from './source.js'
import { checkVocabulary } from './vocabulary.js'
import { checkWeights } from './weights.js'

/** What a model's file says of the model. */
export interface ModelHeader {
  path: string
  architecture: string
  name?: string
  /** How many tokens the model was trained to see at once. */
  contextLength: number
  metadata: Metadata
  /** Where the texts of the vocabulary begin, in bytes from the beginning of the file. */
  tokensPosition: number
  /** The names of all tensors, in all parts. */
  tensors: ReadonlySet<string>
  /** Their sizes, row length first. */
  shapes: ReadonlyMap<string, readonly number[]>
  chatTemplate?: string
  /** Positions are `contextLength` learned vectors, so no token can have a position beyond. */
  hasLearnedPositions: boolean
  /** Of all parts together. */
  sizeBytes: number
  /** How many weights there are. */
  parameters: number
  /** Such as `Q4_K_M`. */
  quantization: string
  /** Bytes of the weights of each layer, of what makes logits at the end, and of all together. */
  weightBytes: { layers: number[]; output: number; total: number }
  /** In how many files the model comes: 1 unless it is split. */
  splitCount: number
}

/**
 * Checks a model's file before llama.cpp sees it, which prints, throws or aborts the process over broken ones. Reads
 * the header only, so that it costs a fraction of a second whatever the model's size. What it cannot see is damage that
 * leaves the header consistent, e.g. a wrong weight; a checksum sees that.
 *
 * Throws a `StreamingLLMError`: `MODEL_NOT_FOUND`, `NOT_A_GGUF`, `GGUF_TRUNCATED` (the file ends too early),
 * `GGUF_MALFORMED` (its header contradicts itself) or `MODEL_UNSUPPORTED` (a sound file, but of no model that generates
 * text from left to right).
 *
 * @param openSource opens each part by its path; default: a file of this machine
 */
export async function checkModelFile(path: string, openSource: OpenSource = openFile): Promise<ModelHeader> {
  const first = await readModelFile(path, openSource)
  const architecture = checkKind(first)
  checkLayout(first)
  const { contextLength } = checkHparams(first, architecture)
  checkVocabulary(first)
  const parts = await readParts(first, openSource)
  checkWeights(parts, architecture)
  return describeModel(parts, architecture, contextLength)
}

function describeModel(parts: readonly RawHeader[], architecture: string, contextLength: number): ModelHeader {
  const first = parts[0]!
  const tensors = new Set(parts.flatMap(part => [...part.tensors.keys()]))
  const name = text(first, 'general.name')
  const tokens = first.entries.get(tokensKey)
  const chatTemplate = text(first, 'tokenizer.chat_template')
  return {
    path: first.path,
    architecture,
    ...(name === undefined ? {} : { name }),
    contextLength,
    metadata: new Map([...first.entries].map(([key, entry]) => [key, metadataValue(entry)])),
    tensors,
    shapes: new Map(parts.flatMap(part => [...part.tensors.values()].map(({ name, shape }) => [name, shape]))),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    tokensPosition: tokens?.type === 'array' ? tokens.position : 0,
    hasLearnedPositions: tensors.has('position_embd.weight'),
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    ...weightTotals(parts),
    splitCount: parts.length,
  }
}

function weightTotals(parts: readonly RawHeader[]): Pick<ModelHeader, 'parameters' | 'quantization' | 'weightBytes'> {
  const layers: number[] = []
  const others = new Map<string, number>()
  const byType = new Map<string, number>()
  let parameters = 0
  let total = 0
  for (const { name, byteLength, shape, type } of parts.flatMap(part => [...part.tensors.values()])) {
    const layer = /^blk\.(\d{1,4})\./.exec(name)?.[1]
    if (layer === undefined) others.set(name, byteLength)
    else layers[Number(layer)] = (layers[Number(layer)] ?? 0) + byteLength
    byType.set(type.name, (byType.get(type.name) ?? 0) + byteLength)
    parameters += shape.reduce((product, size) => product * size, 1)
    total += byteLength
  }
  const fileType = parts[0]?.entries.get('general.file_type')
  // A model without a matrix of its own for the output uses that of the input once more.
  const output = others.get('output.weight') ?? others.get('token_embd.weight') ?? 0
  return {
    parameters,
    quantization: quantizationName(fileType?.type === 'uint32' ? fileType.value : undefined, byType),
    weightBytes: { layers: Array.from(layers, bytes => bytes ?? 0), output, total },
  }
}
