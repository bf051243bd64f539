import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { NativeDevice } from '../engine/native.js'
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

/** A driver that has to compile its programs first may take this long; one that hangs does not hold up for ever. */
const patienceMs = 60_000

// Plain JavaScript for `node -e`, so that it runs from source, from dist and under a test runner alike.
const program = `
const { addon, paths, file } = JSON.parse(process.env.STREAMING_LLM_TRIAL)
try {
  const native = require(addon)
  const before = native.open(paths).devices.length
  const found = native.loadBackend(file).slice(before).filter(({ type }) => type === 'gpu' || type === 'igpu')
  if (found.length === 0) throw new Error('it finds no device that it can use')
  for (const { name } of found) native.tryDevice(name)
  require('fs').writeSync(1, '\\n' + JSON.stringify({ devices: found }) + '\\n')
} catch (error) {
  require('fs').writeSync(1, '\\n' + JSON.stringify({ reason: error.message }) + '\\n')
}
process.exit(0)
`

/**
 * Loads a back end in a child process, and computes something on each of its devices: a bad driver can end the process
 * that loads it, or hang, and then it is the child that suffers. Never throws for what the child does.
 */
export async function tryBackend(
  libraries: SelectedLibraries,
  { file }: Pick<GpuBackend, 'file'>,
  { patience = patienceMs, child = process.execPath }: { patience?: number; child?: string } = {},
): Promise<Trial> {
  const refusal = whyNotTry()
  if (refusal !== undefined) return { works: false, reason: refusal, devices: [], milliseconds: 0 }
  const began = performance.now()
  const given = JSON.stringify({ addon: addonPath(libraries), paths: libraries, file })
  const tried = spawn(child, ['-e', program], {
    // The last is for Electron, whose program is no Node otherwise.
    env: { ...process.env, STREAMING_LLM_TRIAL: given, ELECTRON_RUN_AS_NODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  })
  let said = ''
  let complained = ''
  tried.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  tried.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained = (complained + text).slice(-1000)
  })
  let hung = false
  const timer = setTimeout(() => {
    hung = true
    tried.kill('SIGKILL')
  }, patience)
  const how = await new Promise<string | number | null>(resolve => {
    tried.on('error', error => resolve(error.message))
    tried.on('close', (code, killer) => resolve(killer ?? code))
  })
  clearTimeout(timer)
  const milliseconds = Math.round(performance.now() - began)
  const { devices = [], reason } = answerIn(said)
  if (devices.length > 0) return { works: true, devices, milliseconds }
  const ending = hung
    ? `it did not answer within ${patience / 1000} s`
    : `the process that tried it was ended by ${how}${complained.trim() === '' ? '' : `: ${complained.trim().split('\n').at(-1)}`}`
  return { works: false, reason: reason === undefined ? ending : withoutFile(reason, file), devices: [], milliseconds }
}

/** The loader's words: ggml puts the file's name before them. */
function withoutFile(reason: string, file: string): string {
  const at = reason.lastIndexOf(`${file}: `)
  return at < 0 ? reason : reason.slice(at + file.length + 2)
}

/** A program that is no Node would start itself once more, and that one itself again. */
function whyNotTry(): string | undefined {
  if (process.env['STREAMING_LLM_TRIAL'] !== undefined)
    return 'this process was started to try a back end, and tries no other'
  return isSingleExecutable() ? 'a single executable application has no Node to try it with' : undefined
}

function isSingleExecutable(): boolean {
  if ('pkg' in process) return true
  try {
    return (createRequire(import.meta.url)('node:sea') as { isSea: () => boolean }).isSea()
  } catch {
    return false // a Node that knows no such applications
  }
}

/** The last line that is an answer; drivers write other things. */
function answerIn(said: string): { devices?: NativeDevice[]; reason?: string } {
  for (const line of said.split('\n').reverse()) {
    if (!line.startsWith('{')) continue
    try {
      return JSON.parse(line) as { devices?: NativeDevice[]; reason?: string }
    } catch {
      // not ours
    }
  }
  return {}
}
