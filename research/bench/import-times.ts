import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildDist } from '../../scripts/package/build-dist.js'
import { median } from '../report/statistics.js'
import { installNodeLlamaCpp } from './node-llama-cpp/install.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Milliseconds that importing the package takes, as it is published, and node-llama-cpp: medians over processes that do
 * just that, less the median of as many that do nothing, turn about. The first round is dropped.
 */
export async function importTimes(
  processes: number,
  signal: AbortSignal,
): Promise<{ ours: number; nodeLlamaCpp: number | undefined }> {
  await buildDist()
  const nodeLlamaCpp = await installNodeLlamaCpp().catch(() => undefined)
  const programs = [
    '0',
    importOf(join(root, 'dist', 'js', 'index.js')),
    ...(nodeLlamaCpp === undefined ? [] : [importOf(join(nodeLlamaCpp, 'dist', 'index.js'))]),
  ]
  const times: number[][] = programs.map(() => [])
  for (let round = -1; round < processes; round++) {
    for (const [i, program] of programs.entries()) {
      const start = performance.now()
      await run(['--input-type=module', '-e', program], signal)
      if (round >= 0) times[i]!.push(performance.now() - start)
    }
  }
  const [empty, ours, theirs] = times.map(median)
  return { ours: ours! - empty!, nodeLlamaCpp: theirs === undefined ? undefined : theirs - empty! }
}

/** The process ends once all is imported, whatever the package might have begun. */
function importOf(path: string): string {
  return `await import(${JSON.stringify(pathToFileURL(path).href)}); process.exit(0)`
}

async function run(args: string[], signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], signal })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2_000)
    })
    child.on('error', reject)
    child.on('close', code =>
      code === 0 ? resolve() : reject(new Error(`node ${args.at(-1)} ended with ${code}: ${errors.trim()}`)),
    )
  })
}
