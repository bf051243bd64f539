import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { quantizationName } from '../gguf/file-types.js'
import { readModelFile } from '../gguf/open.js'
import { userCacheFolder } from '../util/user-cache.js'
import { isCommit, RepoCache } from './hub-cache.js'
import { ownModel } from './own-model.js'
import { quantOf } from './quants.js'
import { allParts } from './split-files.js'
import { writeReference } from './write-reference.js'

/** One file of a cached model. */
export interface CachedFile {
  /** Where programs find it: in the hub's cache links to the content, one for each revision that has it. */
  paths: string[]
  /** The content itself. */
  content: string
  sizeBytes: number
}

/** A model of which files are in a cache; a split one is one model. */
export interface CachedModel {
  /** The file's name without its ending. */
  name: string
  /** What `loadModel` takes: `hf:owner/repo[@revision]/file.gguf`, or a path. */
  reference: string
  /** In upper case, such as `Q4_K_M`. */
  quantization: string | undefined
  /** Bytes on the disk, of all parts. */
  sizeBytes: number
  /** When one of its files was last read, as far as the file system keeps that. */
  lastUsed: Date
  /** The absolute path of the first part. */
  path: string
  files: CachedFile[]
  /** How many of its parts are missing, as after a download that was broken off. */
  missingParts: number
  /** Where it lies on the hub; undefined for a file in our own folder, but for the default model. */
  hub: { repo: string; file: string; commits: string[]; revisions: string[] } | undefined
}

/**
 * What is left of a download that was broken off; the next one goes on from it. Which file it is, only the hub knows.
 */
export interface UnfinishedDownload {
  repo: string
  path: string
  sizeBytes: number
}

export interface CachePlaces {
  /** The hub's cache, which other programs use as well. */
  hub: string
  /** The folder of this package, where a clone's set-up puts the default model. */
  own: string
}

export interface CacheContents extends CachePlaces {
  /** Used last first. */
  models: CachedModel[]
  unfinished: UnfinishedDownload[]
}

/** The folders in which models are kept. */
export async function cachePlaces(): Promise<CachePlaces> {
  const { hubSettings } = await import('./hub-settings.js')
  return { hub: (await hubSettings()).cacheDirectory, own: userCacheFolder('models') }
}

/** All GGUF files in the caches, whichever program put them there. Folders that cannot be read count as empty. */
export async function cacheContents(places?: CachePlaces): Promise<CacheContents> {
  const { hub, own } = places ?? (await cachePlaces())
  const repos = (await namesIn(hub))
    .filter(name => name.startsWith('models--'))
    .map(name => name.slice('models--'.length).replace('--', '/'))
  const ofRepos = await Promise.all(repos.map(repo => repoContents(hub, repo)))
  const ofHub = ofRepos.flatMap(each => each.models)
  const models = [...ofHub, ...(await ownModels(own, ofHub))]
  return {
    hub,
    own,
    models: models.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime() || (a.reference < b.reference ? -1 : 1)),
    unfinished: ofRepos.flatMap(each => each.unfinished),
  }
}

async function repoContents(
  hub: string,
  repo: string,
): Promise<{ models: CachedModel[]; unfinished: UnfinishedDownload[] }> {
  const cache = new RepoCache(hub, repo)
  const revisions = await cache.revisions()
  const commits = (await namesIn(join(cache.directory, 'snapshots'))).filter(isCommit)
  const models = new Map<string, CachedModel>()
  for (const commit of commits) {
    const files = (await cache.list(commit)).filter(file => /\.gguf$/i.test(file))
    for (const file of new Set(files.map(each => allParts(each)[0] ?? each))) {
      const model = await describe(allParts(file).map(part => cache.snapshot(commit, part)))
      if (model === undefined) continue
      const named = revisions.filter(each => each.commit === commit).map(({ revision }) => revision)
      // Several commits may have the same content, which is then there once.
      const key = [file, ...model.files.map(({ content }) => content)].join('\n')
      const known = models.get(key)
      if (known === undefined)
        models.set(key, { ...model, reference: '', hub: { repo, file, commits: [commit], revisions: named } })
      else {
        known.files.forEach((each, index) => each.paths.push(...model.files[index]!.paths))
        known.hub!.commits.push(commit)
        known.hub!.revisions.push(...named)
        if (named.includes('main')) known.path = model.path
      }
    }
  }
  for (const model of models.values()) {
    const { commits: of, revisions: named, file } = model.hub!
    model.reference = writeReference({ repo, file, revision: named.includes('main') ? 'main' : (named[0] ?? of[0]!) })
  }
  return { models: [...models.values()], unfinished: await unfinishedIn(cache, repo) }
}

async function unfinishedIn(cache: RepoCache, repo: string): Promise<UnfinishedDownload[]> {
  const folder = join(cache.directory, 'blobs')
  const partial = (await namesIn(folder)).filter(name => name.endsWith('.incomplete')).map(name => join(folder, name))
  const sizes = await Promise.all(
    partial.map(path =>
      stat(path).then(
        ({ size }) => size,
        () => undefined,
      ),
    ),
  )
  return partial.flatMap((path, index) =>
    sizes[index] === undefined ? [] : [{ repo, path, sizeBytes: sizes[index]! }],
  )
}

async function ownModels(folder: string, ofHub: readonly CachedModel[]): Promise<CachedModel[]> {
  const paths = (await namesIn(folder)).filter(name => /\.gguf$/i.test(name)).map(name => join(folder, name))
  const first = [...new Set(paths.map(path => allParts(path)[0] ?? path))]
  const models = await Promise.all(first.map(path => describe(allParts(path))))
  const known = await ownModel()
  // Two of one name could not be told apart.
  const isNamed = ofHub.some(({ hub }) => hub !== undefined && hub.repo === known?.repo && hub.file === known.file)
  return models.flatMap((model): CachedModel[] => {
    if (model === undefined) return []
    if (known?.path !== model.path || isNamed) return [{ ...model, reference: model.path, hub: undefined }]
    const { repo, file, commit } = known
    const reference = writeReference({ repo, file, revision: 'main' })
    return [{ ...model, reference, hub: { repo, file, commits: [commit], revisions: ['main'] } }]
  })
}

/** Undefined where no part is there. */
async function describe(parts: string[]): Promise<Omit<CachedModel, 'reference' | 'hub'> | undefined> {
  const found = await Promise.all(parts.map(fileAt))
  const present = found.flatMap(each => (each === undefined ? [] : [each]))
  if (present.length === 0) return undefined
  const path = parts[0]!
  return {
    name: basename(path).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, ''),
    quantization: quantOf(path) ?? (found[0] === undefined ? undefined : await quantizationInFile(path)),
    sizeBytes: present.reduce((sum, { file }) => sum + file.sizeBytes, 0),
    lastUsed: new Date(Math.max(...present.map(({ usedMs }) => usedMs))),
    path,
    files: present.map(({ file }) => file),
    missingParts: parts.length - present.length,
  }
}

async function fileAt(path: string): Promise<{ file: CachedFile; usedMs: number } | undefined> {
  try {
    const [{ size, atimeMs, mtimeMs }, content] = await Promise.all([stat(path), realpath(path)])
    return { file: { paths: [path], content, sizeBytes: size }, usedMs: Math.max(atimeMs, mtimeMs) }
  } catch {
    return undefined // a link that leads nowhere
  }
}

async function quantizationInFile(path: string): Promise<string | undefined> {
  try {
    const { entries } = await readModelFile(path)
    const type = entries.get('general.file_type')
    return type?.type === 'uint32' ? quantizationName(type.value, new Map()) : undefined
  } catch {
    return undefined // whatever it is, it takes room and is to be listed
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}
