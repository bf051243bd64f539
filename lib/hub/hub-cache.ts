import { copyFile, mkdir, readdir, rename, rm, stat, symlink, utimes } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { readRegularFile } from '../util/regular-file.js'
import { putInPlace } from '../util/replace-file.js'
import { type OwnModel, ownModel } from './own-model.js'

const maxRefBytes = 4096

/**
 * The cache that Python's huggingface_hub keeps, for one repository:
 *
 *     models--owner--repo/
 *       blobs/<etag>                   the contents, each once
 *       snapshots/<commit>/<file>      a link to ../../blobs/<etag>
 *       refs/<branch or tag>           holds the commit it stood for when last asked
 *
 * The default model, which a clone's set-up puts elsewhere, is found as well: see `ownModel`.
 */
export class RepoCache {
  readonly directory: string
  readonly #locks: string

  constructor(
    cacheDirectory: string,
    readonly repo: string,
  ) {
    const folder = `models--${repo.replace('/', '--')}`
    this.directory = join(cacheDirectory, folder)
    this.#locks = join(cacheDirectory, '.locks', folder)
  }

  blob(etag: string): string {
    return join(this.directory, 'blobs', etag)
  }

  snapshot(commit: string, file: string): string {
    return join(this.directory, 'snapshots', commit, ...file.split('/'))
  }

  /** Python locks `<etag>.lock` by a call that Node lacks, so ours has a name of its own beside it. */
  lock(etag: string): string {
    return join(this.#locks, `${etag}.streaming-llm.lock`)
  }

  /** The commit that a revision stands for as far as the cache knows, which for a commit is itself. */
  async commit(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const noted = await this.#notedCommit(revision)
    return noted ?? (revision === 'main' ? (await this.#own())?.commit : undefined)
  }

  async #own(): Promise<OwnModel | undefined> {
    const own = await ownModel()
    return own?.repo === this.repo ? own : undefined
  }

  async #notedCommit(revision: string): Promise<string | undefined> {
    try {
      const commit = (await readRegularFile(this.#ref(revision), maxRefBytes)).toString('utf8').trim()
      return isCommit(commit) ? commit : undefined
    } catch {
      return undefined
    }
  }

  /** The branches and tags that the cache has asked for, with the commit that each stood for. */
  async revisions(): Promise<{ revision: string; commit: string }[]> {
    const root = join(this.directory, 'refs')
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
    const names = entries
      // No part of git's names begins with a dot; files that a process left unfinished do.
      .filter(entry => entry.isFile() && !entry.name.startsWith('.'))
      .map(entry => relative(root, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    const commits = await Promise.all(names.map(name => this.#notedCommit(name)))
    return names.flatMap((revision, index) =>
      commits[index] === undefined ? [] : [{ revision, commit: commits[index]! }],
    )
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    // A cache that already says so may be mounted read-only.
    if ((await this.#notedCommit(revision)) === commit) return
    const path = this.#ref(revision)
    await mkdir(dirname(path), { recursive: true })
    await putInPlace(path, [Buffer.from(commit)], { mode: 0o666 }) // as far as the user lets others read it
  }

  /** A file of a revision, if the cache holds it. */
  async find(revision: string, file: string): Promise<{ path: string; commit: string } | undefined> {
    const commit = await this.commit(revision)
    if (commit === undefined) return undefined
    const path = this.snapshot(commit, file)
    if ((await fileSize(path)) !== undefined) return { path, commit }
    const own = await this.#own()
    return own?.commit === commit && own.file === file ? { path: own.path, commit } : undefined
  }

  /** The files of a revision that the cache holds, which may be few of those that there are. */
  async list(revision: string): Promise<string[]> {
    const commit = await this.commit(revision)
    if (commit === undefined) return []
    const root = join(this.directory, 'snapshots', commit)
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
    const files = entries
      .filter(entry => !entry.isDirectory())
      .map(entry => relative(root, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    const own = await this.#own()
    return [...new Set(own?.commit === commit ? [...files, own.file] : files)].sort()
  }

  /**
   * Makes the blob visible under its name. Where links are not allowed (Windows without developer mode, some network
   * and FAT disks) the file itself goes there, as Python does it too; its blob is then gone.
   */
  async expose(commit: string, file: string, etag: string, link: typeof symlink = symlink): Promise<string> {
    const blob = this.blob(etag)
    const path = this.snapshot(commit, file)
    await mkdir(dirname(path), { recursive: true })
    // What stands there leads to nothing or to a file of the wrong size, or this would not have been called.
    await rm(path, { force: true })
    try {
      await link(relative(dirname(path), blob), path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return path
      await rename(blob, path).catch(() => copyFile(blob, path))
    }
    return path
  }

  #ref(revision: string): string {
    return join(this.directory, 'refs', ...revision.split('/'))
  }
}

/** True for a full commit hash, whose files never change. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision)
}

/** A file's size in bytes, links followed; undefined where there is no such file. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path)
    return info.isFile() ? info.size : undefined
  } catch {
    return undefined
  }
}

/** Says when files were last used, by their time of access, which many systems leave alone by themselves. */
export async function markUsed(paths: readonly string[]): Promise<void> {
  const now = new Date()
  for (const path of paths) {
    // A cache that may not be written to says less, and works as well.
    await stat(path)
      .then(({ mtime }) => utimes(path, now, mtime))
      .catch(() => {})
  }
}
