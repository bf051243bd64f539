import { append, distance, randomTokens, score, scoreText, withModel, withSequence } from '../tools/family-runs.js'
import type { TinyKind, TinyOptions } from '../tools/tiny-models.js'

/**
 * Everything a model sees is a difference of positions, so where a text begins must not matter, evictions and moved
 * sinks included. What is left is float32's rounding of rotations; the bounds are about twice what was measured.
 */
const families: [name: string, kind: TinyKind, options: TinyOptions, max: number, mean: number][] = [
  ['RoPE norm, head size 32', 'llama', {}, 4e-3, 4e-4],
  ['RoPE norm, head size 64', 'llama', { heads: 2 }, 4e-3, 4e-4],
  ['RoPE norm, head size 96', 'llama', { heads: 2, width: 192, layers: 2 }, 4e-3, 4e-4],
  ['RoPE neox, biases', 'qwen2', {}, 2e-3, 2e-4],
  ['RoPE of a part, parallel residual', 'gptneox', {}, 7e-4, 8e-5],
  ['M-RoPE', 'qwen2vl', {}, 2e-3, 2e-4],
  ['ALiBi', 'bloom', {}, 0, 0],
  ['ALiBi', 'mpt', {}, 0, 0],
  ['sliding window', 'gemma2', {}, 1e-2, 1.6e-3],
  ['sliding window', 'gemma3', {}, 1e-2, 8e-4],
  ['MLA', 'deepseek2', {}, 7e-4, 6e-5],
  ['YaRN', 'llama-yarn', {}, 5e-3, 6e-4],
  ['NoPE layers', 'smollm3', {}, 4e-3, 5e-4],
  ['hybrid', 'lfm2', {}, 7e-5, 1.2e-5],
  ['hybrid, all attention windowed', 'lfm2-windowed', {}, 9e-5, 1.6e-5],
  ['hybrid without positions', 'jamba', {}, 0, 0],
  ['hybrid, interleaved M-RoPE', 'qwen35', {}, 1.2e-4, 1.6e-5],
  ['recurrent', 'mamba', {}, 0, 0],
]

describe('where a text begins', () => {
  test.each(families)('does not matter: %s (%s)', (_, kind, options, max, mean) =>
    withModel(kind, options, async model => {
      const text = randomTokens(600)
      const runs: number[][] = []
      for (const firstPosition of [0, 5000]) {
        await withSequence(model, { firstPosition }, async sequence => {
          await append(sequence, text.subarray(0, 150)) // in batches of many, the rest one by one
          runs.push(await score(sequence, text.subarray(150)))
          // The last token waits to be decoded with what will follow it; 4 + 60 of those before it are left.
          const { seenTokens, cachedTokens, evictedTokens } = await append(sequence, new Int32Array(0))
          expect({ seenTokens, cachedTokens, evictedTokens }).toEqual({
            seenTokens: 600,
            cachedTokens: 65,
            evictedTokens: 535,
          })
        })
      }
      const apart = distance(runs[0]!, runs[1]!)
      expect(apart.max).toBeLessThanOrEqual(max)
      expect(apart.mean).toBeLessThanOrEqual(mean)
    }),
  )

  test('matters to a model whose attention has a temperature, from its original length on', () =>
    withModel('mistral3', {}, async model => {
      const text = randomTokens(600)
      const [near, below, beyond] = [
        await scoreText(model, text),
        await scoreText(model, text, { firstPosition: 400 }),
        await scoreText(model, text, { firstPosition: 5000 }),
      ]
      expect(distance(near, below).max).toBeLessThan(4e-3)
      expect(distance(near, beyond).mean).toBeGreaterThan(0.05)
    }))

  test('does not matter to such a model where positions are brought back before', async () => {
    // The same weights, once with the temperature, which changes at position 1024, and once without.
    const text = randomTokens(600)
    const run = (kind: TinyKind, rebaseAfter: number) =>
      withModel(kind, {}, model => scoreText(model, text, { firstPosition: 700, rebaseAfter }))
    expect(distance(await run('mistral3', 900), await run('llama', 900)).max).toBeLessThan(4e-3)
    expect(
      distance((await run('mistral3', 131_072)).slice(400), (await run('llama', 131_072)).slice(400)).mean,
    ).toBeGreaterThan(0.02)
  })
})
