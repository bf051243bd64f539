import { spawn } from 'node:child_process'
import { addonPath } from '../backend/addon.js'
import type { SelectedLibraries } from '../backend/select.js'
import type { NativeLoadOptions } from '../engine/native.js'
import { StreamingLLMError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'

// Plain JavaScript for `node -e`, so that it runs from source, from dist and under a test runner alike.
const program = `
const { addon, paths, path, options, backend } = JSON.parse(process.argv[1])
const native = require(addon)
native.open(paths)
if (backend) native.loadBackend(backend)
native.load(path, options, () => {}).promise.then(async model => {
  const sequence = model.openSequence({ policy: 'dense', sinks: 0, window: 16, reanchorEvery: 1, rebaseAfter: 1 << 30, verify: false, firstPosition: 0 })
  const stream = sequence.start({ type: 'append', tokens: Int32Array.of(0, 0) })
  for (let event; event?.type !== 'finish' && event?.type !== 'error'; event = stream.take()) await new Promise(resolve => stream.wait(resolve))
  await model.close()
  process.exit(0)
}, error => { console.error(error.message); process.exit(3) })
`

/**
 * Loads the model in a child process first: a file that lies about itself can end the process that loads it. `backend` is
 * the file of a GPU's back end that it needs.
 *
 * @throws {StreamingLLMError} MODEL_LOAD_FAILED with what the child said, or by which signal it died
 */
export async function probeModel(
  libraries: SelectedLibraries,
  path: string,
  options: NativeLoadOptions,
  signal?: AbortSignal,
  backend?: string,
): Promise<void> {
  const given = JSON.stringify({ addon: addonPath(libraries), paths: libraries, path, options, backend })
  const child = spawn(process.execPath, ['-e', program, given], { stdio: ['ignore', 'ignore', 'pipe'], signal })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
  const [code, killer] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...how) => resolve(how))
  }).catch(error => {
    throwIfAborted(signal)
    throw error
  })
  if (code === 0) return
  const how = killer === null ? `ended with ${code}` : `was ended by ${killer}`
  throw new StreamingLLMError(
    'MODEL_LOAD_FAILED',
    `a child process that loaded ${path} on trial ${how}: ${said.trim() || 'it said nothing'}`,
    { details: { code, signal: killer } },
  )
}
