import type { NativeSequenceOptions } from '../engine/native.js'
import type { ModelHeader } from '../gguf/check.js'
import type { MetadataValue } from '../gguf/metadata.js'
import type { AdapterInfo } from './lora.js'
import type { ModelMemory } from './model-memory.js'
import type { ModelDevice } from './place-model.js'

/** How a chat with the default options uses a model's cache. */
export interface DefaultPolicy {
  /**
   * `evict`: the oldest tokens of the window leave one by one. `refill`: whenever the cache is full, the sinks and half
   * of the window are decoded again.
   */
  readonly eviction: 'evict' | 'refill'
  /** Tokens. A pinned system prompt takes their place. */
  readonly sinks: number
  readonly window: number
  /** After how many evicted tokens the sinks move; undefined where they never do. */
  readonly reanchorEvery: number | undefined
  /** Why, in a sentence. */
  readonly reason: string
}

/** What a model's file says of it. Plain values, frozen. */
export interface FileInfo {
  /** GGUF's `general.name`; undefined where the file gives none. */
  readonly name: string | undefined
  /** GGUF's `general.architecture`, such as `llama`. */
  readonly architecture: string
  /** How many weights there are. */
  readonly parameters: number
  /** Such as `Q4_K_M`: what the file says, else the type that most of its bytes have. */
  readonly quantization: string
  /** Bytes of the file, of all parts. */
  readonly sizeBytes: number
  /** Tokens that the model was trained on at once. */
  readonly trainedLength: number
  /** Tokens of the vocabulary. */
  readonly vocabularySize: number
  readonly layers: number
  /** As the file names it (`general.license`), such as `apache-2.0`; undefined where it does not. */
  readonly licence: string | undefined
  /** How it remembers, and so how the streaming policy works on it. */
  readonly memory: ModelMemory
  /** Undefined where no window of any size fits: a chat then says why. */
  readonly policy: DefaultPolicy | undefined
  /** Jinja; undefined where the file has none. */
  readonly chatTemplate: string | undefined
  /** All keys of the file; large arrays are shortened. */
  readonly metadata: Readonly<Record<string, MetadataValue>>
}

/** What is known of a loaded model. Plain values, frozen. */
export interface ModelInfo extends FileInfo {
  /** What it runs on. */
  readonly device: ModelDevice
  /** LoRA adapters that change it, in the order given. */
  readonly adapters: readonly AdapterInfo[]
}

/**
 * @param facts what llama.cpp says of a loaded model, else what the header says
 * @param limits the sizes by default; throws where there are none
 */
export function fileInfo(
  header: ModelHeader,
  memory: ModelMemory,
  facts: { trainedLength: number; vocabularySize: number; layers: number; chatTemplate: string | undefined },
  limits: () => NativeSequenceOptions,
): FileInfo {
  const licence = header.metadata.get('general.license')
  return deepFrozen({
    name: header.name,
    architecture: header.architecture,
    parameters: header.parameters,
    quantization: header.quantization,
    sizeBytes: header.sizeBytes,
    trainedLength: facts.trainedLength,
    vocabularySize: facts.vocabularySize,
    layers: facts.layers,
    licence: typeof licence === 'string' && licence !== '' ? licence : undefined,
    memory: { ...memory },
    policy: defaultPolicy(memory, limits),
    chatTemplate: facts.chatTemplate || undefined,
    metadata: Object.fromEntries(
      [...header.metadata].map(([key, value]) => [
        key,
        typeof value === 'object' && 'values' in value ? { ...value, values: [...(value.values ?? [])] } : value,
      ]),
    ),
  })
}

export function deepFrozen<T extends object>(value: T): T {
  for (const each of Object.values(value)) {
    if (typeof each === 'object' && each !== null) deepFrozen(each as object)
  }
  return Object.freeze(value)
}

function defaultPolicy(memory: ModelMemory, limits: () => NativeSequenceOptions): DefaultPolicy | undefined {
  let chosen: NativeSequenceOptions
  try {
    chosen = limits()
  } catch {
    return undefined
  }
  const { policy, sinks, window, reanchorEvery } = chosen
  const moves = policy === 'streaming' && memory.sinksMove
  return {
    eviction: policy === 'refill' ? 'refill' : 'evict',
    sinks,
    window,
    reanchorEvery: moves ? reanchorEvery : undefined,
    reason: memory.reason,
  }
}
