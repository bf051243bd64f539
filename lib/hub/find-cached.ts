import { resolve } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import type { CacheContents, CachedModel } from './cached-models.js'
import { filesOfQuant } from './quants.js'
import { parseReference } from './reference.js'
import { allParts } from './split-files.js'

/**
 * The cached model that a reference names; of a split one any part may be named. Makes no request.
 *
 * @throws {StreamingLLMError} INVALID_OPTION for what is no reference; MODEL_NOT_FOUND where none is in the cache, or
 * several are
 */
export function findCached(
  { models, hub, own }: Pick<CacheContents, 'models' | 'hub' | 'own'>,
  reference: string,
): CachedModel {
  const parsed = parseReference(reference)
  const found =
    parsed.kind === 'path'
      ? models.filter(({ files }) =>
          files.some(({ paths, content }) => [...paths, content].includes(resolve(parsed.path))),
        )
      : inRevision(models, parsed.repo, parsed.revision).filter(({ hub: at }, _, all) =>
          parsed.kind === 'hub-file'
            ? at!.file === allParts(parsed.file)[0]
            : filesOfQuant(
                all.map(each => each.hub!.file),
                parsed.quant,
              ).includes(at!.file),
        )
  if (found.length === 1) return found[0]!
  const others = parsed.kind === 'path' ? [] : models.filter(({ hub: at }) => at?.repo === parsed.repo)
  const which = found.length > 1 ? found : others
  const list =
    which.length === 0
      ? ''
      : ` ${found.length > 1 ? 'Name one of' : 'There is'}: ${which.map(each => each.reference).join(', ')}.`
  throw new StreamingLLMError(
    'MODEL_NOT_FOUND',
    found.length > 1
      ? `${reference} names several models in the cache.${list}`
      : `${reference} is not in the cache (${hub}; ${own}).${list}`,
    { details: { reference, found: which.map(each => each.reference) } },
  )
}

function inRevision(models: readonly CachedModel[], repo: string, revision: string): CachedModel[] {
  return models.filter(
    ({ hub }) => hub?.repo === repo && (hub.revisions.includes(revision) || hub.commits.includes(revision)),
  )
}
