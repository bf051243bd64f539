import type { NativeJob, NativeModel, NativeSequence, NativeSequenceOptions } from '../../lib/engine/native.js'
import {
  append,
  attentionFamilies,
  distance,
  learnedFamilies,
  randomTokens,
  recurrentFamilies,
  score,
  withModel,
} from '../tools/family-runs.js'
import { drain, greedy, loadNative, openAddon, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const addon = openAddon()
// One layer: there the truth is a plain decode of exactly the kept tokens.
let model: NativeModel
beforeAll(async () => {
  model = await loadNative(addon, tinyModel('llama', { layers: 1 }))
})
afterAll(() => model.close())

const some = randomTokens
/** Cells lie in another order, so sums round differently; with a sliding window the layers amplify it most. */
const bound = (kind: TinyKind) => (kind.startsWith('gemma') ? 5e-3 : 1e-3)
const optionsOf = (kind: TinyKind): NativeSequenceOptions => ({
  ...verified,
  ...(learnedFamilies.includes(kind)
    ? { policy: 'refill' as const }
    : recurrentFamilies.includes(kind) && !kind.startsWith('lfm2')
      ? { reanchorEvery: 2 ** 30 }
      : {}),
})
const joined = (...parts: ArrayLike<number>[]) => Int32Array.from(parts.flatMap(part => Array.from(part)))
const dense: NativeSequenceOptions = { ...verified, policy: 'dense', sinks: 0, window: 500 }
const run = (sequence: NativeSequence, job: NativeJob) => drain(sequence.start(job))
const kept = async (sequence: NativeSequence) =>
  Array.from((await run(sequence, { type: 'readTokens' })).finish.tokens ?? [])
const generate = (tokens: Int32Array, more: object = {}): NativeJob => ({
  type: 'generate',
  tokens,
  maxTokens: 24,
  timeLimit: 0,
  stop: [],
  sampling: greedy,
  ...more,
})

/** That the sequence gives the same log-probabilities as a plain decode of these tokens. */
async function expectSame(sequence: NativeSequence, tokens: ArrayLike<number>): Promise<void> {
  expect(await kept(sequence)).toEqual(Array.from(tokens))
  const reference = model.openSequence(dense)
  const probe = some(12, 99)
  await run(reference, { type: 'append', tokens: joined(tokens) })
  const { scores: expected } = await run(reference, { type: 'score', tokens: probe })
  const { scores } = await run(sequence, { type: 'score', tokens: probe })
  scores.forEach((score, i) => expect(score).toBeCloseTo(expected[i]!, 3))
  reference.close()
}

test.each(['readTokens', 'save'] as const)('%s ends when it is left, and the sequence is free', async type => {
  const sequence = model.openSequence(verified)
  await run(sequence, { type: 'append', tokens: some(20, 1) })
  const stream = sequence.start({ type })
  stream.cancel()
  expect((await drain(stream)).finish.seenTokens).toBe(20)
  expect(await kept(sequence)).toHaveLength(20)
  sequence.close()
})

test('what is all to be decoded again can be saved and comes back', () =>
  withModel('gemma3', {}, async model => {
    const sequence = model.openSequence(verified)
    await run(sequence, { type: 'append', tokens: some(150, 1) })
    // Windowed layers do not hold what the earlier tokens saw.
    await run(sequence, { type: 'cut', keep: 130 })
    const {
      finish: { state },
    } = await run(sequence, { type: 'save' })
    const other = model.openSequence(verified)
    await run(other, { type: 'restore', state: state!, tokensAlone: false })
    expect(await kept(other)).toEqual(await kept(sequence))
  }))

describe('windowed layers', () => {
  test('that see farther than the window has room find cells for each token, however long a reply', () =>
    withModel(
      'gemma3',
      { layers: 1, endBias: -20 },
      async model => {
        for (const policy of [
          { sinks: 0, window: 28 },
          { sinks: 4, window: 12 },
          { sinks: 4, window: 60 },
        ]) {
          const sequence = model.openSequence({ ...verified, ...policy })
          for (let turn = 0; turn < 4; turn++) await run(sequence, generate(some(20, turn), { maxTokens: 120 }))
          sequence.close()
        }
      },
      { batchSize: 32, maxSequences: 2 },
    ))
})

describe('cutting off the end', () => {
  test.each([[1], [5], [37], [60], [89]])('of what is all there, %i tokens stay', async keep => {
    const sequence = model.openSequence({ ...verified, window: 100 })
    const tokens = some(90, 1)
    await run(sequence, { type: 'append', tokens })
    const { finish } = await run(sequence, { type: 'cut', keep })
    expect(finish).toMatchObject({ seenTokens: keep, cachedTokens: keep, evictedTokens: 0 })
    await expectSame(sequence, tokens.subarray(0, keep))
    sequence.close()
  })

  test('of a window that has moved on, what was evicted stays so', async () => {
    const sequence = model.openSequence(verified)
    const tokens = some(200, 2)
    await run(sequence, { type: 'append', tokens: tokens.subarray(0, 64) })
    for (const token of tokens.subarray(64)) await run(sequence, { type: 'append', tokens: Int32Array.of(token) })
    const { finish } = await run(sequence, { type: 'cut', keep: 180 })
    expect(finish.seenTokens).toBe(180)
    const { evictedTokens } = finish
    expect(evictedTokens).toBe(200 - 64 - 1) // the last token waits
    // Appended one by one, the cache is the same as with sinks and window.
    await expectSame(sequence, joined(tokens.subarray(0, 4), tokens.subarray(4 + evictedTokens, 180)))
    sequence.close()
  })

  test('of windowed layers, which have given up what the earlier tokens saw, decodes it again', () =>
    withModel(
      'gemma3',
      {},
      async model => {
        const random = seeded(11)
        for (let round = 0; round < 60; round++) {
          // The windowed layers see 32 tokens; sinks move below the gap that they leave.
          const sequence = model.openSequence({ ...verified, window: 60, reanchorEvery: 1 + random.below(20) })
          await run(sequence, { type: 'append', tokens: some(70 + random.below(200), round) })
          for (let step = 0; step < 4; step++) {
            if (random.chance(0.5))
              await run(sequence, generate(some(1 + random.below(30), step), { maxTokens: 1 + random.below(40) }))
            const {
              finish: { seenTokens, evictedTokens },
            } = await run(sequence, { type: 'readTokens' })
            const min = Math.max(evictedTokens + 4, seenTokens - 59) + 1
            await run(sequence, { type: 'cut', keep: min + random.below(seenTokens - min + 1) }).catch(
              (error: { code: string }) => expect(error.code).toBe('EVICTED'),
            )
            await run(sequence, { type: 'score', tokens: some(1 + random.below(5), step) })
          }
          sequence.close()
        }
      },
      { batchSize: 16 },
    ))

  test('of what recompute will decode again keeps what it says that it keeps', async () => {
    const random = seeded(5)
    let cuts = 0
    for (let round = 0; round < 40; round++) {
      const sequence = model.openSequence({ ...verified, policy: 'recompute', sinks: 2, window: 10 })
      for (let step = 0; step < 12; step++) {
        const job: NativeJob = random.chance(0.5)
          ? { type: 'append', tokens: some(1 + random.below(9), step) }
          : generate(some(1 + random.below(4), step), { maxTokens: 1 + random.below(6) })
        await run(sequence, job)
        const {
          finish: { seenTokens, cachedTokens },
        } = await run(sequence, { type: 'readTokens' })
        const before = await kept(sequence)
        const drop = 1 + random.below(cachedTokens - 1)
        const isCut = await run(sequence, { type: 'cut', keep: seenTokens - drop }).then(
          () => true,
          (error: { code: string }) => (error.code === 'EVICTED' ? false : Promise.reject(error as unknown as Error)),
        )
        const expected = isCut ? before.slice(0, -drop) : before
        expect(await kept(sequence)).toEqual(expected)
        if (isCut) cuts++
        // What it says is what it decodes.
        await run(sequence, generate(Int32Array.of(200), { maxTokens: 1 }))
        const after = await kept(sequence)
        expect(after.slice(0, -2)).toEqual([...expected].slice(expected.length - (after.length - 2)))
      }
      sequence.close()
    }
    expect(cuts).toBeGreaterThan(20)
  })

  test('to nothing, it is a new conversation', async () => {
    const sequence = model.openSequence({ ...verified, reanchorEvery: 7 })
    await run(sequence, generate(some(200, 3)))
    expect((await run(sequence, { type: 'cut', keep: 0 })).finish).toMatchObject({
      seenTokens: 0,
      cachedTokens: 0,
      evictedTokens: 0,
    })
    const tokens = some(30, 4)
    await run(sequence, { type: 'append', tokens })
    await expectSame(sequence, tokens)
    sequence.close()
  })

  test('behind an end that was evicted is refused, and changes nothing', async () => {
    const sequence = model.openSequence({ ...verified, reanchorEvery: 7 })
    await run(sequence, { type: 'append', tokens: some(300, 5) })
    const before = await kept(sequence)
    await expect(run(sequence, { type: 'cut', keep: 100 })).rejects.toMatchObject({ code: 'EVICTED' })
    await expect(run(sequence, { type: 'cut', keep: 301 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(await kept(sequence)).toEqual(before)
    sequence.close()
  })

  test('and saying something else gives the reply that it would have given at once', async () => {
    const [before, wrong, right] = [some(40, 7), some(15, 8), some(15, 9)]
    const sequence = model.openSequence({ ...verified, window: 200 })
    await run(sequence, generate(joined(before, wrong)))
    await run(sequence, { type: 'cut', keep: 40 })
    const other = await run(sequence, generate(right))
    const fresh = model.openSequence({ ...verified, window: 200 })
    const expected = await run(fresh, generate(joined(before, right)))
    expect(other.text).toBe(expected.text)
    expect(await kept(sequence)).toEqual(await kept(fresh))
    sequence.close()
    fresh.close()
  })

  test.each([...attentionFamilies, ...recurrentFamilies])('%s: what follows is as if the end had never been', kind =>
    withModel(kind, {}, async loaded => {
      const options = { ...optionsOf(kind), window: 200 }
      const [before, wrong, next] = [some(60, 7), some(50, 8), some(30, 9)]
      const sequence = loaded.openSequence(options)
      await run(sequence, generate(joined(before, wrong)))
      await run(sequence, { type: 'cut', keep: 60 })
      const fresh = loaded.openSequence(options)
      await append(fresh, before)
      expect(distance(await score(sequence, next), await score(fresh, next)).max).toBeLessThan(bound(kind))
    }),
  )

  test.each(learnedFamilies)('%s, which must be decoded again all the same, refuses', kind =>
    withModel(kind, {}, async loaded => {
      const sequence = loaded.openSequence(optionsOf(kind))
      await append(sequence, some(30, 7))
      await expect(run(sequence, { type: 'cut', keep: 20 })).rejects.toMatchObject({ code: 'EVICTED' })
      expect(await kept(sequence)).toEqual(Array.from(some(30, 7)))
    }),
  )
})

describe('other sinks', () => {
  test.each([[4], [2], [9], [30]])('%i in place of 4 are exact below the window, at their own price', async count => {
    const sequence = model.openSequence({ ...verified, reanchorEvery: 7 })
    const tokens = some(200, 10)
    await run(sequence, { type: 'append', tokens })
    const window = (await kept(sequence)).slice(4)
    const sinks = some(count, 11)
    const { finish } = await run(sequence, { type: 'replaceSinks', tokens: sinks })
    expect(finish.seenTokens).toBe(200 + count - 4)
    const left = joined(sinks, window.slice(Math.max(0, window.length - 1 - (64 - count))))
    expect(await kept(sequence)).toEqual(Array.from(left))
    // Cut, so that nothing leaves while it is compared.
    await run(sequence, { type: 'cut', keep: 200 + count - 4 - 20 })
    await expectSame(sequence, left.subarray(0, -20))
    // It goes on as ever.
    expect((await run(sequence, generate(some(5, 12), { maxTokens: 200 }))).finish.cachedTokens).toBeLessThanOrEqual(65)
    sequence.close()
  })

  test('more than there are positions below the window: all is decoded again', async () => {
    const sequence = model.openSequence({ ...verified, window: 100 })
    const tokens = some(50, 13)
    await run(sequence, { type: 'append', tokens })
    const sinks = some(20, 14)
    await run(sequence, { type: 'replaceSinks', tokens: sinks })
    await expectSame(sequence, joined(sinks, tokens.subarray(4)))
    sequence.close()
  })

  test('before there are any, or too many, is refused, and changes nothing', async () => {
    const sequence = model.openSequence(verified)
    await run(sequence, { type: 'append', tokens: some(2, 15) })
    await expect(run(sequence, { type: 'replaceSinks', tokens: some(4, 16) })).rejects.toMatchObject({
      code: 'EVICTED',
    })
    await run(sequence, { type: 'append', tokens: some(20, 15) })
    const before = await kept(sequence)
    await expect(run(sequence, { type: 'replaceSinks', tokens: some(64, 16) })).rejects.toMatchObject({
      code: 'WINDOW_TOO_LARGE',
    })
    await expect(run(sequence, { type: 'replaceSinks', tokens: some(0, 16) })).rejects.toMatchObject({
      code: 'WINDOW_TOO_LARGE',
    })
    expect(await kept(sequence)).toEqual(before)
    sequence.close()
  })
})

describe('a fork', () => {
  test.each([...attentionFamilies, ...recurrentFamilies, ...learnedFamilies])(
    '%s: goes on as the first does, and neither hears of the other',
    kind =>
      withModel(kind, {}, async loaded => {
        const first = loaded.openSequence(optionsOf(kind))
        await run(first, generate(some(150, 17)))
        const second = first.fork()
        const third = second.fork()
        expect(await kept(second)).toEqual(await kept(first))
        const [a, b] = [some(40, 18), some(45, 19)]
        const scores = await Promise.all([score(first, a), score(second, b), score(third, a)])
        first.close()
        const alone = loaded.openSequence(optionsOf(kind))
        await run(alone, generate(some(150, 17)))
        const expected = await score(alone, a)
        expect(distance(scores[0], expected).max).toBeLessThan(bound(kind))
        expect(distance(scores[2], expected).max).toBeLessThan(bound(kind))
        expect(distance(scores[1].slice(0, 40), expected).max).toBeGreaterThan(0.01)
        expect((await run(second, generate(a, { maxTokens: 100 }))).finish.seenTokens).toBeGreaterThan(150 + 45 + 40)
      }),
  )

  test('of a closed or busy sequence, or of one too many, is refused', async () => {
    const few = await loadNative(addon, tinyModel('llama'), { maxSequences: 2 })
    try {
      const sequence = few.openSequence(verified)
      const stream = sequence.start(generate(some(5, 20), { maxTokens: 5 }))
      expect(() => sequence.fork()).toThrow(expect.objectContaining({ code: 'BUSY' }))
      await drain(stream)
      sequence.fork()
      expect(() => sequence.fork()).toThrow(expect.objectContaining({ code: 'NO_SEQUENCE_LEFT' }))
      sequence.close()
      expect(() => sequence.fork()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    } finally {
      await few.close()
    }
  })
})
