import type { ModelHeader } from '../gguf/check.js'
import { checkLoraFile } from '../gguf/lora.js'
import { type ResolveModelOptions, resolveModel } from '../hub/resolve-model.js'
import type { AdapterOptions } from '../options/types.js'
import { throwIfAborted } from '../util/abort.js'
import { modelFingerprint } from './fingerprint.js'

/** An adapter that is part of a loaded model. Plain values. */
export interface AdapterInfo {
  /** Where its file is. */
  readonly path: string
  /** GGUF's `general.name`; undefined where the file gives none. */
  readonly name: string | undefined
  readonly scale: number
  /** The largest of its pairs of matrices. */
  readonly rank: number
  /** How many of the model's tensors it changes. */
  readonly tensors: number
  /** Bytes of the file. */
  readonly sizeBytes: number
}

/** An adapter that has been found and fits the model. */
export interface FoundLora extends AdapterInfo {
  /** Tells its file from others. */
  fingerprint: string
  /** What people should know. */
  notices: string[]
}

/**
 * Finds each adapter, downloading what is not here, and checks it against the model.
 *
 * @throws {StreamingLLMError} ADAPTER_INVALID; for the files as `resolveModel`
 */
export async function findLoras(
  wanted: readonly AdapterOptions[],
  base: ModelHeader,
  options: Pick<ResolveModelOptions, 'signal' | 'onProgress'>,
): Promise<FoundLora[]> {
  const found: FoundLora[] = []
  for (const { path: reference, scale = 1 } of wanted) {
    const path = await resolveModel(reference, options)
    const { name, rank, pairs, sizeBytes, leftOut } = await checkLoraFile(path, base)
    throwIfAborted(options.signal)
    const notices =
      leftOut.length > 0
        ? [
            `The adapter ${path} changes ${leftOut.length} norms as well, which llama.cpp leaves out: replies may differ from those it was trained for.`,
          ]
        : []
    found.push({
      path,
      name,
      scale,
      rank,
      tensors: pairs,
      sizeBytes,
      notices,
      fingerprint: await modelFingerprint(path),
    })
  }
  return found
}

/** What a saved cache has to have in common with the adapters that made it. Those of scale 0 change nothing. */
export function lorasKind(loras: readonly FoundLora[]): string {
  const working = loras.filter(({ scale }) => scale !== 0)
  return working.map(({ fingerprint, scale }) => `, adapter ${fingerprint.slice(0, 16)} * ${scale}`).join('')
}
