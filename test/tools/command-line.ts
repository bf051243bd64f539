import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { typescript } from './child-program.js'

/** What starts the command line, before its own arguments: Node's. */
export const commandLineProgram = [
  ...typescript,
  fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url)),
] as const

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

interface CommandLineOptions {
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

/** `streaming-llm` with these arguments, in a process of its own, to its end. */
export function commandLine(
  args: readonly string[],
  { input = '', ends = true, stdio = ['pipe', 'pipe', 'pipe'], env, begun, during }: CommandLineOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...commandLineProgram, ...args], {
    stdio,
    env: { ...process.env, ...env },
    timeout: 500_000, // before a test's own end, so that it does not stay behind
    killSignal: 'SIGKILL',
  })
  for (const each of stdio) if (typeof each === 'number') closeSync(each)
  const said = { stdout: '', stderr: '' }
  for (const output of ['stdout', 'stderr'] as const)
    child[output]?.setEncoding('utf8').on('data', (text: string) => {
      said[output] += text
      if (output === 'stdout') during?.(child, said.stdout)
    })
  begun?.(child)
  child.stdin?.on('error', () => {}).write(input)
  if (ends) child.stdin?.end()
  child.on('exit', () => child.stdin?.destroy())
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...said }))
  })
}
