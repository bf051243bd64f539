import { jest } from '@jest/globals'
import type { NativeJob, NativeModel, NativeSequence, NativeSequenceOptions } from '../../lib/native.js'
import { append, attentionFamilies, distance, learnedFamilies, randomTokens, recurrentFamilies, score, withModel, withSequence } from '../tools/family-runs.js'
import { drain, greedy, read, verified } from '../tools/native-engine.js'
import type { TinyKind } from '../tools/tiny-models.js'

jest.setTimeout(30_000)

const all = [...attentionFamilies, ...recurrentFamilies, ...learnedFamilies]

const optionsOf = (kind: TinyKind): Partial<NativeSequenceOptions> => learnedFamilies.includes(kind) ? { policy: 'refill' } : {}
/** Cells lie in another order, so sums round differently; with a sliding window the layers amplify it most. */
const bound = (kind: TinyKind) => kind.startsWith('gemma') ? 5e-3 : recurrentFamilies.includes(kind) ? 2e-5 : 1e-3

const generate = (tokens: Int32Array, maxTokens: number, more: object = {}): NativeJob =>
  ({ type: 'generate', tokens, maxTokens, timeLimit: 0, stop: [], sampling: { ...greedy, temperature: 1, seed: 3 }, ...more })

/** The reply's text, each event apart; cancelled after `taken` of them and a moment in which the engine runs ahead. */
async function interrupted(sequence: NativeSequence, job: NativeJob, taken: number) {
  const stream = sequence.start(job)
  const texts: string[] = []
  while (texts.length < taken) {
    const event = stream.take()
    if (event === null) await new Promise<void>((resolve) => stream.wait(resolve))
    else if (event.type === 'text') texts.push(event.text)
    else if (event.type === 'finish' || event.type === 'error') throw new Error(`the reply ended too soon: ${JSON.stringify(event)}`)
  }
  await new Promise((resolve) => setTimeout(resolve, 30))
  stream.cancel()
  return { text: texts.join(''), finish: (await drain(stream)).finish }
}

/** Scores of a continuation after `reply`, long enough for its evictions to reach what was there before. */
const after = (model: NativeModel, kind: TinyKind, more: Partial<NativeSequenceOptions>, reply: (sequence: NativeSequence) => Promise<void>) =>
  withSequence(model, { ...optionsOf(kind), ...more }, async (sequence) => {
    await reply(sequence)
    const next = randomTokens(91, 99)
    await append(sequence, next.subarray(0, 1))
    return score(sequence, next.subarray(1))
  })

describe('what was not read is taken back', () => {
  test.each(all)('%s: a reply that is left', (kind) => withModel(kind, { endBias: -20 }, async (model) => {
    // While the cache fills, as it becomes full, and long after.
    for (const [length, taken, reanchorEvery] of [[20, 3, 1], [57, 5, 1], [140, 2, 1], [140, 11, 4]] as const) {
      let told = ''
      let tokens = 0
      const strayed = await after(model, kind, { reanchorEvery }, async (sequence) => {
        const { text, finish } = await interrupted(sequence, generate(randomTokens(length), 0), taken)
        expect(finish.reason).toBe('abort')
        told = text
        tokens = finish.completionTokens
      })
      const straight = await after(model, kind, { reanchorEvery }, async (sequence) => {
        const { text } = await drain(sequence.start(generate(randomTokens(length), tokens)))
        expect(text).toBe(told)
      })
      expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
    }
  }))

  test.each(all)('%s: what a stop string keeps from the reader', (kind) => withModel(kind, { endBias: -20 }, async (model) => {
    const prompt = randomTokens(70)
    const texts: string[] = []
    await after(model, kind, {}, async (sequence) => {
      for await (const event of read(sequence.start(generate(prompt, 60)))) if (event.type === 'text') texts.push(event.text)
    })
    // A stop string of several tokens that occurs nowhere before.
    const whole = texts.join('')
    const begin = (from: number) => texts.slice(0, from).join('').length
    const stopAt = (from: number) => texts.slice(from, from + 4).join('')
    const from = texts.findIndex((_, i) => i >= 12 && i + 4 <= texts.length && whole.indexOf(stopAt(i)) === begin(i))
    const stop = stopAt(from)
    let kept = 0
    const stopped = await after(model, kind, {}, async (sequence) => {
      const { text, finish } = await drain(sequence.start(generate(prompt, 60, { stop: [stop] })))
      expect(finish.reason).toBe('stop')
      expect(text).toBe(whole.slice(0, begin(from)))
      kept = finish.completionTokens
    })
    const straight = await after(model, kind, {}, async (sequence) => {
      const { text } = await drain(sequence.start(generate(prompt, kept)))
      expect(text).toBe(whole.slice(0, begin(from)))
    })
    expect(distance(stopped, straight).max).toBeLessThan(bound(kind))
  }))

  // Farther back than a sliding window reaches: what was in it then must still be there, in a cache of 256 cells and no spare one.
  test.each<TinyKind>(['llama', 'gemma2', 'gemma3', 'lfm2-windowed', 'qwen35'])('%s: forty tokens that were held for a stop string which did not come', (kind) => withModel(kind, { endBias: -20 }, async (model) => {
    const prompt = randomTokens(400)
    const texts: string[] = []
    await after(model, kind, { window: 168 }, async (sequence) => {
      for await (const event of read(sequence.start(generate(prompt, 60)))) if (event.type === 'text') texts.push(event.text)
    })
    const stop = `${texts.slice(10, 50).join('')}\u2603`
    let tokens = 0
    const strayed = await after(model, kind, { window: 168 }, async (sequence) => {
      const { finish } = await interrupted(sequence, generate(prompt, 0, { stop: [stop] }), 8)
      tokens = finish.completionTokens
    })
    expect(tokens).toBeLessThan(15)
    const straight = await after(model, kind, { window: 168 }, async (sequence) => {
      await drain(sequence.start(generate(prompt, tokens)))
    })
    expect(distance(strayed, straight).max).toBeLessThan(bound(kind))
  }, { batchSize: 16 }))
})

describe('other conversations change nothing', () => {
  test.each(all)('%s: one opened later makes the cache grow and carries the others over', (kind) => withModel(kind, {}, async (model) => {
    const text = randomTokens(300)
    const run = (meanwhile: () => Promise<void>) => withSequence(model, optionsOf(kind), async (sequence) => {
      await append(sequence, text.subarray(0, 150))
      await meanwhile()
      return score(sequence, text.subarray(150))
    })
    const alone = await run(async () => {})
    const cells = model.cells
    const others: NativeSequence[] = []
    const carried = await run(async () => {
      for (let i = 0; i < 3; i++) others.push(model.openSequence({ ...verified, ...optionsOf(kind), window: 500 }))
      await append(others[0]!, randomTokens(20))
      expect(model.cells).toBeGreaterThan(cells)
    })
    for (const other of others) other.close()
    expect(distance(carried, alone).max).toBeLessThan(bound(kind))
  }))

  // One of each kind of memory. Room for all prompts at once: where a prompt is cut decides what its tokens see.
  test.each<TinyKind>(['qwen2', 'qwen2vl', 'deepseek2', 'gemma2', 'lfm2', 'lfm2-windowed', 'qwen35', 'mamba', 'gpt2'])('%s: side by side in one batch, each gives what it gives alone', (kind) => withModel(kind, {}, async (model) => {
    const run = (length: number) => withSequence(model, optionsOf(kind), async (sequence) => {
      await append(sequence, randomTokens(length, length))
      return score(sequence, randomTokens(150, length + 1))
    })
    const lengths = [5, 40, 90, 130]
    const alone: number[][] = []
    for (const length of lengths) alone.push(await run(length))
    const together = await Promise.all(lengths.map(run))
    together.forEach((scores, i) => expect(distance(scores, alone[i]!).max).toBeLessThan(bound(kind)))
  }, { batchSize: 512 }))
})

describe('sliding windows', () => {
  // llama.cpp prunes windowed layers before it decodes, and once sinks have moved it can prune too much where a decode
  // has several ubatches, which the engine never lets happen. All layers of these are windowed, and more narrowly than
  // the cache is, so that it makes no difference how a prompt is cut.
  const windowed: [TinyKind, number][] = [['gemma2', 1], ['gemma3', 2], ['lfm2-windowed', 4]]
  test.each(windowed.flatMap(([kind, layers]) => [16, 32, 64].map((size): [TinyKind, number, number] => [kind, size, layers])))(
    '%s: a prompt in batches of %i, after the sinks have moved, is that prompt token by token', async (kind, batchSize, layers) => {
      const [before, prompt, rest] = [randomTokens(200, 1), randomTokens(300, 2), randomTokens(100, 3)]
      const run = (piece: number) => withModel(kind, { layers }, (model) => withSequence(model, {}, async (sequence) => {
        await append(sequence, before.subarray(0, 1))
        await score(sequence, before.subarray(1))
        for (let from = 0; from < prompt.length; from += piece) await append(sequence, prompt.subarray(from, from + piece))
        return score(sequence, rest)
      }), { batchSize })
      expect(distance(await run(prompt.length), await run(1)).max).toBeLessThan(bound(kind))
    })
})
