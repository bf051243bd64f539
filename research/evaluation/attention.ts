import { resolve } from 'node:path'
import { StreamingLLMError } from '../../lib/errors.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import type { AttentionMaps } from './addon.js'
import { callInChild } from './child.js'

export interface AttentionOptions {
  /** Path of a GGUF file. */
  model: string
  /** Texts of `length` tokens each, one after another; one text at least. */
  tokens: Int32Array
  /** Tokens of each text, 2 to 512. */
  length: number
  /** Threads that compute; 1 unless given. */
  threads?: number
  signal?: AbortSignal
}

/**
 * What each layer attends to: attention weights after the softmax, averaged over heads and texts, each text decoded
 * from an empty cache. They are read while llama.cpp computes them, in a child process, without flash attention.
 *
 * @throws {StreamingLLMError} INVALID_OPTION, MODEL_UNSUPPORTED for a model without attention, OUT_OF_MEMORY,
 *   DECODE_FAILED, MODEL_LOAD_FAILED, what `checkModelFile` throws. Rejects with `signal.reason` when aborted.
 */
export async function attentionMaps(
  { model, tokens, length, threads = 1, signal }: AttentionOptions,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<AttentionMaps> {
  const fits =
    Number.isInteger(length) && length >= 2 && length <= 512 && tokens.length > 0 && tokens.length % length === 0
  if (!fits)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `attentionMaps: 'tokens' must be texts of 'length' tokens, 2 to 512; got ${tokens.length} tokens and ${length}`,
    )
  await checkModelFile(model)
  const texts = tokens.length / length
  return await callInChild('attention', [{ model: resolve(model), tokens, length, threads }], {
    signal,
    onProgress: done => onProgress(done, texts),
  })
}
