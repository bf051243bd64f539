import { StreamingLLMError } from '../errors.js'
import { checkModelFile, type ModelHeader } from '../gguf/check.js'
import { openFile } from '../gguf/open.js'
import type { OpenSource } from '../gguf/source.js'
import { localFile } from './local-file.js'
import { parseReference, type ModelReference } from './reference.js'

export interface FoundHeader {
  header: ModelHeader
  /** Opens the model's files again. */
  openSource: OpenSource
  /** The model is on this machine; else only its header was fetched. */
  isLocal: boolean
}

/**
 * What a model's file says of it, without downloading the model: of one that is not in the cache only the header is fetched,
 * some megabytes at most. One that is in the cache is taken as it is; the hub is not asked for news.
 *
 * @throws {StreamingLLMError} INVALID_OPTION, MODEL_NOT_FOUND, DOWNLOAD_FAILED, and what `checkModelFile` throws
 * @throws `signal.reason` when aborted
 */
export async function readModelHeader(reference: string, { signal }: { signal?: AbortSignal } = {}): Promise<FoundHeader> {
  signal?.throwIfAborted()
  const parsed = parseReference(reference)
  if (parsed.kind === 'path') return { header: await checkModelFile(await localFile(parsed.path)), openSource: openFile, isLocal: true }
  return await hubHeader(parsed, signal)
}

async function hubHeader(reference: Exclude<ModelReference, { kind: 'path' }>, signal: AbortSignal | undefined): Promise<FoundHeader> {
  const [{ cachedModel, chooseFile }, { hubSettings }, { fetchFileInfo, describeFile }, { hubSource }, { settleFailure }, { allParts }, { writeReference }] = await Promise.all([
    import('./hub-model.js'), import('./hub-settings.js'), import('./hub-api.js'), import('./hub-source.js'), import('./transient-failure.js'), import('./split-files.js'), import('./write-reference.js'),
  ])
  const hub = await hubSettings()
  const { repo, revision } = reference
  const cached = await cachedModel(hub, reference)
  if (cached !== undefined) return { header: await checkModelFile(cached), openSource: openFile, isLocal: true }
  try {
    const named = reference.kind === 'hub-file' ? reference.file : await chooseFile(hub, reference, { signal })
    const file = allParts(named)[0] ?? named
    if (hub.offline) throw new StreamingLLMError('MODEL_NOT_FOUND', `${describeFile({ repo, revision, file })} is not in the cache ${hub.cacheDirectory}, and HF_HUB_OFFLINE is set. Unset it to ask the hub.`)
    // All parts by the first one's commit, so that they are of one make.
    let commit: string | undefined
    const opened = new Map<string, ReturnType<OpenSource>>()
    const open: OpenSource = async path => {
      const address = { repo, revision: commit ?? revision, file: fileOf(path) }
      const info = await fetchFileInfo(hub, address, { signal })
      commit ??= info.commit
      if (info.size === undefined) throw new StreamingLLMError('DOWNLOAD_FAILED', `${hub.endpoint} does not say how large ${describeFile(address)} is. Check HF_ENDPOINT.`)
      return hubSource(hub, { ...address, revision: commit }, info.size, signal)
    }
    const openSource: OpenSource = async path => {
      const opening = opened.get(path) ?? open(path)
      opened.set(path, opening)
      return await opening
    }
    return { header: await checkModelFile(writeReference({ repo, revision, file }), openSource), openSource, isLocal: false }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw settleFailure(error, `The header of ${repo}`)
  }
}

function fileOf(path: string): string {
  const parsed = parseReference(path)
  return parsed.kind === 'hub-file' ? parsed.file : path
}
