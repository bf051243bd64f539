import { spawn } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import path from 'node:path'
import { abortable, throwIfAborted, type WhenAborted } from '../util/abort.js'

/** How a program that was run to its end came out. */
export interface ProgramResult {
  /** Undefined where it could not be started. */
  code: number | undefined
  /** Why it failed, in a few words; undefined where it went well. */
  problem?: string
  stdout: string
}

export interface ProgramOptions {
  cwd?: string
  /** What to call it when it fails. Default: the program's name. */
  name?: string
  /** Everything that it says is added to this file as it comes. */
  logFile?: string
  /** Gets each piece of what it says. */
  read?: (text: string) => void
  /** Ends it, and all that it has started. */
  signal?: AbortSignal
}

/**
 * Runs a program to its end.
 * @throws `signal.reason` when aborted, once it has gone
 */
export async function runProgram(
  program: string,
  args: string[],
  { cwd, name = path.basename(program), logFile, read, signal }: ProgramOptions = {},
): Promise<ProgramResult> {
  throwIfAborted(signal)
  // A group of its own can be ended as a whole: npx starts cmake, which starts make, which starts compilers. Without a
  // signal to listen to, Ctrl-C in the terminal has to reach them all by itself.
  const ownGroup = signal !== undefined && process.platform !== 'win32'
  const log = (text: string): void => {
    if (logFile !== undefined) appendFileSync(logFile, text)
    read?.(text)
  }
  log(`> ${[program, ...args].join(' ')}\n`)
  let stdout = ''
  const run = (whenAborted: WhenAborted) =>
    new Promise<ProgramResult>(resolve => {
      // The environment by name: under a test runner it is a copy, which the default would pass over.
      const child = spawn(program, args, {
        cwd,
        env: process.env,
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: ownGroup,
        windowsHide: true,
      })
      whenAborted(() => {
        if (child.pid === undefined) return
        if (ownGroup) process.kill(-child.pid, 'SIGTERM')
        else spawn('taskkill', ['/pid', String(child.pid), '/t', '/f'], { stdio: 'ignore' })
      })
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        log(text)
      })
      child.stderr.setEncoding('utf8').on('data', log)
      child.on('error', error =>
        resolve({ code: undefined, problem: `${name} could not be started (${error.message})`, stdout }),
      )
      child.on('close', (code, killer) =>
        resolve({
          code: code ?? 1,
          stdout,
          ...(code === 0 ? {} : { problem: `${name} ended with ${killer ?? code}` }),
        }),
      )
    })
  const result = await abortable(signal, run)
  throwIfAborted(signal)
  return result
}

/** Runs npm or npx: the one that runs this program, else the one that came with this Node, else what is on the path. */
export function runNpm(name: 'npm' | 'npx', args: string[], options: ProgramOptions): Promise<ProgramResult> {
  const script = npmScript(name)
  if (script !== undefined) return runProgram(process.execPath, [script, ...args], { name, ...options })
  // Windows' npx is a batch file, which only its shell can run.
  return process.platform === 'win32'
    ? runProgram('cmd.exe', ['/d', '/s', '/c', name, ...args], options)
    : runProgram(name, args, options)
}

function npmScript(name: string): string | undefined {
  const beside = path.dirname(process.execPath)
  const folders = [
    process.env['npm_execpath'] === undefined ? undefined : path.dirname(process.env['npm_execpath']),
    path.join(beside, 'node_modules', 'npm', 'bin'),
    path.join(beside, '..', 'lib', 'node_modules', 'npm', 'bin'),
  ]
  return folders
    .filter(folder => folder !== undefined)
    .map(folder => path.join(folder, `${name}-cli.js`))
    .find(file => existsSync(file))
}

/** True where a program of this name can be started. */
export async function canRun(program: string): Promise<boolean> {
  const { code } = await runProgram(program, ['--version'])
  return code !== undefined
}
