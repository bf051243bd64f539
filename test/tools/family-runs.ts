import type {
  NativeContextOptions,
  NativeModel,
  NativeSequence,
  NativeSequenceOptions,
} from '../../lib/engine/native.js'
import { drain, loadNative, openAddon, verified } from './native-engine.js'
import { seeded } from './random.js'
import { type TinyKind, type TinyOptions, tinyModel } from './tiny-models.js'

const addon = openAddon()

/** Families that keep keys and values, and whose positions are differences. */
export const attentionFamilies: TinyKind[] = [
  'llama',
  'qwen2',
  'qwen2vl',
  'gptneox',
  'bloom',
  'mpt',
  'gemma2',
  'gemma3',
  'deepseek2',
  'llama-yarn',
  'smollm3',
  'mistral3',
]
/** Families with a recurrent state, alone or beside attention. */
export const recurrentFamilies: TinyKind[] = ['lfm2', 'lfm2-windowed', 'jamba', 'qwen35', 'mamba']
/** Families with learned absolute positions. */
export const learnedFamilies: TinyKind[] = ['gpt2', 'starcoder', 'mpt-learned']

/** Opens the model, gives it to `use`, and closes it however that ends. */
export async function withModel<T>(
  kind: TinyKind,
  options: TinyOptions,
  use: (model: NativeModel) => Promise<T>,
  context: Partial<NativeContextOptions> = {},
): Promise<T> {
  const model = await loadNative(addon, tinyModel(kind, options), context)
  try {
    return await use(model)
  } finally {
    await model.close()
  }
}

/**
 * A verified streaming sequence of 4 sinks and a window of 60, re-anchored at each token, unless `options` say
 * otherwise.
 */
export async function withSequence<T>(
  model: NativeModel,
  options: Partial<NativeSequenceOptions>,
  use: (sequence: NativeSequence) => Promise<T>,
): Promise<T> {
  const sequence = model.openSequence({ ...verified, ...options })
  try {
    return await use(sequence)
  } finally {
    sequence.close()
  }
}

/** Random tokens, of those that every tiny vocabulary has. */
export function randomTokens(length: number, seed = 7): Int32Array {
  const random = seeded(seed)
  return Int32Array.from({ length }, () => 100 + random.below(230))
}

export async function append(sequence: NativeSequence, tokens: Int32Array) {
  return (await drain(sequence.start({ type: 'append', tokens }))).finish
}

/** Log-probabilities of the tokens, which are decoded one by one. */
export async function score(sequence: NativeSequence, tokens: Int32Array): Promise<number[]> {
  return (await drain(sequence.start({ type: 'score', tokens }))).scores
}

/** Scores of all tokens of a text but its first `prompt` ones, which are appended at once, in a sequence of its own. */
export function scoreText(
  model: NativeModel,
  text: Int32Array,
  options: Partial<NativeSequenceOptions> = {},
  prompt = 1,
): Promise<number[]> {
  return withSequence(model, options, async sequence => {
    await append(sequence, text.subarray(0, prompt))
    return score(sequence, text.subarray(prompt))
  })
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** The largest and the mean difference between two runs' scores. */
export function distance(one: readonly number[], other: readonly number[]): { max: number; mean: number } {
  if (one.length !== other.length || one.length === 0)
    throw new Error(`scores of ${one.length} and ${other.length} tokens cannot be compared`)
  const differences = one.map((value, i) => Math.abs(value - other[i]!))
  return { max: Math.max(...differences), mean: mean(differences) }
}
