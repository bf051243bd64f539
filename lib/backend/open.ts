import type { NativeAddon } from '../engine/native.js'
import { fromNative } from '../errors.js'
import { loadAddonFor } from './addon.js'
import { type SelectedLibraries, selectLibraries } from './select.js'
import { needWholeFiles } from './whole-file.js'

/** What this process runs on. */
export interface Opened {
  addon: NativeAddon
  libraries: SelectedLibraries
  /** The file of llama.cpp's back end for this processor. */
  cpuBackend: string
}

let opened: Opened | undefined

/**
 * The addon with llama.cpp's libraries, opened once in a process. A later request for other libraries throws.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND, LIBRARY_NOT_FOUND, LIBRARY_MISMATCH
 */
export function openAddon(wanted?: string): Opened {
  if (opened === undefined) {
    const libraries = selectLibraries(wanted)
    needWholeFiles(libraries)
    const addon = loadAddonFor(libraries) as NativeAddon
    const { cpuBackend } = typed(() => addon.open(libraries))
    opened = { addon, libraries, cpuBackend }
  } else if (wanted !== undefined) {
    const { addon } = opened
    typed(() => addon.open(selectLibraries(wanted)))
  }
  return opened
}

/** With typed errors instead of the addon's. */
export function typed<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}
