import { checkModelFile, type ModelHeader } from '../gguf/check.js'
import { openFile } from '../gguf/open.js'
import type { OpenSource } from '../gguf/source.js'
import { throwIfAborted } from '../util/abort.js'
import { localFile } from './local-file.js'
import { parseReference } from './reference.js'

export interface FoundHeader {
  header: ModelHeader
  /** Opens the model's files again. */
  openSource: OpenSource
  /** The model is on this machine; else only its header was fetched. */
  isLocal: boolean
}

/**
 * What a model's file says of it, without downloading the model: of one that is not in the cache only the header is
 * fetched, some megabytes at most. One that is in the cache is taken as it is; the hub is not asked for news.
 *
 * @throws {StreamingLLMError} INVALID_OPTION, MODEL_NOT_FOUND, DOWNLOAD_FAILED, and what `checkModelFile` throws
 * @throws `signal.reason` when aborted
 */
export async function readModelHeader(
  reference: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<FoundHeader> {
  throwIfAborted(signal)
  const parsed = parseReference(reference)
  if (parsed.kind === 'path')
    return { header: await checkModelFile(await localFile(parsed.path)), openSource: openFile, isLocal: true }
  // Only now, as in resolveModel: a path needs none of it.
  const { hubHeader } = await import('./hub-header.js')
  return await hubHeader(parsed, signal)
}
