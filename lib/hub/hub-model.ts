import { StreamingLLMError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { listFiles } from './hub-api.js'
import { isCommit, markUsed, RepoCache } from './hub-cache.js'
import { type HubFileOptions, hubFile } from './hub-file.js'
import type { Hub } from './hub-settings.js'
import { filesOfQuant, quantsAmong } from './quants.js'
import type { ModelReference } from './reference.js'
import { allParts } from './split-files.js'
import { settleFailure, TransientFailure } from './transient-failure.js'

export type HubReference = Exclude<ModelReference, { kind: 'path' }>

/**
 * A model of the hub with all its parts, from the cache or else by download.
 * @returns the absolute path of its first part
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, DOWNLOAD_FAILED, CHECKSUM_MISMATCH
 */
export async function hubModel(hub: Hub, reference: HubReference, options: HubFileOptions): Promise<string> {
  try {
    throwIfAborted(options.signal)
    const { repo, revision } = reference
    const named = reference.kind === 'hub-file' ? reference.file : await chooseFile(hub, reference, options)
    const [file = named, ...others] = allParts(named)
    const first = await hubFile(hub, { repo, revision, file }, options)
    // By the first part's commit, so that all parts are of one make.
    const paths = [first.path]
    for (const other of others) {
      paths.push(
        (await hubFile(hub, { repo, revision: first.commit, file: other }, { ...options, sha256: undefined })).path,
      )
    }
    await markUsed(paths)
    return first.path
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    throw explainDiskFailure(settleFailure(error, `The model ${reference.repo}`), hub)
  }
}

/**
 * A model of the hub as the cache holds it, whole; nothing is asked.
 * @returns the absolute path of its first part; undefined where it or a part of it is missing, or a quant names several
 */
export async function cachedModel(hub: Hub, reference: HubReference): Promise<string | undefined> {
  const { repo, revision } = reference
  const cache = new RepoCache(hub.cacheDirectory, repo)
  const commit = await cache.commit(revision)
  if (commit === undefined) return undefined
  const files =
    reference.kind === 'hub-file' ? [reference.file] : filesOfQuant(await cache.list(commit), reference.quant)
  if (files.length !== 1 || !(await hasAllParts(cache, commit, files))) return undefined
  return (await cache.find(commit, allParts(files[0]!)[0]!))?.path
}

/**
 * The file that a reference by quant means, of those there are; as few requests as `hubModel` makes. Throws as that
 * does.
 */
export async function chooseFile(
  hub: Hub,
  reference: HubReference & { kind: 'hub-quant' },
  options: HubFileOptions,
): Promise<string> {
  const { repo, revision, quant } = reference
  const cache = new RepoCache(hub.cacheDirectory, repo)
  const cachedFiles = await cache.list(revision)
  if (hub.offline) return pick(cachedFiles, reference, `the cache ${cache.directory} (HF_HUB_OFFLINE is set)`)
  const cached = filesOfQuant(cachedFiles, quant)
  if (isCommit(revision) && cached.length === 1 && (await hasAllParts(cache, revision, cached)))
    return cached[0] as string
  let files: string[]
  try {
    files = await listFiles(hub, { repo, revision }, options)
  } catch (error) {
    if (cached.length > 0 && error instanceof TransientFailure)
      return pick(cachedFiles, reference, `the cache ${cache.directory}`)
    throw error
  }
  return pick(files, reference, repo)
}

async function hasAllParts(cache: RepoCache, commit: string, files: string[]): Promise<boolean> {
  const found = await Promise.all(files.flatMap(allParts).map(part => cache.find(commit, part)))
  return found.every(part => part !== undefined)
}

function pick(
  files: readonly string[],
  { repo, revision, quant }: HubReference & { kind: 'hub-quant' },
  place: string,
): string {
  const found = filesOfQuant(files, quant)
  if (found.length === 1 && found[0] !== undefined) return found[0]
  const quants = quantsAmong(files)
  const at = revision === 'main' ? '' : `@${revision}`
  const available =
    quants.length > 0 ? `Quants there: ${quants.join(', ')}.` : 'No .gguf file there bears the name of a quant.'
  throw new StreamingLLMError(
    'MODEL_NOT_FOUND',
    found.length === 0
      ? `No .gguf file with the quant ${quant} is in ${place}. ${available}`
      : `Several .gguf files with the quant ${quant} are in ${place}: ${found.join(', ')}. Name one, as in hf:${repo}${at}/${found[0]}. ${available}`,
    { details: { quant, quants, files: found } },
  )
}

/** A full or read-only disk comes as Node's own error, which does not say what it has to do with a model. */
function explainDiskFailure(error: unknown, hub: Hub): unknown {
  const { code, syscall, message } = (error ?? {}) as NodeJS.ErrnoException
  if (StreamingLLMError.isInstance(error) || typeof code !== 'string' || typeof syscall !== 'string') return error
  return new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `The model cache ${hub.cacheDirectory} cannot be used: ${message}. Set HF_HUB_CACHE to a folder with room that may be written to.`,
    { cause: error },
  )
}
