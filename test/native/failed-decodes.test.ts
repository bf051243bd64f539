import type { NativeJob, NativeModel, NativeSequence } from '../../lib/engine/native.js'
import { append, randomTokens, score, withModel } from '../tools/family-runs.js'
import { drain, greedy, openAddon, verified } from '../tools/native-engine.js'
import type { TinyKind } from '../tools/tiny-models.js'

const addon = openAddon()
/** No other text has it. */
const failing = 350
afterEach(() => addon.failDecodes(-1))

const scoresOf = async (model: NativeModel, tokens: Int32Array, probe: Int32Array) => {
  const sequence = model.openSequence({ ...verified, window: 200 })
  await append(sequence, tokens)
  const scores = await score(sequence, probe)
  sequence.close()
  return scores
}

const expectSame = async (sequence: NativeSequence, expected: readonly number[], probe: Int32Array) => {
  const scores = await score(sequence, probe)
  scores.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3))
}

describe.each(['llama', 'gemma3', 'jamba', 'mamba'] as TinyKind[])('%s: a batch that cannot be decoded', kind => {
  test('fails the job whose tokens are to blame, and no other of the batch', () =>
    withModel(kind, {}, async model => {
      const probe = randomTokens(8, 99)
      const others = [1, 2, 3].map(seed => randomTokens(20 + seed, seed))
      const expected = []
      for (const tokens of others) expected.push(await scoresOf(model, tokens, probe))

      addon.failDecodes(failing)
      const sequences = others.map(() => model.openSequence({ ...verified, window: 200 }))
      const bad = model.openSequence({ ...verified, window: 200 })
      // At once, so that all are in one batch.
      const [failure, ...finishes] = await Promise.allSettled([
        append(bad, Int32Array.of(300, 301, failing, 302)),
        ...sequences.map((sequence, i) => append(sequence, others[i]!)),
      ])
      expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'DECODE_FAILED' } })
      expect(finishes.map(({ status }) => status)).toEqual(others.map(() => 'fulfilled'))
      for (const [i, sequence] of sequences.entries()) await expectSame(sequence, expected[i]!, probe)
      // What was given belongs to the conversation, and is decoded as soon as it can be.
      addon.failDecodes(-1)
      await expectSame(bad, await scoresOf(model, Int32Array.of(300, 301, failing, 302), probe), probe)
      for (const sequence of [...sequences, bad]) sequence.close()
    }))

  test('in mid-reply leaves what was delivered, and the sequence goes on', () =>
    withModel(kind, { endBias: -20 }, async model => {
      const prompt = randomTokens(30, 5)
      const job = (forced: number[]): NativeJob => ({
        type: 'generate',
        tokens: prompt,
        maxTokens: 30,
        timeLimit: 0,
        stop: [],
        sampling: greedy,
        forcedDrafts: { tokens: Int32Array.from(forced), count: -1 },
      })
      const whole = model.openSequence({ ...verified, window: 200 })
      const {
        finish: { tokens = Int32Array.of() },
      } = await drain(whole.start(job([])))
      whole.close()
      // The first token of the reply that has not come before.
      const at = tokens.findIndex(
        (token, i) => i >= 5 && !tokens.subarray(0, i).includes(token) && !prompt.includes(token),
      )
      if (at < 0) return // a reply that only repeats itself shows nothing
      addon.failDecodes(tokens[at]!)
      const sequence = model.openSequence({ ...verified, window: 200 })
      await expect(drain(sequence.start(job([])))).rejects.toMatchObject({ code: 'DECODE_FAILED' })
      addon.failDecodes(-1)
      const { finish } = await drain(sequence.start({ type: 'readTokens' }))
      const kept = finish.tokens!
      expect(Array.from(kept)).toEqual([...prompt, ...tokens.subarray(0, kept.length - prompt.length)])
      const probe = randomTokens(8, 99)
      await expectSame(sequence, await scoresOf(model, kept, probe), probe)
      sequence.close()
    }))
})
