import { malformed } from './failures.js'
import { describe, quoted, type Entry, type RawHeader } from './header.js'

/** The model's figures, checked. */
export interface Figures {
  contextLength: number
}

// llama.cpp has arrays of these sizes, and aborts the process beyond them
const mostLayers = 512
const mostExperts = 1024
const largestContext = 2 ** 31 - 1
const largestWidth = 2 ** 20

const recurrent = new Set(['mamba', 'mamba2', 'rwkv6', 'rwkv6qwen2', 'rwkv7', 'arwkv7'])
const ropeScalings = new Set(['none', 'linear', 'yarn', 'longrope'])

/** Checks the figures over which llama.cpp throws without a hint, or aborts the process. */
export function checkFigures(header: RawHeader, architecture: string): Figures {
  const read = new FigureReader(header, architecture)
  const contextLength = read.required('context_length', largestContext)
  const width = read.required('embedding_length', largestWidth)
  const layers = read.required('block_count', mostLayers)
  const predicted = read.optional('nextn_predict_layers') ?? 0
  if (predicted > layers) throw read.wrong('nextn_predict_layers', `the model has ${layers} layers`)
  checkHeads(read, architecture, width, layers)
  checkExperts(read, architecture, layers)
  checkNumbers(read)
  return { contextLength }
}

class FigureReader {
  constructor(readonly header: RawHeader, readonly architecture: string) {}

  entry(name: string): Entry | undefined {
    return this.header.entries.get(`${this.architecture}.${name}`)
  }

  /** Within 1 and `most`. */
  required(name: string, most: number): number {
    const value = this.optional(name)
    if (value === undefined) throw malformed(this.header.path, `it lacks "${this.architecture}.${name}"`, { key: `${this.architecture}.${name}` })
    if (value === 0 || value > most) throw this.wrong(name, `a number from 1 to ${most} is needed`)
    return value
  }

  /** llama.cpp reads these as nothing but uint32. */
  optional(name: string): number | undefined {
    const entry = this.entry(name)
    if (entry === undefined) return undefined
    if (entry.type !== 'uint32') throw this.wrong(name, 'a uint32 is needed')
    return Number(entry.value)
  }

  /** One figure for all layers, or one for each. */
  perLayer(name: string, layers: number): number[] | undefined {
    const entry = this.entry(name)
    if (entry?.type !== 'array') {
      const value = this.optional(name)
      return value === undefined ? undefined : [value]
    }
    const integers = entry.elementType === 'uint32' || entry.elementType === 'int32'
    if (!integers || entry.length !== layers || entry.values === undefined) {
      throw this.wrong(name, `an array of ${layers} integers is needed, one for each layer`)
    }
    const values = entry.values.map(Number)
    if (values.some((value) => value < 0)) throw this.wrong(name, 'no layer can have less than 0')
    return values
  }

  wrong(name: string, need: string) {
    const key = `${this.architecture}.${name}`
    const entry = this.entry(name)
    return malformed(this.header.path, `${quoted(key)} is ${entry === undefined ? 'missing' : describe(entry)}; ${need}`, { key })
  }
}

function checkHeads(read: FigureReader, architecture: string, width: number, layers: number): void {
  const heads = read.perLayer('attention.head_count', layers)
  const shared = read.perLayer('attention.head_count_kv', layers) ?? []
  if (Math.max(0, ...shared) > width) throw read.wrong('attention.head_count_kv', `the model has a width of ${width}`)
  if (recurrent.has(architecture)) return
  if (heads === undefined || heads.every((count) => count === 0)) throw read.wrong('attention.head_count', 'a model with attention has one head at least')
  if (Math.max(...heads) > width) throw read.wrong('attention.head_count', `the model has a width of ${width}`)
}

function checkExperts(read: FigureReader, architecture: string, layers: number): void {
  const experts = read.optional('expert_count') ?? 0
  if (experts > mostExperts) throw read.wrong('expert_count', `${mostExperts} is the most`)
  // these name one expert where they mean none
  if (architecture.startsWith('hunyuan') && experts <= 1) return
  const used = Math.max(0, ...read.perLayer('expert_used_count', layers) ?? [])
  const groups = read.optional('expert_group_count') ?? 0
  const usedGroups = read.optional('expert_group_used_count') ?? 0
  if (used > experts || (experts > 0 && used === 0)) throw read.wrong('expert_used_count', `the model has ${experts} experts`)
  if (groups > 0 && groups >= experts) throw read.wrong('expert_group_count', `the model has ${experts} experts`)
  if (groups > 1 && (experts % groups !== 0 || usedGroups === 0 || usedGroups >= groups)) {
    throw read.wrong('expert_group_used_count', `the model has ${experts} experts in ${groups} groups`)
  }
}

function checkNumbers(read: FigureReader): void {
  for (const name of ['attention.layer_norm_epsilon', 'attention.layer_norm_rms_epsilon']) {
    const entry = read.entry(name)
    if (entry === undefined) continue
    if (entry.type !== 'float32' || !(Number(entry.value) >= 0 && Number(entry.value) < 1)) throw read.wrong(name, 'a small positive float32 is needed')
  }
  const scaling = read.entry('rope.scaling.type')
  if (scaling !== undefined && !(scaling.type === 'string' && ropeScalings.has(scaling.value ?? ''))) {
    throw read.wrong('rope.scaling.type', `one of ${[...ropeScalings].join(', ')} is needed`)
  }
}
