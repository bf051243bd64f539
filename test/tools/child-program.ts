import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

/** The library, as programs in processes of their own import it. */
export const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href)

/** Arguments of Node that let it run TypeScript. */
export const typescript = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] as const

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** Default: this process's. */
  cwd?: string
  input?: string
  /** False: more input could come until the program has ended. */
  ends?: boolean
  /** Where they are not pipes; descriptors are closed here once the program has them. */
  stdio?: ['pipe' | 'ignore' | number, 'pipe' | number, 'pipe' | number]
  /** Beside those of this process. */
  env?: Record<string, string>
  /** Gets the process as soon as it has been started. */
  begun?: (child: ChildProcess) => void
  /** Gets the process and what it has printed, each time that it prints. */
  during?: (child: ChildProcess, stdout: string) => void
}

/** A TypeScript program with these arguments, in a process of its own, to its end. */
export function runTypeScript(
  file: string,
  args: readonly string[] = [],
  { cwd, input = '', ends = true, stdio = ['pipe', 'pipe', 'pipe'], env, begun, during }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...typescript, file, ...args], {
    cwd,
    stdio,
    env: { ...process.env, ...env },
    timeout: 500_000, // before a test's own end, so that it does not stay behind
    killSignal: 'SIGKILL',
  })
  for (const each of stdio) if (typeof each === 'number') closeSync(each)
  const printed = { stdout: '', stderr: '' }
  for (const output of ['stdout', 'stderr'] as const)
    child[output]?.setEncoding('utf8').on('data', (text: string) => {
      printed[output] += text
      if (output === 'stdout') during?.(child, printed.stdout)
    })
  begun?.(child)
  child.stdin?.on('error', () => {}).write(input)
  if (ends) child.stdin?.end()
  child.on('exit', () => child.stdin?.destroy())
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...printed }))
  })
}

/**
 * Calls `use` with a folder that goes afterwards, and with what the program prints there, as JSON. `shell`: what bash
 * does before it.
 */
export async function withChildProgram(
  program: (folder: string) => string,
  use: (printed: unknown, folder: string) => void,
  shell = '',
): Promise<void> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'child-program-'))
  try {
    const file = path.join(folder, 'program.mjs')
    writeFileSync(file, program(folder))
    const start = [process.execPath, ...typescript, file] as const
    const [command, ...args] = shell === '' ? start : (['bash', '-c', `${shell} exec "$0" "$@"`, ...start] as const)
    const { stdout } = await promisify(execFile)(command, args)
    use(JSON.parse(stdout), folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
