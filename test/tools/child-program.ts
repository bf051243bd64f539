import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

/** The library, as programs in processes of their own import it. */
export const library = JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href)

/** Arguments of Node that let it run TypeScript. */
export const typescript = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] as const

/** Calls `use` with a folder that goes afterwards, and with what the program prints there, as JSON. `shell`: what bash does before it. */
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
