import { unrotatedArchitectures } from '../../lib/gguf/architectures.js'
import type { Entry } from '../../lib/gguf/header.js'
import type { CacheType } from './addon.js'

/** What the decision depends on, of a model's file. */
export interface ShiftModel {
  architecture: string
  hasLearnedPositions: boolean
  entries: ReadonlyMap<string, Entry>
}

/**
 * Why keys of this model must not be shifted in llama.cpp's cache (llama_memory_seq_add), or undefined where a shift is
 * right: it then turns a key to what it would have been at the new position, but for rounding. llama.cpp itself tells
 * only of some of these cases (llama_memory_can_shift); in the others it computes something else, or ends the process.
 */
export function shiftRefusal(model: ShiftModel, kv: CacheType): string | undefined {
  const read = new Hparams(model)
  return (
    positionRefusal(model, read) ??
    architectureRefusal(model, read) ??
    scalingRefusal(read) ??
    layerRefusal(model, read) ??
    cacheRefusal(model, read, kv)
  )
}

// ---- positions that are not, or not only, an angle of the key

/** Positions with several parts, which have no shift in llama.cpp. */
const multipart = new Set([
  'qwen2vl',
  'paddleocr',
  'qwen3vl',
  'qwen3vlmoe',
  'qwen35',
  'qwen35moe',
  'qwen4exp',
  'qwen3tts',
])

function positionRefusal({ architecture, hasLearnedPositions }: ShiftModel, read: Hparams): string | undefined {
  if (hasLearnedPositions)
    return 'it has learned positions: a key holds the vector of its position, and no turn of it gives that of another'
  if (multipart.has(architecture) || read.list('rope.dimension_sections').some(size => size > 0)) {
    return 'its positions have several parts (M-RoPE), and llama.cpp ends the process when such keys are shifted'
  }
  const temperature = read.number('attention.temperature_scale') ?? 0
  if (architecture === 'llama4' || temperature !== 0) {
    return 'it scales its attention by the position in the text, which a shift takes away'
  }
  return undefined
}

// ---- architectures with layers that llama.cpp shifts and the model does not rotate, or the other way round

const someLayersWithout = 'some of its layers have no positions, and llama.cpp rotates the keys of these too'
const indexed = 'it chooses keys by a second cache of index keys, for which llama.cpp has no right shift'

const refusals: Record<string, string | ((read: Hparams) => string | undefined)> = {
  smollm3: someLayersWithout,
  cohere2: someLayersWithout,
  cohere2moe: someLayersWithout,
  afmoe: someLayersWithout,
  'exaone-moe': someLayersWithout,
  'muse-glimmer': someLayersWithout,
  // Of these two only the sizes with windowed layers.
  exaone4: read => (read.number('block_count') === 64 ? someLayersWithout : undefined),
  smallthinker: read => ((read.number('attention.sliding_window') ?? 0) > 0 ? someLayersWithout : undefined),
  // The larger Baichuan models have ALiBi, though llama.cpp takes them for rotary ones.
  baichuan: read =>
    read.number('block_count') === 32 ? undefined : 'it has ALiBi, and llama.cpp rotates its keys as if it had not',
  starcoder: 'it has learned positions, and llama.cpp rotates its keys as if it had not',
  step35: 'its layers rotate unlike parts of a key, for which llama.cpp has no shift',
  deepseek32: indexed,
  deepseek4: indexed,
  'glm-dsa': indexed,
  dots3note: indexed,
  'minimax-m3': indexed,
}

function architectureRefusal({ architecture }: ShiftModel, read: Hparams): string | undefined {
  const refusal = Object.hasOwn(refusals, architecture) ? refusals[architecture] : undefined
  return typeof refusal === 'function' ? refusal(read) : refusal
}

// ---- a rotation that also lengthens or shortens: a shift does that once more

function scalingRefusal(read: Hparams): string | undefined {
  const again = 'and llama.cpp applies the factor again with every shift, to all keys, until they are not numbers'
  if (read.text('rope.scaling.type') === 'yarn' || (read.number('rope.scaling.yarn_ext_factor') ?? 0) > 0) {
    return `its rotation is stretched by YaRN, which also scales keys, ${again}`
  }
  const factors = ['rope.scaling.attn_factor', 'rope.scaling.yarn_attn_factor'].map(name => read.number(name) ?? 1)
  if (factors.some(factor => factor !== 1)) return `its rotation also scales keys by ${factors.join(' * ')}, ${again}`
  return undefined
}

// ---- a cache for windowed layers beside one for full attention that is empty

function layerRefusal({ architecture }: ShiftModel, read: Hparams): string | undefined {
  if ((read.number('attention.sliding_window') ?? 0) === 0) return undefined
  const pattern = read.list('attention.sliding_window_pattern')
  const all =
    ['lfm2', 'lfm2moe'].includes(architecture) ||
    (pattern.length > 0 && pattern.every(windowed => windowed !== 0)) ||
    read.number('attention.sliding_window_pattern') === 0
  return all
    ? 'all of its attention is windowed, and llama.cpp ends the process when it shifts its empty cache for the other kind'
    : undefined
}

// ---- types of the cache that llama.cpp cannot rotate

function cacheRefusal({ architecture }: ShiftModel, read: Hparams, kv: CacheType): string | undefined {
  // Without rotation a shift changes the positions' numbers only, whatever the cache's type.
  if (unrotatedArchitectures.has(architecture) || kv === 'f32' || kv === 'f16') return undefined
  if (kv === 'bf16') return 'llama.cpp cannot rotate keys of type bf16 and ends the process; use f16 or f32'
  const use = 'use a cache of type f16 or f32'
  const heads = Math.max(0, ...read.list('attention.head_count'))
  const widths = [
    read.number('attention.key_length') ?? (read.number('embedding_length') ?? NaN) / heads,
    read.number('attention.key_length_swa'),
  ]
  const rotated = [read.number('rope.dimension_count'), read.number('rope.dimension_count_swa')]
  if ((read.number('attention.kv_lora_rank') ?? 0) > 0)
    return `only a part of each compressed key is rotated, and llama.cpp cannot rotate a part of a ${kv} key; ${use}`
  for (const [i, width] of widths.entries()) {
    if (width === undefined) continue
    if (!Number.isFinite(width))
      return `its file does not tell how wide its keys are, and llama.cpp cannot shift ${kv} keys of every width; ${use}`
    if (width % 64 !== 0)
      return `llama.cpp cannot shift ${kv} keys of ${width} values and ends the process: it can where these are a multiple of 64; ${use}`
    const part = rotated[i] ?? rotated[0] ?? width
    if (part !== width)
      return `only ${part} of the ${width} values of a key are rotated, and llama.cpp cannot rotate a part of a ${kv} key and ends the process; ${use}`
  }
  return undefined
}

/** The architecture's figures, by their names without its own. */
class Hparams {
  constructor(readonly model: ShiftModel) {}

  number(name: string): number | undefined {
    const entry = this.#entry(name)
    return entry === undefined || entry.type === 'array' || entry.type === 'string' ? undefined : Number(entry.value)
  }

  text(name: string): string | undefined {
    const entry = this.#entry(name)
    return entry?.type === 'string' ? entry.value : undefined
  }

  /** One figure for each layer, or the one for all as a list of one; empty where there is none. */
  list(name: string): number[] {
    const entry = this.#entry(name)
    if (entry === undefined || entry.type === 'string') return []
    return entry.type === 'array' ? (entry.values ?? []).map(Number) : [Number(entry.value)]
  }

  #entry(name: string): Entry | undefined {
    return this.model.entries.get(`${this.model.architecture}.${name}`)
  }
}
