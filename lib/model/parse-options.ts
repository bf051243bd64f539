import { defaultBatchSize, minCacheTokens } from '../engine/cache-constants.js'
import { check, checkObject, describe, invalid, reading } from '../options/check.js'
import { defaultThreads, type ParsedModelOptions } from '../options/parse.js'
import { loraSchemas, maxLoras, modelSchemas, optionsOfCalls } from '../options/schemas.js'
import type { AdapterOptions } from '../options/types.js'

/** What was passed to `loadModel`. */
export function parseModelOptions(given: unknown, call = 'loadModel'): ParsedModelOptions {
  const {
    flashAttention: flash = 'auto',
    gpu = 'auto',
    adapters,
    ...options
  } = check(call, given, modelSchemas, optionsOfCalls)
  const flashAttention = typeof flash === 'boolean' ? (flash ? 'on' : 'off') : flash
  const kvType = options.kvType ?? 'f16'
  if (kvType.startsWith('q') && flashAttention === 'off') {
    throw invalid(call, 'kvType', `'kvType' ${describe(kvType)} needs flash attention, and 'flashAttention' is off`)
  }
  const min = minCacheTokens(options.batchSize)
  if (options.cacheTokens !== undefined && options.cacheTokens < min) {
    const expected = `at least ${min}`
    throw invalid(
      call,
      'cacheTokens',
      `'cacheTokens' must be ${expected}, which a window of 1 token takes with a 'batchSize' of ${options.batchSize ?? defaultBatchSize}, got ${describe(options.cacheTokens)}`,
      expected,
    )
  }
  if (options.unloadAfter !== undefined && options.rpc !== undefined) {
    throw invalid(
      call,
      'unloadAfter',
      "'unloadAfter' cannot be used with 'rpc': a server that is gone when the model is loaded again would end this process",
    )
  }
  return {
    threads: defaultThreads(),
    threadsMayChange: options.threads === undefined,
    batchSize: defaultBatchSize,
    maxSequences: 8,
    whenFull: 'wait',
    swap: 'memory',
    mmap: true,
    probe: false,
    gpuLayers: 'auto',
    ...options,
    gpu,
    kvType,
    flashAttention,
    adapters: adapters === undefined ? [] : readLoras(call, adapters),
  }
}

function readLoras(call: string, given: unknown): AdapterOptions[] {
  return reading(call, 'adapters', () => readEachLora(call, given))
}

function readEachLora(call: string, given: unknown): AdapterOptions[] {
  const expected = `an array of at most ${maxLoras} { path, scale }`
  if (!Array.isArray(given) || given.length > maxLoras)
    throw invalid(call, 'adapters', `'adapters' must be ${expected}, got ${describe(given)}`, expected)
  return Array.from(given, (lora, index) => {
    const where = `adapters[${index}]`
    const read = checkObject(call, where, lora, loraSchemas)
    if (read.path === undefined)
      throw invalid(
        call,
        `${where}.path`,
        `'${where}.path' must be a string that is not empty, got undefined`,
        'a string that is not empty',
      )
    return read
  })
}
