import os from 'node:os'
import path from 'node:path'
import type { NativeDevice } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import { chooseGpu, commandFor, gpuEnvironment } from './choose.js'
import { type GpuKind, gpuKinds } from './gpu-backends.js'
import { openAddon } from './open.js'
import type { Trial } from './trial.js'

/** What `streaming-llm doctor` finds. */
export interface Examination {
  system: string
  /** Undefined where no libraries, or no addon, can be loaded: `failure` says why. */
  llama?: {
    release: string
    folder: string
    packaged: boolean
    processor: string
    backend: string
    threads: number
    memoryBytes: number
  }
  failure?: string
  /** The makers of the GPUs that the system shows. */
  gpus: string[]
  backends: ExaminedBackend[]
  /** What `gpu: 'auto'` would take: of which device, and why. */
  choice?: { kind: GpuKind | 'cpu'; name: string }
  notices: string[]
}

export interface ExaminedBackend {
  kind: GpuKind
  /** Not for this platform; not installed; installed, with how a trial came out. */
  state: 'foreign' | 'missing' | 'fails' | 'works'
  packageName?: string
  reason?: string
  devices: NativeDevice[]
  milliseconds?: number
  /** The command that brings it, where it is missing. */
  install?: string
}

/** Tries everything anew. Takes seconds where there are GPU back ends; each is tried in a process of its own. */
export async function examine(): Promise<Examination> {
  const system = `Node ${process.versions.node}, ${process.platform} ${process.arch}`
  const examination: Examination = { system, gpus: [], backends: [], notices: [] }
  try {
    const { addon, libraries, cpuBackend } = openAddon()
    const devices = addon.devices()
    examination.llama = {
      release: libraries.release,
      folder: libraries.backendDirectory,
      packaged: libraries.packaged ?? false,
      processor: devices[0]?.description ?? '?',
      backend: path.basename(cpuBackend),
      threads: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    }
    const here = gpuEnvironment(libraries, { fresh: true })
    const trials = new Map<unknown, Trial>()
    for (const backend of here.backends) trials.set(backend, await here.trial(backend))
    examination.gpus = here.hardware.map(({ maker }) => maker)
    examination.backends = gpuKinds.flatMap((kind): ExaminedBackend[] => {
      const found = here.backends.filter(backend => backend.kind === kind)
      if (found.length > 0) {
        return found.map(backend => {
          const { works, reason, devices, milliseconds } = trials.get(backend) as Trial
          return {
            kind,
            state: works ? 'works' : 'fails',
            packageName: backend.packageName,
            reason,
            devices,
            milliseconds,
          }
        })
      }
      const install = commandFor(kind, here)
      return [
        install === undefined
          ? { kind, state: 'foreign', devices: [] }
          : { kind, state: 'missing', install, devices: [] },
      ]
    })
    const {
      backend,
      devices: chosen,
      notices,
    } = await chooseGpu('auto', { ...here, trial: each => Promise.resolve(trials.get(each) as Trial) })
    examination.choice =
      backend === undefined
        ? { kind: 'cpu', name: examination.llama.processor }
        : { kind: backend.kind, name: chosen.map(({ description }) => description).join(', ') }
    examination.notices = notices
  } catch (error) {
    if (!StreamingLLMError.isInstance(error)) throw error
    examination.failure = `${error.code}: ${error.message}`
  }
  return examination
}
