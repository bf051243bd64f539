import { addonPath } from '../backend/addon.js'
import type { SelectedLibraries } from '../backend/select.js'
import type { NativeLoadOptions } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import { type ChildTrialOptions, tryInChild } from '../util/child-trial.js'

const program = `
const native = require(given.addon)
native.open(given.paths)
if (given.backend) native.loadBackend(given.backend)
const model = await native.load(given.path, given.options, () => {}).promise
const sequence = model.openSequence({ policy: 'dense', sinks: 0, window: 16, reanchorEvery: 1, rebaseAfter: 1 << 30, verify: false, firstPosition: 0 })
const stream = sequence.start({ type: 'append', tokens: Int32Array.of(0, 0) })
for (let event; event?.type !== 'finish' && event?.type !== 'error'; event = stream.take()) await new Promise(resolve => stream.wait(resolve))
await model.close()
return { loaded: true }
`

/** For disks and networks that are slow, but not for one that hangs. */
const patienceFor = (bytes: number): number => 120_000 + bytes / 10_000

/**
 * Loads the model in a child process first. A broken file can end the process that loads it, or block it forever.
 * `backend` is the file of a GPU's back end that it needs.
 *
 * @throws {StreamingLLMError} MODEL_LOAD_FAILED with what the child said, or by which signal it died
 */
export async function probeModel(
  libraries: SelectedLibraries,
  path: string,
  options: NativeLoadOptions,
  {
    backend,
    sizeBytes = 0,
    patience = patienceFor(sizeBytes),
    ...how
  }: Partial<ChildTrialOptions> & { backend?: string; sizeBytes?: number } = {},
): Promise<void> {
  const given = { addon: addonPath(libraries), paths: libraries, path, options, backend }
  const { answer, ending, code, signal, complaint } = await tryInChild(program, given, { patience, ...how })
  if (ending === undefined) return
  throw new StreamingLLMError(
    'MODEL_LOAD_FAILED',
    `${path} could not be loaded in a child process on trial: ${answer?.reason ?? `${ending}: ${complaint || 'it said nothing'}`}`,
    { details: { code, signal } },
  )
}
