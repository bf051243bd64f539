import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GgufWriter, type WeightType } from './gguf-writer.js'
import { type Family, families, type TinyKind } from './tiny-families.js'
import { type VocabularyKind, type VocabularyOptions, vocabularyOf } from './tiny-vocabulary.js'
import { TinyWeights } from './tiny-weights.js'

export type { TinyKind } from './tiny-families.js'

export interface TinyOptions extends VocabularyOptions {
  layers?: number
  width?: number
  /** Query heads; 4 unless given. */
  heads?: number
  /** Heads of keys and values, where a family lets them be fewer; half as many as query heads unless given. */
  keyValueHeads?: number
  /** What the model says it was trained for; 2048 unless given. */
  contextLength?: number
  seed?: number
  /** ChatML unless given; null for a model without one. */
  chatTemplate?: string | null
  weights?: WeightType
  /** 'spm' unless given, 'bpe' for gpt2 and 'wordpiece' for bert. */
  vocabulary?: VocabularyKind
  /**
   * Added to the logits of the tokens that end a reply. -3 unless given: replies then end now and then;
   * -20 and they never do, 6 and they soon do. Gemma 2 and BERT do not heed it.
   */
  endBias?: number
  /** More metadata, each a uint32. */
  metadata?: Record<string, number>
}

export const chatML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

/**
 * Writes a tiny model with random weights, once for each kind and set of options, and returns the path of the file.
 * It knows no language, but it tokenizes, decodes and samples in the real llama.cpp.
 */
export function tinyModel(kind: TinyKind, options: TinyOptions = {}): string {
  const directory = join(tmpdir(), 'streaming-llm-tiny-models')
  const name = `${kind}-${fingerprint(kind, options)}.gguf`
  const path = join(directory, name)
  if (existsSync(path)) return path
  mkdirSync(directory, { recursive: true })
  // several test workers may be about to write the same file: each writes its own, and the last rename wins
  const unfinished = join(directory, `.${name}.${process.pid}.${randomUUID()}`)
  writeFileSync(unfinished, tinyModelBytes(kind, options))
  renameSync(unfinished, path)
  return path
}

/** The bytes of what `tinyModel` writes. */
export function tinyModelBytes(kind: TinyKind, options: TinyOptions = {}): Buffer {
  const family: Family = families[kind]
  const architecture = family.architecture ?? kind
  const vocabulary = vocabularyOf(options.vocabulary ?? usualVocabulary(kind), options)
  const shape = {
    layers: options.layers ?? family.layers,
    width: options.width ?? 128,
    heads: options.heads ?? 4,
    keyValueHeads: options.keyValueHeads ?? Math.max(1, Math.floor((options.heads ?? 4) / 2)),
    contextLength: options.contextLength ?? 2048,
    seed: options.seed ?? 1,
    weights: options.weights ?? 'f32',
    endBias: options.endBias ?? -3,
  }
  const writer = new GgufWriter(architecture)
  writer.set('general.type', 'string', 'model')
  writer.set('general.name', 'string', `tiny ${kind}`)
  writer.set(`${architecture}.context_length`, 'uint32', shape.contextLength)
  writer.set(`${architecture}.embedding_length`, 'uint32', shape.width)
  writer.set(`${architecture}.block_count`, 'uint32', shape.layers)
  writer.set(`${architecture}.vocab_size`, 'uint32', vocabulary.tokens.length)
  vocabulary.write(writer)
  const template = options.chatTemplate === undefined && kind !== 'bert' ? chatML : options.chatTemplate
  if (typeof template === 'string') writer.set('tokenizer.chat_template', 'string', template)
  for (const [key, value] of Object.entries(options.metadata ?? {})) writer.set(key, 'uint32', value)
  family.write(new TinyWeights(writer, shape, vocabulary))
  return writer.toBuffer()
}

function usualVocabulary(kind: TinyKind): VocabularyKind {
  return kind === 'bert' ? 'wordpiece' : kind === 'gpt2' ? 'bpe' : 'spm'
}

const tools = new URL('.', import.meta.url)
let sourceHash: string | undefined

/** Changes with the options and with the code that writes, so that no test meets a file of yesterday's code. */
function fingerprint(kind: TinyKind, options: TinyOptions): string {
  sourceHash ??= readdirSync(tools)
    .filter(name => name.startsWith('tiny-') || name === 'gguf-writer.ts')
    .sort()
    .reduce((hash, name) => hash.update(readFileSync(new URL(name, tools))), createHash('sha256'))
    .digest('hex')
  const settled = JSON.stringify(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .sort(),
  )
  return createHash('sha256').update(sourceHash).update(kind).update(settled).digest('hex').slice(0, 16)
}
