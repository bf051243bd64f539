import { StreamingLLMError } from '../errors.js'

/** What `streaming-llm build` builds. */
export interface BuildOptions {
  /** For NVIDIA's GPUs. Needs the CUDA toolkit. */
  cuda?: boolean
  /** For Apple's GPUs. On a Mac only. */
  metal?: boolean
  /** For GPUs of all makers. Needs Vulkan's headers and glslc. */
  vulkan?: boolean
  /** For models spread over several machines, with the server that the others run. */
  rpc?: boolean
  /**
   * For this machine's processor alone, with all that it can do. Default: for all processors, as the prebuilt libraries
   * are.
   */
  native?: boolean
  /** Definitions for cmake beside these, such as `CMAKE_CUDA_ARCHITECTURES=89`. */
  definitions?: string[]
}

const flags = ['cuda', 'metal', 'vulkan', 'rpc', 'native'] as const

/** The definitions that cmake gets for these options. */
export function cmakeDefinitions(options: BuildOptions): Record<string, string> {
  const onOrOff = (flag: boolean | undefined): string => (flag === true ? 'ON' : 'OFF')
  return {
    GGML_CUDA: onOrOff(options.cuda),
    GGML_METAL: onOrOff(options.metal),
    GGML_VULKAN: onOrOff(options.vulkan),
    GGML_RPC: onOrOff(options.rpc),
    STREAMING_LLM_NATIVE: onOrOff(options.native),
    ...Object.fromEntries((options.definitions ?? []).map(parseDefinition)),
  }
}

/**
 * The name of a build's folder, such as `v0.4.0-linux-x64-rpc-native`: what differs lies in different folders.
 * `source` is a release, a git tag, or `local` for a folder.
 */
export function buildName(
  source: string,
  options: BuildOptions,
  { platform, arch }: { platform: string; arch: string } = process,
): string {
  const chosen = flags.filter(flag => options[flag])
  return [source.replaceAll(/[^\w.]+/g, '_'), platform, arch, ...(chosen.length > 0 ? chosen : ['cpu'])].join('-')
}

/** @throws {StreamingLLMError} INVALID_OPTION for what cannot be built on this platform, or contradicts itself */
export function checkBuildOptions(
  options: BuildOptions & { source?: string; tag?: string; jobs?: number },
  platform: string = process.platform,
): void {
  const refuse = (message: string, details: Record<string, unknown>): never => {
    throw new StreamingLLMError('INVALID_OPTION', message, { details })
  }
  if (options.metal && platform !== 'darwin')
    refuse('--metal is for Macs only; use --cuda or --vulkan here.', { option: 'metal', platform })
  if (options.cuda && platform === 'darwin')
    refuse('--cuda is not for Macs, where Metal drives the GPU: use --metal.', { option: 'cuda', platform })
  if (options.source !== undefined && options.tag !== undefined)
    refuse('--source and --tag both say where llama.cpp comes from; give one of them.', { options: ['source', 'tag'] })
  if (options.tag !== undefined && !/^[\w][\w./-]*$/.test(options.tag))
    refuse(`--tag: '${options.tag}' cannot be the name of a git tag.`, { option: 'tag' })
  const { jobs } = options
  if (jobs !== undefined && (!Number.isSafeInteger(jobs) || jobs < 1))
    refuse(`--jobs must be a whole number of at least 1; it is ${jobs}.`, { option: 'jobs' })
  options.definitions?.forEach(parseDefinition)
}

function parseDefinition(text: string): [name: string, value: string] {
  const match = /^([A-Za-z_]\w*)=(.+)$/.exec(text)
  if (match === null)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `--define takes NAME=VALUE, as in CMAKE_CUDA_ARCHITECTURES=89; it is '${text}'.`,
      { details: { option: 'define' } },
    )
  return [match[1] as string, match[2] as string]
}
