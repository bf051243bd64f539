import { defaultBatchSize, minCacheTokens } from '../engine/cache-constants.js'
import { check, checkObject, describe, invalid, reading } from '../options/check.js'
import { defaultThreads, type ParsedModelOptions } from '../options/parse.js'
import { adapterSchemas, modelSchemas, mostAdapters, optionsOfCalls } from '../options/schemas.js'
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
  const least = minCacheTokens(options.batchSize)
  if (options.cacheTokens !== undefined && options.cacheTokens < least) {
    const expected = `at least ${least}`
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
    adapters: adapters === undefined ? [] : readAdapters(call, adapters),
  }
}

function readAdapters(call: string, given: unknown): AdapterOptions[] {
  return reading(call, 'adapters', () => readEachAdapter(call, given))
}

function readEachAdapter(call: string, given: unknown): AdapterOptions[] {
  const expected = `an array of at most ${mostAdapters} { path, scale }`
  if (!Array.isArray(given) || given.length > mostAdapters)
    throw invalid(call, 'adapters', `'adapters' must be ${expected}, got ${describe(given)}`, expected)
  return Array.from(given, (adapter, index) => {
    const where = `adapters[${index}]`
    const read = checkObject(call, where, adapter, adapterSchemas)
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
