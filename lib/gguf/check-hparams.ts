import { recurrentArchitectures } from './architectures.js'
import { checkGraph } from './graph.js'
import type { RawHeader } from './header.js'
import { HparamReader } from './hparam-reader.js'

/** The model's figures, checked. */
export interface Hparams {
  contextLength: number
}

// llama.cpp has arrays of these sizes, and aborts the process beyond them
const maxLayers = 512
const maxExperts = 1024
const maxContextLength = 2 ** 31 - 1
const maxWidth = 2 ** 20

const ropeScalings = new Set(['none', 'linear', 'yarn', 'longrope'])

/** Checks the figures over which llama.cpp throws without a hint, or aborts the process. */
export function checkHparams(header: RawHeader, architecture: string): Hparams {
  const read = new HparamReader(header, architecture)
  const contextLength = read.required('context_length', maxContextLength)
  const width = read.required('embedding_length', maxWidth)
  const layers = read.required('block_count', maxLayers)
  const predicted = read.optional('nextn_predict_layers') ?? 0
  if (predicted > layers) throw read.wrong('nextn_predict_layers', `the model has ${layers} layers`)
  checkHeads(read, architecture, width, layers)
  checkExperts(read, architecture, layers)
  checkNumbers(read)
  checkGraph(read, { width, layers })
  return { contextLength }
}

function checkHeads(read: HparamReader, architecture: string, width: number, layers: number): void {
  const heads = read.perLayer('attention.head_count', layers)
  const shared = read.perLayer('attention.head_count_kv', layers) ?? []
  if (Math.max(0, ...shared) > width) throw read.wrong('attention.head_count_kv', `the model has a width of ${width}`)
  if (recurrentArchitectures.has(architecture)) return
  if (heads === undefined || heads.every(count => count === 0))
    throw read.wrong('attention.head_count', 'a model with attention has one head at least')
  if (Math.max(...heads) > width) throw read.wrong('attention.head_count', `the model has a width of ${width}`)
}

function checkExperts(read: HparamReader, architecture: string, layers: number): void {
  const experts = read.optional('expert_count') ?? 0
  if (experts > maxExperts) throw read.wrong('expert_count', `${maxExperts} is the most`)
  // these name one expert where they mean none
  if (architecture.startsWith('hunyuan') && experts <= 1) return
  const used = Math.max(0, ...(read.perLayer('expert_used_count', layers) ?? []))
  const groups = read.optional('expert_group_count') ?? 0
  const usedGroups = read.optional('expert_group_used_count') ?? 0
  if (used > experts || (experts > 0 && used === 0))
    throw read.wrong('expert_used_count', `the model has ${experts} experts`)
  if (groups > 0 && groups >= experts) throw read.wrong('expert_group_count', `the model has ${experts} experts`)
  if (groups > 1 && (experts % groups !== 0 || usedGroups === 0 || usedGroups >= groups)) {
    throw read.wrong('expert_group_used_count', `the model has ${experts} experts in ${groups} groups`)
  }
}

function checkNumbers(read: HparamReader): void {
  for (const name of ['attention.layer_norm_epsilon', 'attention.layer_norm_rms_epsilon']) {
    const entry = read.entry(name)
    if (entry === undefined) continue
    if (entry.type !== 'float32' || !(Number(entry.value) >= 0 && Number(entry.value) < 1))
      throw read.wrong(name, 'a small positive float32 is needed')
  }
  const scaling = read.entry('rope.scaling.type')
  if (scaling !== undefined && !(scaling.type === 'string' && ropeScalings.has(scaling.value ?? ''))) {
    throw read.wrong('rope.scaling.type', `one of ${[...ropeScalings].join(', ')} is needed`)
  }
}
