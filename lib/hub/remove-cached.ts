import { readdir, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import type { CacheContents, CachedModel, UnfinishedDownload } from './cached-models.js'
import { withFileLock } from './file-lock.js'
import { RepoCache } from './hub-cache.js'

/**
 * Removes a model from the cache, with all revisions that have the same content; content that another name leads to
 * stays. Waits for a download of the same content. A process that has the model loaded keeps it, except on Windows,
 * where such a file cannot be removed.
 *
 * @returns bytes that came free
 */
export async function removeCached(
  { models, hub }: Pick<CacheContents, 'models' | 'hub'>,
  model: CachedModel,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  const others = new Set(
    models.filter(each => each !== model).flatMap(({ files }) => files.map(({ content }) => content)),
  )
  const isInCache = model.hub !== undefined && model.path.startsWith(join(hub, sep))
  const cache = isInCache ? new RepoCache(hub, model.hub!.repo) : undefined
  let freed = 0
  for (const { paths, content, sizeBytes } of model.files) {
    const remove = async (): Promise<void> => {
      for (const path of paths) await rm(path, { force: true })
      if (others.has(content)) return
      await rm(content, { force: true })
      freed += sizeBytes
    }
    if (cache === undefined) await remove()
    else await withFileLock(cache.lock(basename(content)), { signal }, remove)
  }
  if (cache !== undefined)
    await tidy(
      cache,
      model.files.flatMap(({ paths }) => paths),
    )
  return freed
}

/**
 * Removes what a broken off download has left. Waits for one that is going on, and then leaves the file that it became.
 *
 * @returns bytes that came free
 */
export async function removeUnfinished(
  { hub }: Pick<CacheContents, 'hub'>,
  { repo, path, sizeBytes }: UnfinishedDownload,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  const cache = new RepoCache(hub, repo)
  let freed = 0
  await withFileLock(cache.lock(basename(path, '.incomplete')), { signal }, async () => {
    freed = await rm(path).then(
      () => sizeBytes,
      () => 0,
    )
  })
  await tidy(cache, [])
  return freed
}

/** Takes away folders that have become empty, and of a repository of which no file is left, everything. */
async function tidy(cache: RepoCache, removed: readonly string[]): Promise<void> {
  const snapshots = join(cache.directory, 'snapshots')
  for (const path of removed) {
    for (let folder = dirname(path); folder.startsWith(snapshots); folder = dirname(folder)) {
      if (
        !(await rmdir(folder).then(
          () => true,
          () => false,
        ))
      )
        break
    }
  }
  const isEmpty = async (folder: string): Promise<boolean> => (await readdir(folder).catch(() => [])).length === 0
  if ((await isEmpty(snapshots)) && (await isEmpty(join(cache.directory, 'blobs'))))
    await rm(cache.directory, { recursive: true, force: true })
}
