import { mkdir, realpath } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { downloadBlob } from './blob-download.js'
import { checksumMismatch, isSha256, sha256OfFile } from './checksum.js'
import { withFileLock } from './file-lock.js'
import { contentUrl, describeFile, fetchFileInfo, type HubFileAddress, type HubFileInfo } from './hub-api.js'
import { fileSize, isCommit, RepoCache } from './hub-cache.js'
import { askHub } from './hub-http.js'
import type { Hub } from './hub-settings.js'
import { type ProgressListener, progressReporter } from './progress.js'
import { TransientFailure } from './transient-failure.js'

export interface HubFileOptions {
  signal?: AbortSignal
  onProgress?: ProgressListener
  /** Expected SHA-256 in hex. */
  sha256?: string
}

const checkForNewsMs = 5_000

/**
 * One file of a repository, from the cache or else by download into it.
 *
 * @returns its path among the snapshots, and the commit it belongs to
 * @throws {TransientFailure} the hub stays out of reach and the cache does not help
 * @throws {StreamingLLMError} MODEL_NOT_FOUND, DOWNLOAD_FAILED, CHECKSUM_MISMATCH
 */
export async function hubFile(
  hub: Hub,
  address: HubFileAddress,
  options: HubFileOptions,
): Promise<{ path: string; commit: string }> {
  const cache = new RepoCache(hub.cacheDirectory, address.repo)
  const cached = await cache.find(address.revision, address.file)
  const useCached = async (found: { path: string; commit: string }) => {
    await verifyCached(found.path, address, options)
    return found
  }
  if (cached && (hub.offline || isCommit(address.revision))) return await useCached(cached)
  if (hub.offline) {
    throw new StreamingLLMError(
      'MODEL_NOT_FOUND',
      `${describeFile(address)} is not in the cache ${cache.directory}, and HF_HUB_OFFLINE is set. Unset it to download the file.`,
    )
  }

  let info: HubFileInfo
  try {
    // With a copy at hand, asking for news is not worth a long wait.
    const hurried = { ...hub.patience, attempts: 1, headersMs: Math.min(checkForNewsMs, hub.patience.headersMs) }
    info = await fetchFileInfo(cached ? { ...hub, patience: hurried } : hub, address, options)
  } catch (error) {
    if (cached && error instanceof TransientFailure) return await useCached(cached)
    throw error
  }
  if (options.sha256 !== undefined && isSha256(info.etag) && info.etag !== options.sha256.toLowerCase()) {
    throw checksumMismatch(describeFile(address), options.sha256, info.etag)
  }

  const path = cache.snapshot(info.commit, address.file)
  const isComplete = async (file: string) => {
    const size = await fileSize(file)
    return size !== undefined && (info.size === undefined || info.size === size)
  }
  if (await isComplete(path)) await verifyCached(path, address, options)
  else await fetchInto(hub, cache, address, info, options, isComplete)
  // Only now: were the download to fail, offline use should still find the commit that is there.
  await cache.setCommit(address.revision, info.commit)
  return { path, commit: info.commit }
}

async function fetchInto(
  hub: Hub,
  cache: RepoCache,
  address: HubFileAddress,
  info: HubFileInfo,
  options: HubFileOptions,
  isComplete: (file: string) => Promise<boolean>,
): Promise<void> {
  const blob = cache.blob(info.etag)
  const what = describeFile(address)
  const report = progressReporter(options.onProgress, address.file)
  const watchOther = async () => {
    const received = await fileSize(`${blob}.incomplete`)
    if (received !== undefined) report(received, info.size)
  }
  await withFileLock(cache.lock(info.etag), { signal: options.signal, onWait: watchOther }, async signal => {
    const path = cache.snapshot(info.commit, address.file)
    // Another process may have fetched it meanwhile; without links there is no blob left then, but the file.
    if (await isComplete(path)) return await verifyCached(path, address, { ...options, signal })
    if (await isComplete(blob)) await verifyCached(blob, address, { ...options, signal })
    else {
      await mkdir(dirname(blob), { recursive: true })
      await downloadBlob({
        target: blob,
        what,
        size: info.size,
        sha256: isSha256(info.etag) ? info.etag : options.sha256,
        // By commit, since a branch can move on between two connections.
        request: offset =>
          askHub(hub, contentUrl(hub, { ...address, revision: info.commit }), {
            method: 'GET',
            what,
            repo: address.repo,
            leaveHub: true,
            signal,
            ...(offset > 0 ? { headers: { range: `bytes=${offset}-` } } : {}),
          }),
        attempts: hub.patience.downloadAttempts,
        progress: hub.patience.progressBytes,
        backoffMs: hub.patience.backoffMs,
        signal,
        onProgress: report,
      })
    }
    await cache.expose(info.commit, address.file, info.etag)
  })
}

/** A blob that bears the checksum as its name was checked when it got that name; anything else is read through. */
async function verifyCached(path: string, address: HubFileAddress, options: HubFileOptions): Promise<void> {
  const expected = options.sha256?.toLowerCase()
  if (expected === undefined || basename(await realpath(path)) === expected) return
  const actual = await sha256OfFile(path, options.signal)
  if (actual !== expected)
    throw checksumMismatch(`${describeFile(address)}, cached as ${path},`, options.sha256, actual)
}
