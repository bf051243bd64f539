import type { NativeModel, NativeSequenceOptions } from '../../lib/engine/native.js'
import { drain, loadNative, openAddon, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { readReferenceModel } from '../tools/reference/model.js'
import { negativeLogLikelihoods, type ReferencePolicy } from '../tools/reference/policies.js'
import { Transformer } from '../tools/reference/transformer.js'
import { type TinyKind, type TinyOptions, tinyModel } from '../tools/tiny-models.js'

// The engine against a forward pass that shares no code with it or with llama.cpp, token by token, with a float32
// cache and without flash attention (which rounds a float32 cache to float16).

interface Bounds {
  each: number
  mean: number
}

/** float32 against float64; measured on one machine: at most 3e-5, in the mean 2e-6. */
const exact: Bounds = { each: 2e-3, mean: 1e-4 }

/** With float16 weights llama.cpp rounds what they are multiplied with to float16, 11 bits. */
const halfWeights: Bounds = { each: 0.05, mean: 5e-3 }

/**
 * On CPUs llama.cpp takes GELU from a table: argument and result are rounded to float16, 11 bits, in each feed-forward
 * layer, where the reference computes the same formula in float64. Measured: at most 1e-3, in the mean 1.7e-4; with
 * the reference rounding in the same places it was 1.6e-4 and 1.2e-5, so the table is the reason.
 */
const geluTable: Bounds = { each: 2e-3, mean: 4e-4 }

const models: { name: string; kind: TinyKind; options?: TinyOptions; bounds: Bounds }[] = [
  { name: 'llama', kind: 'llama', options: { keyValueHeads: 4 }, bounds: exact },
  { name: 'llama with grouped heads', kind: 'llama', options: { heads: 4, keyValueHeads: 2 }, bounds: exact },
  {
    name: 'llama with one key and value head of size 64',
    kind: 'llama',
    options: { heads: 2, keyValueHeads: 1, layers: 2 },
    bounds: exact,
  },
  {
    name: 'llama with heads of size 96',
    kind: 'llama',
    options: { width: 192, heads: 2, keyValueHeads: 2, layers: 2 },
    bounds: exact,
  },
  { name: 'llama with float16 weights', kind: 'llama', options: { weights: 'f16', layers: 2 }, bounds: halfWeights },
  { name: 'qwen2', kind: 'qwen2', bounds: exact },
  { name: 'gptneox', kind: 'gptneox', bounds: geluTable },
  { name: 'bloom', kind: 'bloom', bounds: geluTable },
  { name: 'bloom with three heads', kind: 'bloom', options: { width: 96, heads: 3, layers: 2 }, bounds: geluTable },
]

const textLength = 90
const addon = openAddon()

describe.each(models)('log-likelihoods of $name agree with the reference', ({ kind, options, bounds }) => {
  const path = tinyModel(kind, options)
  const reference = new Transformer(readReferenceModel(path))
  const random = seeded(11)
  const tokens = Int32Array.from({ length: textLength + 1 }, () => random.below(reference.model.vocabulary))
  let model: NativeModel

  beforeAll(async () => {
    model = await loadNative(addon, path)
  })
  afterAll(() => model.close())

  /** What the engine gives to each token after the first. */
  async function engine(policy: Partial<NativeSequenceOptions>, count = tokens.length): Promise<number[]> {
    const sequence = model.openSequence({ ...verified, ...policy })
    await drain(sequence.start({ type: 'append', tokens: tokens.slice(0, 1) }))
    const { scores } = await drain(sequence.start({ type: 'score', tokens: tokens.slice(1, count) }))
    sequence.close()
    return scores.map(score => -score)
  }

  async function expectAgreement(
    policy: ReferencePolicy,
    native: Partial<NativeSequenceOptions> = policy,
    count = tokens.length,
  ) {
    const { max, mean } = difference(
      await engine(native, count),
      negativeLogLikelihoods(reference, tokens.slice(0, count), policy),
    )
    expect({ ...native, largest: max, mean, agrees: max <= bounds.each && mean <= bounds.mean }).toMatchObject({
      agrees: true,
    })
  }

  test.each([0, 1, 2, 4, 8])(
    'streaming with %i sinks: windows of one token, of about as many as sinks, of 28, and longer than the text',
    async sinks => {
      for (const window of [1, Math.max(3, sinks - 1), 28, textLength + 10])
        await expectAgreement({ policy: 'streaming', sinks, window })
    },
  )

  test('streaming from a later position', async () => {
    const policy = { policy: 'streaming', sinks: 4, window: 20 } as const
    await expectAgreement(policy, { ...policy, firstPosition: 1000 })
    // Rounded angles tell that positions did move; ALiBi knows only differences, and these are whole numbers.
    if (reference.model.positions !== 'alibi')
      expect(await engine({ ...policy, firstPosition: 1000 })).not.toEqual(await engine(policy))
  })

  test('dense', async () => {
    await expectAgreement({ policy: 'dense' }, { policy: 'dense', sinks: 0, window: textLength + 1 })
  })

  test('recompute', async () => {
    for (const [sinks, window] of [
      [0, 1],
      [0, 7],
      [4, 12],
    ] as const)
      await expectAgreement({ policy: 'recompute', sinks, window }, undefined, 48)
    // as long as everything fits, all tokens decoded afresh are what a cache that keeps them all holds
    await expectAgreement({ policy: 'dense' }, { policy: 'recompute', sinks: 4, window: textLength })
  })

  test('a sink too few, or sinks one position late, would be noticed', async () => {
    const policy = { policy: 'streaming', sinks: 4, window: 12 } as const
    const right = await engine(policy)
    for (const wrong of [
      { ...policy, sinks: 3 },
      { ...policy, sinks: 3, window: 13 },
      { ...policy, sinksLate: 1 },
    ]) {
      const { max, mean } = difference(right, negativeLogLikelihoods(reference, tokens, wrong))
      expect({ ...wrong, largest: max, mean, noticed: max > 5 * bounds.each && mean > 5 * bounds.mean }).toMatchObject({
        noticed: true,
      })
    }
  })
})

function difference(ours: readonly number[], theirs: Float64Array): { max: number; mean: number } {
  expect(ours.length).toBe(theirs.length)
  const differences = ours.map((each, i) => Math.abs(each - theirs[i]!))
  expect(differences.every(Number.isFinite)).toBe(true)
  return {
    max: Math.max(...differences),
    mean: differences.reduce((sum, each) => sum + each, 0) / differences.length,
  }
}
