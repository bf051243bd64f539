import { fileURLToPath } from 'node:url'
import { type Ended, type RunOptions, runTypeScript, typescript } from './child-program.js'

export type { Ended } from './child-program.js'

const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url))

/** What starts the command line, before its own arguments: Node's. */
export const commandLineProgram = [...typescript, main] as const

/** `streaming-llm` with these arguments, in a process of its own, to its end. */
export function commandLine(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return runTypeScript(main, args, options)
}
