import type { Model } from '../../lib/index.js'
import { defaultThreads } from '../../lib/options/parse.js'
import { attentionMaps } from '../evaluation/attention.js'
import type { Setting } from './experiment.js'
import { stoppedBy } from './stopping.js'

/** Mean attention weights over all heads of a layer and over some sentences. */
export type MeanAttention = {
  sentences: number
  /** `layers[layer][token][seen]`; 0 for what comes after the token. */
  layers: number[][][]
}

/** Takes sentences of the text and lets llama.cpp show the attention weights of each layer, in a process of its own. */
export async function measureAttention(
  setting: Setting,
  { sentences, length }: { sentences: number; length: number },
  progress: (share: number) => void,
): Promise<MeanAttention> {
  const { model, threads = defaultThreads() } = setting
  const found = sentencesOf(setting.text.content, await setting.open(model), sentences, length)
  const { signal, onProgress } = stoppedBy(progress)
  const tokens = Int32Array.from(found.flatMap(ids => [...ids]))
  const { layers, weights } = await attentionMaps({ model: model.path, tokens, length, threads, signal }, onProgress)
  const weight = (layer: number, token: number, seen: number) =>
    Number((weights[(layer * length + token) * length + seen] ?? 0).toFixed(5))
  const indices = (count: number) => Array.from({ length: count }, (_, index) => index)
  return {
    sentences: found.length,
    layers: indices(layers).map(layer =>
      indices(length).map(token => indices(length).map(seen => weight(layer, token, seen))),
    ),
  }
}

/**
 * The first tokens of sentences that are long enough, each with the beginning-of-sequence token where the model has
 * one.
 */
function sentencesOf(text: string, model: Model, count: number, length: number): Int32Array[] {
  const found: Int32Array[] = []
  for (const [sentence] of text.replace(/\s+/g, ' ').matchAll(/[^.!?]{40,}[.!?]/g)) {
    const ids = model.textTokens(sentence.trim())
    if (ids.length >= length) found.push(ids.subarray(0, length))
    if (found.length === count) return found
  }
  if (found.length === 0) throw new Error(`the text has no sentence of ${length} tokens`)
  return found
}
