import type { NativeContextOptions, NativeSequenceOptions } from '../../lib/engine/native.js'
import { distance, mean, randomTokens, scoreText, withModel } from '../tools/family-runs.js'
import type { TinyKind, TinyOptions } from '../tools/tiny-models.js'

type Cache = Pick<NativeContextOptions, 'kvType' | 'flashAttention'>

// `moved`: mean difference between two starting positions, about twice what was measured.
const cases: [
  name: string,
  kind: TinyKind,
  options: TinyOptions,
  kvType: Cache['kvType'],
  flashAttention: Cache['flashAttention'],
  moved: number,
][] = [
  ['head size 64', 'llama', { heads: 2 }, 'f16', 'off', 2e-3],
  ['head size 64', 'llama', { heads: 2 }, 'f16', 'on', 3e-3],
  ['head size 64', 'llama', { heads: 2 }, 'q8_0', 'on', 4e-2],
  ['head size 64', 'llama', { heads: 2 }, 'q4_0', 'on', 0.5],
  ['head size 96', 'llama', { heads: 2, width: 192, layers: 2 }, 'f16', 'on', 3e-3],
  ['head size 96', 'llama', { heads: 2, width: 192, layers: 2 }, 'q8_0', 'on', 4e-2],
  ['head size 96', 'llama', { heads: 2, width: 192, layers: 2 }, 'q4_0', 'on', 0.5],
  ['M-RoPE', 'qwen2vl', {}, 'q8_0', 'on', 5e-2],
  ['RoPE of a part', 'gptneox', {}, 'q8_0', 'on', 2e-2],
  ['YaRN', 'llama-yarn', {}, 'q4_0', 'on', 0.7],
  ['sliding window', 'gemma2', {}, 'f16', 'on', 1e-2],
  ['sliding window', 'gemma3', {}, 'q8_0', 'on', 5e-2],
  ['hybrid', 'qwen35', {}, 'q8_0', 'on', 6e-3],
  ['hybrid', 'lfm2', {}, 'q4_0', 'on', 5e-2],
]

describe('caches of less precision', () => {
  test.each(cases)(
    '%s (%s, %j), %s, flash attention %s: moving sinks adds nothing to what the cache itself loses',
    async (_, kind, options, kvType, flashAttention, moved) => {
      const text = randomTokens(500)
      const run = (cache: Cache, sequence: Partial<NativeSequenceOptions>) =>
        withModel(kind, options, model => scoreText(model, text, sequence), cache)
      const dense = { policy: 'dense', sinks: 0, window: 500 } as const
      const exact: Cache = { kvType: 'f32', flashAttention: 'off' }
      const lossy: Cache = { kvType, flashAttention }
      const [streaming, exactly] = [await run(lossy, {}), await run(exact, {})]
      const loss = distance(streaming, exactly)
      const denseLoss = distance(await run(lossy, dense), await run(exact, dense))
      // Over fewer keys their noise averages out less.
      expect(loss.mean).toBeLessThan(2 * denseLoss.mean)
      // It does not pile up: sinks that were moved for 400 tokens are as good as new ones.
      expect(distance(streaming.slice(300), exactly.slice(300)).mean).toBeLessThan(
        1.5 * distance(streaming.slice(0, 200), exactly.slice(0, 200)).mean,
      )
      expect(Math.abs(mean(streaming) - mean(exactly))).toBeLessThan(0.1)
      expect(distance(await run(lossy, { firstPosition: 5000 }), streaming).mean).toBeLessThan(moved)
    },
  )
})
