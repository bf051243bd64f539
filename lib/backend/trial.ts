import type { NativeDevice } from '../engine/native.js'
import { tryInChild } from '../util/child-trial.js'
import { addonPath } from './addon.js'
import type { GpuBackend } from './gpu-backends.js'
import type { SelectedLibraries } from './select.js'

/** How trying a back end in a process of its own came out. */
export interface Trial {
  works: boolean
  /** Why not. */
  reason?: string
  /** Its devices that compute, and compute right. */
  devices: NativeDevice[]
  milliseconds: number
}

/** A driver that has to compile its programs first may take this long. One that hangs is ended then. */
const patienceMs = 60_000

const program = `
const native = require(given.addon)
const before = native.open(given.paths).devices.length
const found = native.loadBackend(given.file).slice(before).filter(({ type }) => type === 'gpu' || type === 'igpu')
if (found.length === 0) throw new Error('it finds no device that it can use')
for (const { name } of found) native.tryDevice(name)
return { devices: found }
`

/**
 * Loads a back end in a child process, and computes something on each of its devices. A bad driver can end the process
 * that loads it, or hang; here that is the child. Never throws for what the child does.
 */
export async function tryBackend(
  libraries: SelectedLibraries,
  { file }: Pick<GpuBackend, 'file'>,
  { patience = patienceMs, child }: { patience?: number; child?: string } = {},
): Promise<Trial> {
  const given = { addon: addonPath(libraries), paths: libraries, file }
  const trial = await tryInChild<Pick<Trial, 'devices'>>(program, given, { patience, program: child })
  const { milliseconds } = trial
  const { devices = [], reason } = trial.answer ?? {}
  if (devices.length > 0) return { works: true, devices, milliseconds }
  const complaint = trial.complaint.split('\n').at(-1)!
  const ending = complaint === '' ? trial.ending : `${trial.ending}: ${complaint}`
  return { works: false, reason: reason === undefined ? ending : withoutFile(reason, file), devices: [], milliseconds }
}

/** The loader's words: ggml puts the file's name before them. */
function withoutFile(reason: string, file: string): string {
  const at = reason.lastIndexOf(`${file}: `)
  return at < 0 ? reason : reason.slice(at + file.length + 2)
}
