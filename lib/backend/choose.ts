import { StreamingLLMError } from '../errors.js'
import type { NativeDevice } from '../native.js'
import { gpuBackends, gpuPackage, type GpuBackend, type GpuKind } from './gpu-backends.js'
import { gpuHardware, type Hardware } from './hardware.js'
import type { SelectedLibraries } from './select.js'
import type { Trial } from './trial.js'
import { trialOf } from './trial-cache.js'

/** What a model is to run on. */
export interface GpuChoice {
  /** Undefined: the processor. */
  backend?: GpuBackend
  /** The devices of the back end that compute. */
  devices: NativeDevice[]
  /** What people should know: why a GPU that is there is not used. */
  notices: string[]
}

/** What the choice depends on; for tests, and for `doctor`, which tries everything again. */
export interface Surroundings {
  backends: GpuBackend[]
  hardware: Hardware[]
  platform: { platform: string; arch: string }
  trial: (backend: GpuBackend) => Promise<Trial>
}

export function surroundings(libraries: SelectedLibraries, options: { fresh?: boolean } = {}): Surroundings {
  return { backends: gpuBackends(libraries), hardware: gpuHardware(), platform: process, trial: backend => trialOf(libraries, backend, options) }
}

/**
 * The best back end that works, as a trial in a child process tells. `'auto'` falls back to the processor, and says why
 * where there is a GPU; a kind that is asked for by name is needed.
 *
 * @throws {StreamingLLMError} GPU_UNAVAILABLE with the reason, and the command that mends it where there is one
 */
export async function chooseGpu(wanted: 'auto' | GpuKind, { backends, hardware, platform, trial }: Surroundings): Promise<GpuChoice> {
  const candidates = backends.filter(({ kind }) => wanted === 'auto' || kind === wanted)
  const reasons: string[] = []
  for (const backend of candidates) {
    const { works, reason, devices } = await trial(backend)
    if (works) return { backend, devices: best(devices), notices: [] }
    reasons.push(`${backend.kind} (${backend.packageName ?? backend.file}): ${reason}`)
  }
  if (wanted !== 'auto') throw unavailable(wanted, reasons, platform)
  if (reasons.length > 0) return { devices: [], notices: [`The processor is used, since no GPU back end works:\n${reasons.map(each => `- ${each}`).join('\n')}\nnpx streaming-llm doctor says more; gpu: false silences this.`] }
  return { devices: [], notices: unusedHardware(hardware, platform) }
}

/** Integrated devices share the processor's memory, and are worth it only where there is nothing else. */
function best(devices: NativeDevice[]): NativeDevice[] {
  const own = devices.filter(({ type }) => type === 'gpu')
  return own.length > 0 ? own : devices
}

/** Intel's are integrated as a rule, and the processor beside them is as fast. */
function unusedHardware(hardware: Hardware[], platform: Surroundings['platform']): string[] {
  return hardware.flatMap(({ maker }) => {
    const kind = maker === 'NVIDIA' ? 'cuda' : maker === 'AMD' ? 'vulkan' : undefined
    const known = kind === undefined ? undefined : gpuPackage(kind, platform)
    return known === undefined ? [] : [`There is a GPU of ${maker} that is not used. To use it: ${known.install} (gpu: false silences this).`]
  })
}

function unavailable(kind: GpuKind, reasons: string[], platform: Surroundings['platform']): StreamingLLMError {
  const known = gpuPackage(kind, platform)
  const message = reasons.length > 0
    ? `gpu: '${kind}' does not work here:\n${reasons.map(each => `- ${each}`).join('\n')}\n${cure(kind)}`
    : known !== undefined
      ? `gpu: '${kind}' needs a package that is not installed; run: ${known.install}`
      : `gpu: '${kind}' is not for ${platform.platform}-${platform.arch}${kind === 'metal' ? ', but for Macs with Apple silicon' : `; npx streaming-llm build --${kind} makes libraries for it`}.`
  return new StreamingLLMError('GPU_UNAVAILABLE', message, { details: { gpu: kind, reasons, ...(known === undefined ? {} : { install: known.install }) } })
}

function cure(kind: GpuKind): string {
  if (kind === 'cuda') return 'It needs an NVIDIA driver for CUDA 13 and its runtime libraries (cudart, cublas): see the NVIDIA driver and the CUDA toolkit, or use gpu: \'vulkan\', which needs a driver alone.'
  if (kind === 'vulkan') return 'It needs a Vulkan driver and its loader; on Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers, or the maker\'s driver.'
  return 'See npx streaming-llm doctor.'
}
