import type { GpuChoice } from '../backend/choose.js'
import { layersThatFit } from '../backend/fit-layers.js'
import { maxDefaultTokens } from '../engine/cache-constants.js'
import type { NativeDevice, NativeModel } from '../engine/native.js'
import type { ModelHeader } from '../gguf/check.js'
import { bytesPerCachedValue } from '../memory/cache-bytes.js'
import type { ParsedModelOptions } from '../options/parse.js'

/** What a model runs on. */
export interface ModelDevice {
  /** ggml's name of what computes: `CPU`, `CUDA`, `Vulkan`, `MTL` (Metal), `RPC`. */
  backend: string
  /** The maker's name of the device; of several, all of them. */
  name: string
  /**
   * Bytes that the device had when the model was about to be loaded; of several, the sum. 0 where the driver does not
   * say.
   */
  memory: { free: number; total: number }
  /** How many of the model's layers are on it, the output counted as one; the CPU computes the others. */
  layers: { offloaded: number; total: number }
}

/** Where the parts of a model are to go. */
export interface Placement {
  /** GPUs of this machine, by ggml's names. */
  devices: string[]
  /** The output counted as one. */
  gpuLayers: number
  /** What people should know. */
  notices: string[]
}

/**
 * As many layers as are asked for, or as fit. Servers take what they are given: their free memory is not known here.
 *
 * @param loraBytes what goes to the devices besides, at most
 */
export function placeModel(
  header: ModelHeader,
  options: ParsedModelOptions,
  { devices, notices }: Pick<GpuChoice, 'devices' | 'notices'>,
  loraBytes = 0,
): Placement {
  const names = devices.map(({ name }) => name)
  const total = layerCount(header)
  if (options.rpc !== undefined)
    return {
      devices: names,
      notices,
      gpuLayers: options.gpuLayers === 'auto' ? total : Math.min(options.gpuLayers, total),
    }
  if (devices.length === 0) return { devices: [], notices, gpuLayers: 0 }
  if (options.gpuLayers !== 'auto') return { devices: names, notices, gpuLayers: Math.min(options.gpuLayers, total) }
  const free = sumOf(devices, 'memoryFree')
  if (free === 0) return { devices: names, notices, gpuLayers: total }
  const cells = options.cacheTokens ?? Math.min(header.contextLength, maxDefaultTokens) + options.batchSize
  const fitting = layersThatFit(
    header,
    { cells, bytesPerValue: bytesPerCachedValue[options.kvType], batchSize: options.batchSize },
    free - loraBytes,
  )
  const short = `${fitting} of ${total} layers fit into the ${Math.round(free / 1e6)} MB that are free on ${nameOf(devices)}; the CPU computes the others.`
  return { devices: names, gpuLayers: fitting, notices: fitting < total ? [...notices, short] : notices }
}

/** Loads the model; where it turns out not to fit, `'auto'` halves what goes to the GPU until it does, and says so. */
export async function loadPlaced(
  placement: Placement,
  automatic: boolean,
  load: (placement: Placement) => Promise<NativeModel>,
): Promise<{ loaded: NativeModel; placement: Placement }> {
  for (let next = placement; ; ) {
    try {
      return { loaded: await load(next), placement: next }
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string }
      if (
        !automatic ||
        next.gpuLayers === 0 ||
        code !== 'MODEL_LOAD_FAILED' ||
        !/alloc|memory|buffer/i.test(message ?? '')
      )
        throw error
      const gpuLayers = Math.floor(next.gpuLayers / 2)
      next = {
        ...next,
        gpuLayers,
        notices: [
          ...next.notices,
          `With ${next.gpuLayers} layers the model did not fit into the GPU's memory; ${gpuLayers} are tried.`,
        ],
      }
    }
  }
}

/** @param devices all of this process; the CPU is the first */
export function modelDevice(
  header: ModelHeader,
  { rpc }: ParsedModelOptions,
  placement: Placement,
  devices: readonly NativeDevice[],
): ModelDevice {
  const layers = { offloaded: placement.gpuLayers, total: layerCount(header) }
  const used = devices.filter(({ name }) => placement.devices.includes(name))
  if (rpc !== undefined)
    return {
      backend: 'RPC',
      name: [...rpc, ...used.map(({ description }) => description)].join(', '),
      memory: { free: 0, total: 0 },
      layers,
    }
  const those = placement.gpuLayers > 0 ? used : devices.filter(({ type }) => type === 'cpu').slice(0, 1)
  return {
    backend: those[0]?.backend ?? 'CPU',
    name: nameOf(those),
    memory: { free: sumOf(those, 'memoryFree'), total: sumOf(those, 'memoryTotal') },
    layers,
  }
}

function layerCount({ weightBytes }: ModelHeader): number {
  return weightBytes.layers.length + 1
}

function nameOf(devices: readonly NativeDevice[]): string {
  return devices.map(({ description }) => description).join(', ')
}

function sumOf(devices: readonly NativeDevice[], what: 'memoryFree' | 'memoryTotal'): number {
  return devices.reduce((sum, device) => sum + device[what], 0)
}
