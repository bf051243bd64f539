import {
  append,
  attentionFamilies,
  distance,
  learnedFamilies,
  mean,
  randomTokens,
  recurrentFamilies,
  score,
  scoreText,
  withModel,
  withSequence,
} from '../tools/family-runs.js'
import { drain, greedy, read } from '../tools/native-engine.js'
import type { TinyKind } from '../tools/tiny-models.js'

describe('policies agree', () => {
  test.each([...attentionFamilies, ...recurrentFamilies])(
    '%s: streaming with a window longer than the text is dense, and so is recompute',
    kind =>
      withModel(kind, {}, async model => {
        const text = randomTokens(130)
        const dense = await scoreText(model, text, { policy: 'dense', sinks: 0, window: 200 })
        const streaming = await scoreText(model, text, { window: 200 })
        expect(distance(streaming, dense).max).toBeLessThan(1e-5)
        const recompute = await scoreText(model, text, { policy: 'recompute', window: 200 })
        expect(distance(recompute, dense).max).toBeLessThan(1e-5)
      }),
  )

  // A key or a value of the first layer holds its own token and nothing else, so that of one layer is all there is to
  // know.
  test.each(attentionFamilies)(
    '%s of one layer: window attention is recomputation, and a rebase changes nothing',
    kind =>
      withModel(kind, { layers: 1 }, async model => {
        const text = randomTokens(200)
        const recompute = await scoreText(model, text, { policy: 'recompute', sinks: 0 })
        const window = await scoreText(model, text, { sinks: 0 })
        const bound = kind.startsWith('gemma') ? 3e-3 : 1e-4
        expect(distance(window, recompute).max).toBeLessThan(bound)
        const streaming = await scoreText(model, text)
        const rebased = await withSequence(model, {}, async sequence => {
          await append(sequence, text.subarray(0, 1))
          const before = await score(sequence, text.subarray(1, 120))
          const { counts } = await drain(sequence.start({ type: 'rebase' }))
          expect(counts['rebase']).toBe(1)
          return [...before, ...(await score(sequence, text.subarray(120)))]
        })
        expect(distance(rebased, streaming).max).toBeLessThan(bound)
        // What is kept, decoded afresh on a dense cache, is what the next token must see.
        for (const at of [90, 150, 199]) {
          const kept = Int32Array.of(...text.subarray(0, 4), ...text.subarray(at - 61, at))
          const fresh = await scoreText(
            model,
            Int32Array.of(...kept, text[at]!),
            { policy: 'dense', sinks: 0, window: 100 },
            kept.length,
          )
          expect(Math.abs(fresh[0]! - streaming[at - 1]!)).toBeLessThan(bound)
        }
      }),
  )

  test.each([...attentionFamilies, ...recurrentFamilies])(
    '%s: a rebase of many layers is not exact, as older keys have seen what is gone, but the mean stays',
    kind =>
      withModel(kind, {}, async model => {
        const text = randomTokens(600)
        const without = await scoreText(model, text)
        const rebased = await withSequence(model, {}, async sequence => {
          await append(sequence, text.subarray(0, 1))
          const before = await score(sequence, text.subarray(1, 200))
          await drain(sequence.start({ type: 'rebase' }))
          return [...before, ...(await score(sequence, text.subarray(200)))]
        })
        expect(distance(rebased.slice(0, 199), without.slice(0, 199)).max).toBeLessThan(
          kind.startsWith('gemma') ? 1e-2 : 1e-4,
        )
        expect(Math.abs(mean(rebased.slice(199)) - mean(without.slice(199)))).toBeLessThan(0.1)
      }),
  )

  test.each(['streaming', 'refill', 'recompute'] as const)(
    '%s: of a prompt that is much longer than the window, what has been done is told from first to last',
    policy =>
      withModel(
        'gpt2',
        {},
        model =>
          withSequence(model, { policy, ...(policy === 'streaming' && { reanchorEvery: 2 ** 30 }) }, async sequence => {
            await append(sequence, randomTokens(50))
            for (const length of [20, 150, 400]) {
              const told: number[] = []
              for await (const event of read(
                sequence.start({
                  type: 'generate',
                  tokens: randomTokens(length),
                  maxTokens: 2,
                  timeLimit: 0,
                  stop: [],
                  sampling: greedy,
                }),
              )) {
                if (event.type === 'prefill') told.push(event.done / event.total)
              }
              expect(told).toEqual([...told].sort((a, b) => a - b))
              expect([told[0], told.at(-1)]).toEqual([0, 1])
            }
          }),
        { batchSize: 16 },
      ),
  )

  test('jamba has no positions, so its sinks need not move', () =>
    withModel('jamba', {}, async model => {
      const text = randomTokens(400)
      const [each, seldom, never] = [
        await scoreText(model, text),
        await scoreText(model, text, { reanchorEvery: 16 }),
        await scoreText(model, text, { reanchorEvery: 2 ** 30 }),
      ]
      expect(distance(seldom, each).max).toBeLessThan(1e-5)
      expect(distance(never, each).max).toBeLessThan(1e-5)
    }))

  test('LFM2 with all attention windowed never sees its sinks again', () =>
    withModel('lfm2-windowed', {}, async model => {
      const text = randomTokens(400)
      expect(distance(await scoreText(model, text), await scoreText(model, text, { sinks: 0 })).max).toBeLessThan(1e-5)
    }))

  test.each<TinyKind>(['llama', 'gemma3', 'qwen35'])(
    '%s: where sinks are and how often they move does make a difference',
    kind =>
      withModel(kind, {}, async model => {
        const text = randomTokens(400)
        const streaming = await scoreText(model, text)
        expect(distance(await scoreText(model, text, { sinks: 0, window: 64 }), streaming).mean).toBeGreaterThan(0.01)
        expect(distance(await scoreText(model, text, { reanchorEvery: 16 }), streaming).mean).toBeGreaterThan(1e-3)
      }),
  )
})

describe('learned positions', () => {
  test.each(learnedFamilies)('%s goes on past its trained length, and is exact after a refill', kind =>
    withModel(kind, { contextLength: 128 }, async model => {
      const text = randomTokens(600)
      const refill = await scoreText(model, text, { policy: 'refill' })
      expect(refill.every(Number.isFinite)).toBe(true)
      // Full with 64 tokens, before the next one is decoded: 4 and the latest 30 of the others stay.
      for (const full of [64, 94, 124, 574]) {
        const kept = Int32Array.of(...text.subarray(0, 4), ...text.subarray(full - 30, full))
        const next = text.subarray(full, Math.min(600, full + 31))
        const fresh = await scoreText(
          model,
          Int32Array.of(...kept, ...next),
          { policy: 'dense', sinks: 0, window: 128 },
          kept.length + 1,
        )
        expect(distance(fresh, refill.slice(full, full + fresh.length)).max).toBeLessThan(2e-5)
      }
    }),
  )

  test.each(learnedFamilies)('%s recomputes', kind =>
    withModel(kind, { layers: 1, contextLength: 128 }, async model => {
      const text = randomTokens(200)
      const recompute = await scoreText(model, text, { policy: 'recompute' })
      for (const at of [64, 65, 199]) {
        const seen = text.subarray(Math.max(0, at - 65), at + 1)
        const fresh = await scoreText(model, seen, { policy: 'dense', sinks: 0, window: 128 }, seen.length - 1)
        expect(Math.abs(fresh[0]! - recompute[at - 1]!)).toBeLessThan(2e-5)
      }
    }),
  )
})
