import { openAddon } from '../backend/open.js'
import { gpuOfProcess } from '../backend/process-gpu.js'
import { checkRpcServers, holdRpcServers, needRpcLibrary } from '../backend/rpc.js'
import type { NativeAddon, NativeLoadOptions, NativeModel, NativeModelInfo } from '../engine/native.js'
import { fromNative, StreamingLLMError } from '../errors.js'
import { checkModelFile, type ModelHeader } from '../gguf/check.js'
import { resolveModel } from '../hub/resolve-model.js'
import type { ModelOptions, ParsedModelOptions } from '../options/parse.js'
import { abortable, throwIfAborted } from '../util/abort.js'
import { acquiring, type ReleaseStack } from '../util/release-stack.js'
import { probeModel } from './load-in-child.js'
import { type FoundLora, findLoras } from './lora.js'
import { Model } from './model.js'
import { parseModelOptions } from './parse-options.js'
import { loadPlaced, modelDevice, type Placement, placeModel } from './place-model.js'
import { makeSwapFolder, removeSwapFolder } from './swap-folder.js'

/**
 * Loads a model: a path to a GGUF file, `hf:owner/repo[@revision]/file.gguf` or `hf:owner/repo[@revision]:QUANT`.
 * The file is checked before llama.cpp sees it; the event loop stays free meanwhile.
 *
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, NOT_A_GGUF, GGUF_TRUNCATED, GGUF_MALFORMED, MODEL_UNSUPPORTED (an
 * encoder, a projector, a diffusion model), MODEL_LOAD_FAILED, ADAPTER_INVALID, DOWNLOAD_FAILED, CHECKSUM_MISMATCH,
 * UNKNOWN_OPTION, INVALID_OPTION, ADDON_NOT_FOUND, LIBRARY_NOT_FOUND, LIBRARY_MISMATCH, GPU_UNAVAILABLE,
 * RPC_UNAVAILABLE. Rejects with `signal.reason` when aborted.
 */
export async function loadModel(reference: string, options: ModelOptions = {}): Promise<Model> {
  const request = await readRequest(reference, options)
  const files = await checkFiles(request)
  const plan = await chooseBackend(request, files)
  return await acquiring(held => makeModel(request, files, plan, held))
}

/** What is asked for. */
interface ModelRequest {
  options: ParsedModelOptions
  /** Where the model's file is on this machine. */
  path: string
}

/** What the files say. */
interface CheckedFiles {
  header: ModelHeader
  loras: FoundLora[]
}

/** What the model is to run on. */
interface LoadPlan {
  addon: NativeAddon
  /** llama.cpp's own. */
  release: string
  placement: Placement
  /** What llama.cpp is told, all but where the parts go. */
  settings: Omit<NativeLoadOptions, 'devices' | 'gpuLayers'>
}

/** First stage: reads the options, and finds the file or downloads it. */
async function readRequest(reference: string, given: ModelOptions): Promise<ModelRequest> {
  const options = parseModelOptions(given)
  if (typeof reference !== 'string')
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `loadModel: the model must be a path or an hf: reference, got ${typeof reference}`,
    )
  const { signal, onProgress, sha256 } = options
  throwIfAborted(signal)
  return { options, path: await resolveModel(reference, { signal, onProgress, sha256 }) }
}

/** Second stage: reads and checks the model's header, then those of the adapters against it. */
async function checkFiles({ options, path }: ModelRequest): Promise<CheckedFiles> {
  const { signal, onProgress } = options
  const header = await checkModelFile(path)
  throwIfAborted(signal)
  return { header, loras: await findLoras(options.adapters, header, { signal, onProgress }) }
}

/**
 * Third stage: opens the addon, chooses the back end and what goes where, and tries that in a child process if asked
 * to.
 */
async function chooseBackend({ options, path }: ModelRequest, { header, loras }: CheckedFiles): Promise<LoadPlan> {
  const { signal, onLog, rpc = [] } = options
  const { addon, libraries } = openAddon(options.libraries)
  if (onLog !== undefined)
    addon.setLog((level, text) => onLog({ level: logLevels[level] ?? 'info', text: text.trimEnd() }))
  const gpu =
    options.gpu === false ? { devices: [], notices: [] } : await gpuOfProcess(options.gpu, addon, libraries, signal)
  const servers = rpc.length > 0 ? { rpc, rpcLibrary: needRpcLibrary(libraries) } : {}
  await checkRpcServers(rpc, libraries.release, { signal })
  const loraBytes = loras.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const placement = placeModel(header, options, gpu, loraBytes)
  const settings = {
    mmap: options.mmap,
    ...servers,
    adapters: loras.map(({ path, scale }) => ({ path, scale })),
    threads: options.threads,
    threadsMayChange: options.threadsMayChange,
    batchSize: options.batchSize,
    cacheTokens: options.cacheTokens ?? 0,
    maxSequences: options.maxSequences,
    waits: options.whenFull === 'wait',
    unloadAfter: options.unloadAfter,
    kvType: options.kvType,
    flashAttention: options.flashAttention,
  }
  if (options.probe)
    await probeModel(libraries, path, placed(settings, placement), {
      signal,
      backend: gpu.backend?.file,
      sizeBytes: header.sizeBytes,
    })
  return { addon, release: libraries.release, placement, settings }
}

/** Fourth stage: acquires what the model owns while it is open, and makes it. Closing it releases them all. */
async function makeModel(
  request: ModelRequest,
  { header, loras }: CheckedFiles,
  plan: LoadPlan,
  held: ReleaseStack,
): Promise<Model> {
  const { options, path } = request
  let { settings } = plan
  if (options.swap === 'disk') {
    const swapFolder = await makeSwapFolder()
    held.add(() => removeSwapFolder(swapFolder))
    settings = { ...settings, swapFolder }
  }
  held.add(holdRpcServers(options.rpc ?? []))
  const devicesBefore = plan.addon.devices()
  const { loaded, placement } = await readWeights(request, { ...plan, settings })
  held.add(() => loaded.close())
  throwIfAborted(options.signal)
  const refusal = cannotGenerate(loaded.info)
  if (refusal !== undefined)
    throw new StreamingLLMError(
      'MODEL_UNSUPPORTED',
      `${path} is ${refusal}; a model that generates text from left to right is needed`,
      { details: { path, architecture: header.architecture } },
    )
  return new Model(
    loaded,
    header,
    options,
    {
      device: modelDevice(header, options, placement, devicesBefore),
      notices: [...placement.notices, ...loras.flatMap(({ notices }) => notices)],
      release: plan.release,
      loras,
    },
    () => held.release(),
  )
}

/** llama.cpp reads the weights, where `'auto'` finds too little memory with fewer of them on the GPU than planned. */
async function readWeights(
  { options, path }: ModelRequest,
  { addon, placement, settings }: LoadPlan,
): Promise<{ loaded: NativeModel; placement: Placement }> {
  const { signal, onProgress } = options
  try {
    return await loadPlaced(placement, options.gpuLayers === 'auto', next =>
      abortable(signal, whenAborted => {
        const loading = addon.load(path, placed(settings, next), done => onProgress?.({ stage: 'read', share: done }))
        whenAborted(() => loading.abort())
        return loading.promise
      }),
    )
  } catch (error) {
    throwIfAborted(signal)
    throw fromNative(error)
  }
}

function placed(settings: LoadPlan['settings'], { devices, gpuLayers }: Placement): NativeLoadOptions {
  // On a GPU the time that decoding takes here is that of handing it over.
  return { ...settings, devices, gpuLayers, threadsMayChange: settings.threadsMayChange && gpuLayers === 0 }
}

const logLevels: Record<number, 'debug' | 'info' | 'warn' | 'error'> = { 1: 'debug', 2: 'info', 3: 'warn', 4: 'error' }

function cannotGenerate({ isDiffusion, hasEncoder, hasDecoder }: NativeModelInfo): string | undefined {
  if (isDiffusion) return 'a diffusion model'
  if (!hasDecoder) return 'an encoder or embedding model'
  if (hasEncoder) return 'an encoder-decoder model'
  return undefined
}
