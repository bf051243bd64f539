import type { NativeDevice } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import { type GpuBackend, type GpuKind, gpuBackends, gpuPackage } from './gpu-backends.js'
import { gpuHardware, type Hardware } from './hardware.js'
import type { SelectedLibraries } from './select.js'
import type { Trial } from './trial.js'
import { trialOf } from './trial-cache.js'

/** What a model is to run on. */
export interface GpuChoice {
  /** Undefined: the CPU. */
  backend?: GpuBackend
  /** The devices of the back end that compute. */
  devices: NativeDevice[]
  /** What people should know: why a GPU that is there is not used. */
  notices: string[]
}

/** What the choice depends on; for tests, and for `doctor`, which tries everything again. */
export interface GpuEnvironment {
  backends: GpuBackend[]
  hardware: Hardware[]
  platform: { platform: string; arch: string }
  /** The libraries are the package's own, beside which back ends come as packages, too. */
  packaged: boolean
  trial: (backend: GpuBackend) => Promise<Trial>
}

export function gpuEnvironment(libraries: SelectedLibraries, options: { fresh?: boolean } = {}): GpuEnvironment {
  return {
    backends: gpuBackends(libraries),
    hardware: gpuHardware(),
    platform: process,
    packaged: libraries.packaged ?? false,
    trial: backend => trialOf(libraries, backend, options),
  }
}

/**
 * The best back end that works, as a trial in a child process tells. `'auto'` falls back to the CPU, and says why
 * where there is a GPU; a kind that is asked for by name is needed.
 *
 * @throws {StreamingLLMError} GPU_UNAVAILABLE with the reason, and the command that mends it where there is one
 */
export async function chooseGpu(
  wanted: 'auto' | GpuKind,
  { backends, hardware, platform, packaged, trial }: GpuEnvironment,
): Promise<GpuChoice> {
  const candidates = backends.filter(({ kind }) => wanted === 'auto' || kind === wanted)
  const reasons: string[] = []
  for (const backend of candidates) {
    const { works, reason, devices } = await trial(backend)
    if (works) return { backend, devices: best(devices), notices: [] }
    reasons.push(`${backend.kind} (${backend.packageName ?? backend.file}): ${reason}`)
  }
  if (wanted !== 'auto') throw unavailable(wanted, reasons, { platform, packaged })
  if (reasons.length > 0)
    return {
      devices: [],
      notices: [
        `The CPU is used, since no GPU back end works:\n${reasons.map(each => `- ${each}`).join('\n')}\nnpx streaming-llm doctor says more; gpu: false silences this.`,
      ],
    }
  return { devices: [], notices: unusedHardware(hardware, { platform, packaged }) }
}

/** Integrated devices share the CPU's memory, and are worth it only where there is nothing else. */
function best(devices: NativeDevice[]): NativeDevice[] {
  const own = devices.filter(({ type }) => type === 'gpu')
  return own.length > 0 ? own : devices
}

/** Intel's are integrated as a rule, and the CPU beside them is as fast. */
function unusedHardware(hardware: Hardware[], here: Pick<GpuEnvironment, 'platform' | 'packaged'>): string[] {
  return hardware.flatMap(({ maker }) => {
    const kind = maker === 'NVIDIA' ? 'cuda' : maker === 'AMD' ? 'vulkan' : undefined
    const command = kind === undefined ? undefined : commandFor(kind, here)
    return command === undefined
      ? []
      : [`There is a GPU of ${maker} that is not used. To use it: ${command} (gpu: false silences this).`]
  })
}

/** What brings a back end: a package beside the package's own libraries, a build beside those that were built. */
export function commandFor(
  kind: GpuKind,
  { platform, packaged }: Pick<GpuEnvironment, 'platform' | 'packaged'>,
): string | undefined {
  const onMac = platform.platform === 'darwin'
  if ((kind === 'metal' && !onMac) || (kind === 'cuda' && onMac)) return undefined
  return (packaged ? gpuPackage(kind, platform)?.install : undefined) ?? `npx streaming-llm build --${kind}`
}

function unavailable(
  kind: GpuKind,
  reasons: string[],
  here: Pick<GpuEnvironment, 'platform' | 'packaged'>,
): StreamingLLMError {
  const { platform, arch } = here.platform
  const command = commandFor(kind, here)
  const message =
    reasons.length > 0
      ? `gpu: '${kind}' does not work here:\n${reasons.map(each => `- ${each}`).join('\n')}\n${cure(kind)}`
      : command === undefined
        ? `gpu: '${kind}' is not for ${platform}-${arch}, but for ${kind === 'metal' ? 'Macs with Apple silicon' : 'NVIDIA GPUs on Linux and Windows'}.`
        : `gpu: '${kind}' is not there; run: ${command}`
  return new StreamingLLMError('GPU_UNAVAILABLE', message, {
    details: { gpu: kind, reasons, ...(command === undefined ? {} : { install: command }) },
  })
}

function cure(kind: GpuKind): string {
  if (kind === 'cuda')
    return "It needs an NVIDIA driver for CUDA 13 and its runtime libraries (cudart, cublas): see the NVIDIA driver and the CUDA toolkit, or use gpu: 'vulkan', which needs a driver alone."
  if (kind === 'vulkan')
    return "It needs a Vulkan driver and its loader; on Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers, or the maker's driver."
  return 'See npx streaming-llm doctor.'
}
