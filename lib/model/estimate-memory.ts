import { cpus, freemem, totalmem } from 'node:os'
import * as v from 'valibot'
import { openAddon } from '../backend/open.js'
import { gpuOfProcess } from '../backend/process-gpu.js'
import { cacheLimits } from '../engine/cache-geometry.js'
import type { NativeDevice } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import type { ModelHeader } from '../gguf/check.js'
import { readModelHeader } from '../hub/model-header.js'
import { uncountedMemory } from '../memory/architectures.js'
import { deviceBytes, type MemoryParts, sumOfParts } from '../memory/device-bytes.js'
import { modelBytes } from '../memory/model-bytes.js'
import { check, type Schemas } from '../options/check.js'
import { integer } from '../options/kinds.js'
import {
  type ModelOptions,
  type ParsedModelOptions,
  type ParsedPolicyOptions,
  type PolicyOptions,
  parseSequenceOptions,
} from '../options/parse.js'
import { modelMemory, traitsOfHeader } from './model-memory.js'
import { parseModelOptions } from './parse-options.js'
import { placeModel } from './place-model.js'

/**
 * What `estimateMemory` takes: the options of `loadModel` and `createChat` that memory depends on, with the same
 * defaults.
 */
export interface MemoryEstimateOptions
  extends Pick<
      ModelOptions,
      | 'gpu'
      | 'gpuLayers'
      | 'libraries'
      | 'batchSize'
      | 'cacheTokens'
      | 'maxSequences'
      | 'kvType'
      | 'flashAttention'
      | 'signal'
    >,
    Pick<PolicyOptions, 'policy' | 'sinks' | 'window' | 'reanchorEvery'> {
  /**
   * Conversations that have a slot in the cache at once, 1 to `maxSequences`, all of these sizes. Others that are open
   * and idle are not counted. Default: 1.
   */
  chats?: number | undefined
}

/** What one memory has to hold. */
export interface DeviceNeed {
  /** `cpu`: the machine's own memory. `gpu`: that of the GPUs that the model goes to, all together. */
  readonly device: 'cpu' | 'gpu'
  /** The maker's name. */
  readonly name: string
  /** Bytes. */
  readonly needed: number
  /** Bytes that are free at the moment; undefined where the driver does not say. */
  readonly free: number | undefined
  /** Bytes that there are; undefined where the driver does not say. */
  readonly total: number | undefined
  /** How many of the model's layers are there, the output counted as one. */
  readonly layers: number
}

/** What a model takes, in bytes. */
export interface MemoryEstimate extends Readonly<MemoryParts> {
  /** All of it. */
  readonly total: number
  /** Tokens that the cache has room for, over all chats: sinks, window, a batch, and some to work with. */
  readonly cells: number
  /** What each chat keeps, in tokens; the dense policy has no sinks of its own. */
  readonly sinks: number
  readonly window: number
  readonly devices: readonly DeviceNeed[]
  /** Each device has as much free as is needed of it. */
  readonly fits: boolean
  /** What the figures leave out, and what goes where, in sentences. */
  readonly notes: readonly string[]
}

const onlyNames = v.unknown() as never

const schemas: Schemas<MemoryEstimateOptions> = {
  gpu: onlyNames,
  gpuLayers: onlyNames,
  libraries: onlyNames,
  batchSize: onlyNames,
  cacheTokens: onlyNames,
  maxSequences: onlyNames,
  kvType: onlyNames,
  flashAttention: onlyNames,
  signal: onlyNames,
  policy: onlyNames,
  sinks: onlyNames,
  window: onlyNames,
  reanchorEvery: onlyNames,
  chats: integer(1, 64),
}

/**
 * What a model would take, before it is loaded. Only its header is read; of a model of Hugging Face that is not in the
 * cache only the header is fetched, some megabytes. With `gpu` other than false, back ends are tried as `loadModel`
 * does it, to learn what is free there.
 *
 * How exact it is, compared with what llama.cpp v0.4.0 allocates on the CPU (17 models, of SmolLM2-135M and 16
 * tiny families, each in 8 settings): weights, cache, states and the number of cells are right to the byte. The memory
 * for computing is an estimate, from 6 % too little to 15 % too much, half of them within 4 %, and SmolLM2-135M within
 * 6 %. On a GPU, with mixtures of experts and with wide models that estimate was not measured. `tables` is a rule of
 * thumb. Not counted are other memory of the process (Node itself has some 60 MB) and what a driver keeps for itself.
 * Nor is the copy of the cache that is there for a moment when another chat is opened.
 *
 * @throws {StreamingLLMError} UNKNOWN_OPTION, INVALID_OPTION, WINDOW_TOO_LARGE, NO_SEQUENCE_LEFT for more chats than
 * `maxSequences` or `cacheTokens` allow, MODEL_NOT_FOUND, DOWNLOAD_FAILED, NOT_A_GGUF, GGUF_TRUNCATED, GGUF_MALFORMED,
 * MODEL_UNSUPPORTED; with a GPU also ADDON_NOT_FOUND, LIBRARY_NOT_FOUND, LIBRARY_MISMATCH, GPU_UNAVAILABLE. Rejects
 * with `signal.reason` when aborted.
 */
export async function estimateMemory(reference: string, options: MemoryEstimateOptions = {}): Promise<MemoryEstimate> {
  const { model, policy, chats } = parseEstimateOptions(options)
  const { signal } = model
  const { header } = await readModelHeader(reference, { signal })
  return estimateOf(header, { model, policy, chats }, await gpusFor(model))
}

export interface EstimateRequest {
  model: ParsedModelOptions
  policy: ParsedPolicyOptions
  chats: number
}

export function parseEstimateOptions(given: MemoryEstimateOptions): EstimateRequest {
  const call = 'estimateMemory'
  const {
    chats = 1,
    policy,
    sinks,
    window,
    reanchorEvery,
    ...model
  } = check<MemoryEstimateOptions>(call, given, schemas)
  return {
    model: parseModelOptions(model, call),
    policy: parseSequenceOptions({ policy, sinks, window, reanchorEvery }, call),
    chats,
  }
}

async function gpusFor({
  gpu,
  libraries: wanted,
  signal,
}: ParsedModelOptions): Promise<{ devices: NativeDevice[]; notices: string[] }> {
  if (gpu === false) return { devices: [], notices: [] }
  const { addon, libraries } = openAddon(wanted)
  return await gpuOfProcess(gpu, addon, libraries, signal)
}

/** The estimate itself, of a header and the GPUs that there are. */
export function estimateOf(
  header: ModelHeader,
  { model, policy, chats }: EstimateRequest,
  gpus: { devices: NativeDevice[]; notices: string[] },
  processor: Omit<DeviceNeed, 'needed' | 'layers'> = ownMemory(),
): MemoryEstimate {
  const memory = modelMemory(traitsOfHeader(header), header)
  const { batchSize, cacheTokens, maxSequences } = model
  const limits = cacheLimits(policy, { trainedLength: header.contextLength, batchSize, cacheTokens, memory })
  if (chats > maxSequences)
    throw new StreamingLLMError(
      'NO_SEQUENCE_LEFT',
      `estimateMemory: ${chats} chats are more than the ${maxSequences} of maxSequences, which have a slot in the cache at a time`,
      { details: { chats, maxSequences } },
    )
  const bytes = modelBytes(header, { options: model, limits, chats })
  const needed = modelBytes(header, { options: { ...model, cacheTokens: undefined }, limits, chats }).cells
  if (cacheTokens !== undefined && needed > bytes.cells) {
    throw new StreamingLLMError(
      'NO_SEQUENCE_LEFT',
      `estimateMemory: ${chats} chats of ${limits.sinks + limits.window} tokens need a cache of ${needed} tokens, and cacheTokens is ${cacheTokens}`,
      { details: { chats, needed, cacheTokens } },
    )
  }
  const { gpuLayers, notices } = placeModel(header, model, gpus)
  const { processor: here, gpu: there } = deviceBytes(bytes, gpuLayers)
  const devices: DeviceNeed[] = [
    { ...processor, needed: Math.ceil(sumOfParts(here)), layers: header.weightBytes.layers.length + 1 - gpuLayers },
  ]
  if (gpuLayers > 0)
    devices.push({ ...memoryOf(gpus.devices), needed: Math.ceil(sumOfParts(there)), layers: gpuLayers })
  const part = (name: keyof MemoryParts): number => Math.ceil(here[name] + there[name])
  const parts = {
    weights: part('weights'),
    cache: part('cache'),
    state: part('state'),
    compute: part('compute'),
    tables: part('tables'),
  }
  const left = uncountedMemory[header.architecture]
  return {
    ...parts,
    total: sumOfParts(parts),
    cells: bytes.cells,
    sinks: limits.sinks,
    window: limits.window,
    devices,
    fits: devices.every(({ needed: bytesNeeded, free }) => free === undefined || bytesNeeded <= free),
    notes: [
      ...(left === undefined ? [] : [`llama.cpp keeps more for ${header.architecture} than is counted here: ${left}.`]),
      ...notices,
    ],
  }
}

/** What this process may have: less than the machine has where it runs in a container. */
function ownMemory(): Omit<DeviceNeed, 'needed' | 'layers'> {
  const limit = process.constrainedMemory?.() ?? 0
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  return {
    device: 'cpu',
    name: cpus()[0]?.model.trim() || process.arch,
    free: Math.min(process.availableMemory?.() ?? freemem(), total),
    total,
  }
}

function memoryOf(devices: readonly NativeDevice[]): Omit<DeviceNeed, 'needed' | 'layers'> {
  const sum = (what: 'memoryFree' | 'memoryTotal'): number => devices.reduce((total, device) => total + device[what], 0)
  const total = sum('memoryTotal')
  return {
    device: 'gpu',
    name: devices.map(({ description }) => description).join(', '),
    free: total === 0 ? undefined : sum('memoryFree'),
    total: total === 0 ? undefined : total,
  }
}
