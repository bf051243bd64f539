import { openAddon } from '../backend/open.js'
import { gpuOfProcess } from '../backend/process-gpu.js'
import { checkRpcServers, holdRpcServers, needRpcLibrary } from '../backend/rpc.js'
import type { NativeLoadOptions, NativeModel, NativeModelInfo } from '../engine/native.js'
import { fromNative, StreamingLLMError } from '../errors.js'
import { checkModelFile } from '../gguf/check.js'
import { resolveModel } from '../hub/resolve-model.js'
import type { ModelOptions } from '../options/parse.js'
import { onAbort, throwIfAborted } from '../util/abort.js'
import { probeModel } from './load-in-child.js'
import { findAdapters } from './lora.js'
import { Model } from './model.js'
import { parseModelOptions } from './parse-options.js'
import { loadPlaced, modelDevice, type Placement, placeModel } from './place-model.js'
import { makeSwapFolder, removeSwapFolder } from './swap-folder.js'

/**
 * Loads a model: a path to a GGUF file, `hf:owner/repo[@revision]/file.gguf` or `hf:owner/repo[@revision]:QUANT`.
 * The file is checked before llama.cpp sees it; the event loop stays free meanwhile.
 *
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, NOT_A_GGUF, GGUF_TRUNCATED, GGUF_MALFORMED, MODEL_UNSUPPORTED (an
 * encoder, a projector, a diffusion model), MODEL_LOAD_FAILED, ADAPTER_INVALID, DOWNLOAD_FAILED, CHECKSUM_MISMATCH, UNKNOWN_OPTION,
 * INVALID_OPTION, ADDON_NOT_FOUND, LIBRARY_NOT_FOUND, LIBRARY_MISMATCH, GPU_UNAVAILABLE, RPC_UNAVAILABLE. Rejects with
 * `signal.reason` when aborted.
 */
export async function loadModel(reference: string, options: ModelOptions = {}): Promise<Model> {
  const parsed = parseModelOptions(options)
  if (typeof reference !== 'string')
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `loadModel: the model must be a path or an hf: reference, got ${typeof reference}`,
    )
  const { signal, onProgress, onLog, sha256 } = parsed
  throwIfAborted(signal)
  const path = await resolveModel(reference, { signal, onProgress, sha256 })
  const header = await checkModelFile(path)
  throwIfAborted(signal)
  const adapters = await findAdapters(parsed.adapters, header, { signal, onProgress })
  const { addon, libraries } = openAddon(parsed.libraries)
  if (onLog !== undefined)
    addon.setLog((level, text) => onLog({ level: logLevels[level] ?? 'info', text: text.trimEnd() }))
  const gpu =
    parsed.gpu === false ? { devices: [], notices: [] } : await gpuOfProcess(parsed.gpu, addon, libraries, signal)
  const { rpc = [] } = parsed
  const servers = rpc.length > 0 ? { rpc, rpcLibrary: needRpcLibrary(libraries) } : {}
  await checkRpcServers(rpc, libraries.release, { signal })
  let swapFolder: string | undefined
  const optionsFor = ({ devices, gpuLayers }: Placement): NativeLoadOptions => ({
    devices,
    gpuLayers,
    mmap: parsed.mmap,
    ...servers,
    adapters: adapters.map(({ path, scale }) => ({ path, scale })),
    // On a GPU the time that decoding takes here is that of handing it over.
    threads: parsed.threads,
    threadsMayChange: parsed.threadsMayChange && gpuLayers === 0,
    batchSize: parsed.batchSize,
    cacheTokens: parsed.cacheTokens ?? 0,
    maxSequences: parsed.maxSequences,
    waits: parsed.whenFull === 'wait',
    swapFolder,
    unloadAfter: parsed.unloadAfter,
    kvType: parsed.kvType,
    flashAttention: parsed.flashAttention,
  })
  const planned = placeModel(
    header,
    parsed,
    gpu,
    adapters.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  )
  const { sizeBytes } = header
  if (parsed.probe)
    await probeModel(libraries, path, optionsFor(planned), { signal, backend: gpu.backend?.file, sizeBytes })
  if (parsed.swap === 'disk') swapFolder = await makeSwapFolder()
  const letGoServers = holdRpcServers(rpc)
  const letGo = () => {
    letGoServers()
    if (swapFolder !== undefined) removeSwapFolder(swapFolder)
  }
  let loaded: NativeModel
  let placement: Placement
  const devicesBefore = addon.devices()
  try {
    ;({ loaded, placement } = await loadPlaced(planned, parsed.gpuLayers === 'auto', async next => {
      const loading = addon.load(path, optionsFor(next), done => onProgress?.({ stage: 'read', share: done }))
      const unlink = onAbort(signal, () => loading.abort())
      try {
        return await loading.promise
      } finally {
        unlink()
      }
    }))
  } catch (error) {
    letGo()
    throwIfAborted(signal)
    throw fromNative(error)
  }
  const close = (): Promise<void> => loaded.close().finally(letGo)
  if (signal?.aborted) {
    await close()
    throwIfAborted(signal)
  }
  const refusal = cannotGenerate(loaded.info)
  if (refusal !== undefined) {
    await close()
    throw new StreamingLLMError(
      'MODEL_UNSUPPORTED',
      `${path} is ${refusal}; a model that generates text from left to right is needed`,
      { details: { path, architecture: header.architecture } },
    )
  }
  try {
    return new Model(
      loaded,
      header,
      parsed,
      {
        device: modelDevice(header, parsed, placement, devicesBefore),
        notices: [...placement.notices, ...adapters.flatMap(({ notices }) => notices)],
        release: libraries.release,
        adapters,
      },
      close,
    )
  } catch (error) {
    await close()
    throw error
  }
}

const logLevels: Record<number, 'debug' | 'info' | 'warn' | 'error'> = { 1: 'debug', 2: 'info', 3: 'warn', 4: 'error' }

function cannotGenerate({ isDiffusion, hasEncoder, hasDecoder }: NativeModelInfo): string | undefined {
  if (isDiffusion) return 'a diffusion model'
  if (!hasDecoder) return 'an encoder or embedding model'
  if (hasEncoder) return 'an encoder-decoder model'
  return undefined
}
