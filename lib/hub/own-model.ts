import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { userCacheFolder } from '../util/user-cache.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_BYTES } from './default-model.js'
import { parseReference } from './reference.js'

/** A file of the hub that lies outside its cache. */
export interface OwnModel {
  repo: string
  commit: string
  file: string
  path: string
}

/**
 * The default model in the folder of this package, where a clone's set-up puts it. The set-up has checked it, so here
 * its size is enough. Undefined where it is not there.
 */
export async function ownModel(): Promise<OwnModel | undefined> {
  const named = parseReference(DEFAULT_MODEL)
  if (named.kind !== 'hub-file') return undefined
  const path = join(userCacheFolder('models'), basename(named.file))
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true || found.size !== DEFAULT_MODEL_BYTES) return undefined
  return { repo: named.repo, commit: named.revision, file: named.file, path }
}
