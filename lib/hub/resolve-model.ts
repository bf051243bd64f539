import { StreamingLLMError } from '../errors.js'
import { throwIfAborted } from '../util/abort.js'
import { checksumMismatch, isSha256, sha256OfFile } from './checksum.js'
import { localFile } from './local-file.js'
import type { ModelProgress } from './progress.js'
import { parseReference } from './reference.js'

export type { ModelProgress } from './progress.js'

export interface ResolveModelOptions {
  /**
   * Ends a download; the promise then rejects with the signal's reason, and what has arrived is kept for the next call.
   */
  signal?: AbortSignal
  /** Called at most ten times a second during a download, and never when the file is there already. */
  onProgress?: (progress: ModelProgress) => void
  /** Expected SHA-256 of the file in hex; of a split model that of its first part. Default: whatever the hub says. */
  sha256?: string
  /** The folder for downloads. Default: the one of Python's huggingface_hub, see HF_HUB_CACHE and HF_HOME. */
  cacheDirectory?: string
}

/**
 * Where a model's file is on this machine, once it is there.
 *
 * A reference is a path, a `file:` URL, `hf:owner/repo[@revision]/path/file.gguf` or `hf:owner/repo[@revision]:QUANT`,
 * with the revision `main` by default. Models of Hugging Face are downloaded into the cache that Python's
 * huggingface_hub uses, once for all processes; broken downloads go on where they ended. HF_ENDPOINT, HF_TOKEN,
 * HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean there. A cached file of a commit is used without any
 * request. For a branch the hub is asked for changes, and the cached file is used if it cannot be reached.
 *
 * @returns the absolute path of the GGUF; for a split model that of the first part, with all others beside it
 * @throws {StreamingLLMError} INVALID_OPTION for a malformed reference or checksum; MODEL_NOT_FOUND when there is no
 *   such file, repository, revision or quant; DOWNLOAD_FAILED when the hub cannot be reached, refuses, or sends a file
 *   of the wrong size, or the disk does not take it; CHECKSUM_MISMATCH when the content is not the expected one
 * @throws `signal.reason` when aborted
 */
export async function resolveModel(reference: string, options: ResolveModelOptions = {}): Promise<string> {
  throwIfAborted(options.signal)
  if (options.sha256 !== undefined && !isSha256(options.sha256)) {
    throw new StreamingLLMError('INVALID_OPTION', `sha256 is "${options.sha256}", but must be 64 hexadecimal digits.`)
  }
  const parsed = parseReference(reference)
  if (parsed.kind !== 'path') {
    // Only now: a third of the time that importing this package took went to it, and a path needs none of it.
    const [{ hubModel }, { hubSettings }] = await Promise.all([import('./hub-model.js'), import('./hub-settings.js')])
    return await hubModel(await hubSettings({ cacheDirectory: options.cacheDirectory }), parsed, options)
  }
  const path = await localFile(parsed.path)
  if (options.sha256 !== undefined) {
    const actual = await sha256OfFile(path, options.signal)
    if (actual !== options.sha256.toLowerCase()) throw checksumMismatch(path, options.sha256, actual)
  }
  return path
}
