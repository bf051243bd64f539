import { checkFigures } from './figures.js'
import type { Entry, RawHeader, Scalar } from './header.js'
import { checkKind, text } from './kinds.js'
import { checkLayout } from './layout.js'
import { readModelFile } from './open.js'
import { readParts } from './parts.js'
import { checkVocabulary } from './vocabulary.js'

/** A metadata value; of arrays and of very long strings only the length is kept. */
export type MetadataValue = Scalar | string | { arrayLength: number } | { byteLength: number }

/** What a model's file says of the model. */
export interface ModelHeader {
  path: string
  architecture: string
  name?: string
  /** How many tokens the model was trained to see at once. */
  contextLength: number
  metadata: ReadonlyMap<string, MetadataValue>
  /** The names of all tensors, in all parts. */
  tensors: ReadonlySet<string>
  chatTemplate?: string
  /** Positions are learned vectors, of which there are `contextLength`, so no token can have a position beyond. */
  hasLearnedPositions: boolean
  /** Of all parts together. */
  sizeBytes: number
  /** Bytes of the weights of each layer, and of what makes logits at the end. */
  weightBytes: { layers: number[]; output: number }
  /** In how many files the model comes: 1 unless it is split. */
  splitCount: number
}

/**
 * Checks a model's file before llama.cpp sees it, which prints, throws or aborts the process over broken ones. Reads the
 * header only, so that it costs a fraction of a second whatever the model's size. What it cannot see is damage that
 * leaves the header consistent, e.g. a wrong weight; a checksum sees that.
 *
 * Throws a `StreamingLLMError`: `MODEL_NOT_FOUND`, `NOT_A_GGUF`, `GGUF_TRUNCATED` (the file ends too early),
 * `GGUF_MALFORMED` (its header contradicts itself) or `MODEL_UNSUPPORTED` (a sound file, but of no model that generates
 * text from left to right).
 */
export async function checkModelFile(path: string): Promise<ModelHeader> {
  const first = await readModelFile(path)
  const architecture = checkKind(first)
  checkLayout(first)
  const { contextLength } = checkFigures(first, architecture)
  checkVocabulary(first)
  const parts = await readParts(first)
  return describeModel(parts, architecture, contextLength)
}

function describeModel(parts: readonly RawHeader[], architecture: string, contextLength: number): ModelHeader {
  const first = parts[0]!
  const tensors = new Set(parts.flatMap((part) => [...part.tensors.keys()]))
  const name = text(first, 'general.name')
  const chatTemplate = text(first, 'tokenizer.chat_template')
  return {
    path: first.path,
    architecture,
    ...(name === undefined ? {} : { name }),
    contextLength,
    metadata: new Map([...first.entries].map(([key, entry]) => [key, metadataValue(entry)])),
    tensors,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    hasLearnedPositions: tensors.has('position_embd.weight'),
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    weightBytes: weightBytes(parts),
    splitCount: parts.length,
  }
}

function weightBytes(parts: readonly RawHeader[]): { layers: number[]; output: number } {
  const layers: number[] = []
  const others = new Map<string, number>()
  for (const { name, byteLength } of parts.flatMap(part => [...part.tensors.values()])) {
    const layer = /^blk\.(\d{1,4})\./.exec(name)?.[1]
    if (layer === undefined) others.set(name, byteLength)
    else layers[Number(layer)] = (layers[Number(layer)] ?? 0) + byteLength
  }
  // A model without a matrix of its own for the output uses that of the input once more.
  return { layers: Array.from(layers, bytes => bytes ?? 0), output: others.get('output.weight') ?? others.get('token_embd.weight') ?? 0 }
}

function metadataValue(entry: Entry): MetadataValue {
  if (entry.type === 'array') return { arrayLength: entry.length }
  if (entry.type === 'string') return entry.value ?? { byteLength: entry.byteLength }
  return entry.value
}
