import type { NativeAddon, NativeDevice } from '../engine/native.js'
import { fromNative, StreamingLLMError } from '../errors.js'
import { throwIfAborted, untilAborted } from '../util/abort.js'
import { chooseGpu, type GpuChoice, gpuEnvironment } from './choose.js'
import type { GpuKind } from './gpu-backends.js'
import type { SelectedLibraries } from './select.js'

/** What is in this process already: a back end stays once it is loaded. */
const loaded = new Map<string, Promise<GpuChoice>>()

/**
 * The GPU that models of this process run on, loaded; tried in a child process before, at the first call for each wish.
 *
 * @throws {StreamingLLMError} GPU_UNAVAILABLE for a kind that is asked for by name
 * @throws `signal.reason` when aborted
 */
export async function gpuOfProcess(
  wanted: 'auto' | GpuKind,
  addon: NativeAddon,
  libraries: SelectedLibraries,
  signal?: AbortSignal,
): Promise<GpuChoice> {
  throwIfAborted(signal)
  const choosing = loaded.get(wanted) ?? choose(wanted, addon, libraries)
  if (!loaded.has(wanted)) {
    loaded.set(wanted, choosing)
    choosing.catch(() => loaded.delete(wanted)) // what failed may go better the next time
  }
  // Others may wait for it as well, so it goes on where one gives up.
  return await untilAborted(choosing, signal)
}

async function choose(wanted: 'auto' | GpuKind, addon: NativeAddon, libraries: SelectedLibraries): Promise<GpuChoice> {
  const choice = await chooseGpu(wanted, gpuEnvironment(libraries))
  if (choice.backend === undefined) return choice
  try {
    return { ...choice, devices: load(addon, choice.backend.file, choice.devices) }
  } catch (error) {
    const failure = fromNative(error)
    if (wanted !== 'auto' || !StreamingLLMError.isInstance(failure)) throw failure
    return {
      devices: [],
      notices: [
        `The CPU is used, since ${choice.backend.kind} worked in a child process and does not in this one: ${failure.message}`,
      ],
    }
  }
}

function load(addon: NativeAddon, file: string, tried: readonly NativeDevice[]): NativeDevice[] {
  const wanted = new Set(tried.map(({ name }) => name))
  const devices = (): NativeDevice[] => addon.devices().filter(({ name }) => wanted.has(name))
  if (devices().length === 0) addon.loadBackend(file)
  return devices()
}
