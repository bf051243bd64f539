import { StreamingLLMError } from '../errors.js'
import { checkModelFile } from '../gguf/check.js'
import { openFile } from '../gguf/open.js'
import type { OpenSource } from '../gguf/source.js'
import { describeFile, fetchFileInfo } from './hub-api.js'
import { cachedModel, chooseFile, type HubReference } from './hub-model.js'
import { hubSettings } from './hub-settings.js'
import { hubSource } from './hub-source.js'
import type { FoundHeader } from './model-header.js'
import { parseReference } from './reference.js'
import { allParts } from './split-files.js'
import { settleFailure } from './transient-failure.js'
import { writeReference } from './write-reference.js'

/** `readModelHeader` for a model of the hub. */
export async function hubHeader(reference: HubReference, signal: AbortSignal | undefined): Promise<FoundHeader> {
  const hub = await hubSettings()
  const { repo, revision } = reference
  const cached = await cachedModel(hub, reference)
  if (cached !== undefined) return { header: await checkModelFile(cached), openSource: openFile, isLocal: true }
  try {
    const named = reference.kind === 'hub-file' ? reference.file : await chooseFile(hub, reference, { signal })
    const file = allParts(named)[0] ?? named
    if (hub.offline)
      throw new StreamingLLMError(
        'MODEL_NOT_FOUND',
        `${describeFile({ repo, revision, file })} is not in the cache ${hub.cacheDirectory}, and HF_HUB_OFFLINE is set. Unset it to ask the hub.`,
      )
    // All parts by the first one's commit, so that they are of one make.
    let commit: string | undefined
    const open: OpenSource = async path => {
      const address = { repo, revision: commit ?? revision, file: fileOf(path) }
      const info = await fetchFileInfo(hub, address, { signal })
      commit ??= info.commit
      if (info.size === undefined)
        throw new StreamingLLMError(
          'DOWNLOAD_FAILED',
          `${hub.endpoint} does not say how large ${describeFile(address)} is. Check HF_ENDPOINT.`,
        )
      return hubSource(hub, { ...address, revision: commit }, info.size, signal)
    }
    const opened = new Map<string, ReturnType<OpenSource>>()
    const openSource: OpenSource = async path => {
      const opening = opened.get(path) ?? open(path)
      opened.set(path, opening)
      return await opening
    }
    return {
      header: await checkModelFile(writeReference({ repo, revision, file }), openSource),
      openSource,
      isLocal: false,
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw settleFailure(error, `The header of ${repo}`)
  }
}

/** Parts are named as the first one is. */
function fileOf(path: string): string {
  const parsed = parseReference(path)
  return parsed.kind === 'hub-file' ? parsed.file : path
}
