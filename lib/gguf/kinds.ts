import type { StreamingLLMError } from '../errors.js'
import { malformed, unsupported } from './failures.js'
import { quoted, type RawHeader, tokensKey } from './header.js'

// Architectures of llama.cpp that keep no key-value cache to stream through, or are half of something else.
const encoders = new Set([
  'bert',
  'modern-bert',
  'nomic-bert',
  'nomic-bert-moe',
  'neo-bert',
  'jina-bert-v2',
  'jina-bert-v3',
  'eurobert',
  't5encoder',
  'gemma-embedding',
  'llama-embed',
])
const encoderDecoders = new Set(['t5'])
const diffusion = new Set(['dream', 'llada', 'llada-moe', 'rnd1'])
const drafts = new Set(['eagle3', 'dflash', 'gemma4-assistant'])
const speech = new Set(['wavtokenizer-dec', 'pockettts', 'qwen3tts'])

const needed =
  'A language model that generates text from left to right is needed (a decoder, such as Llama, Qwen or Gemma).'

/** A string of the metadata; undefined where it is missing or of another type. */
export function text(header: RawHeader, key: string): string | undefined {
  const entry = header.entries.get(key)
  return entry?.type === 'string' ? entry.value : undefined
}

/**
 * Tells a language model from everything else that comes as GGUF, and returns its architecture. Throws
 * `MODEL_UNSUPPORTED` saying what the file is, before anything is said of what it lacks.
 */
export function checkKind(header: RawHeader): string {
  const { path } = header
  const architecture = architectureOf(header)
  refuseCompanions(header, architecture)
  if (encoders.has(architecture))
    throw refuse(header, `holds an encoder (${architecture}), which makes embeddings and generates no text`)
  if (encoderDecoders.has(architecture))
    throw refuse(header, `holds an encoder-decoder model (${architecture}), which answers one input and cannot go on`)
  if (diffusion.has(architecture))
    throw refuse(header, `holds a diffusion language model (${architecture}), which writes its text as a whole`)
  if (speech.has(architecture)) throw refuse(header, `holds a model that makes speech (${architecture})`)
  const causal = header.entries.get(`${architecture}.attention.causal`)
  if (causal?.type === 'bool' && !causal.value) {
    throw refuse(header, `holds an embedding model: its attention (${architecture}) looks ahead as well as back`)
  }
  const isLanguageModel = ['context_length', 'embedding_length', 'block_count'].some(key =>
    header.entries.has(`${architecture}.${key}`),
  )
  if (!isLanguageModel && !header.entries.has('tokenizer.ggml.model')) {
    throw refuse(
      header,
      `holds a model of architecture ${quoted(architecture)} without a vocabulary and without a language model's figures, e.g. one that makes images`,
    )
  }
  if (header.tensors.size === 0 && header.entries.has(tokensKey)) {
    throw unsupported(path, 'holds a vocabulary and no weights', needed, { architecture })
  }
  return architecture
}

function architectureOf(header: RawHeader): string {
  const { path, entries } = header
  // of a model in parts only the first has the metadata
  const part = entries.get('split.no')
  const count = entries.get('split.count')
  if (part?.type === 'uint16' && count?.type === 'uint16' && Number(part.value) > 0) {
    throw unsupported(
      path,
      `is part ${Number(part.value) + 1} of ${String(count.value)} of a model`,
      `Pass the path of the first part, whose name ends in -00001-of-${String(count.value).padStart(5, '0')}.gguf.`,
      { part: Number(part.value) + 1, parts: Number(count.value) },
    )
  }
  const architecture = text(header, 'general.architecture')
  if (architecture === undefined || architecture === '') {
    throw malformed(path, 'it does not name its architecture ("general.architecture")')
  }
  return architecture
}

/** Files that belong to a model and are not one. */
function refuseCompanions(header: RawHeader, architecture: string): void {
  const { path } = header
  const type = text(header, 'general.type')
  if (type === 'mmproj' || architecture === 'clip') {
    throw unsupported(
      path,
      'is a projector (mmproj), the part of a multimodal model that turns images or sound into embeddings',
      'Pass the language model that it belongs to.',
      { architecture, type },
    )
  }
  if (type === 'adapter' || architecture === 'controlvector') {
    const what = architecture === 'controlvector' ? 'a control vector' : 'an adapter (LoRA)'
    throw unsupported(
      path,
      `is ${what}, which changes a model and is none`,
      'Pass the base model; a LoRA goes along with it, as adapters: [{ path }].',
      { architecture, type },
    )
  }
  if (type === 'imatrix' || architecture === 'imatrix') {
    throw unsupported(path, 'is an importance matrix, which is used to quantize a model', needed, {
      architecture,
      type,
    })
  }
  if (drafts.has(architecture)) {
    throw unsupported(
      path,
      `holds a draft model (${architecture}), which only guesses what another model will say`,
      'Pass that other model.',
      { architecture },
    )
  }
}

function refuse(header: RawHeader, what: string): StreamingLLMError {
  return unsupported(header.path, what, needed, { architecture: text(header, 'general.architecture') })
}
