import { readFileSync } from 'node:fs'
import type { NativeJob, NativeModel } from '../../lib/engine/native.js'
import { drain, greedy, loadNative, openAddon, read, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

const addon = openAddon()
let model: NativeModel

beforeAll(async () => {
  model = await loadNative(addon, tinyModel('llama'))
})
afterAll(() => model.close())

const prompt = (length: number, seed = 7) => {
  const random = seeded(seed)
  return Int32Array.from({ length }, () => 300 + random.below(60))
}
const generate = (tokens: Int32Array, maxTokens: number, more: object = {}): NativeJob => ({
  type: 'generate',
  tokens,
  maxTokens,
  timeLimit: 0,
  stop: [],
  sampling: greedy,
  ...more,
})

describe('the engine', () => {
  test('generates through at least two rebases, 200,000 tokens, with every invariant checked at each step', async () => {
    // One narrow layer: it is the bookkeeping that is tested, against llama.cpp's own.
    const small = await loadNative(addon, tinyModel('llama', { layers: 1, width: 64 }))
    try {
      const sequence = small.openSequence({ ...verified, window: 124, reanchorEvery: 16, rebaseAfter: 80_000 })
      let rebases = 0
      let tokens = 0
      let evicted = 0
      // The end of a turn is a token like any other here: the reply goes on after it.
      let next = prompt(20)
      while (tokens < 200_000) {
        for await (const event of read(
          sequence.start(generate(next, 200_000 - tokens, { sampling: { ...greedy, temperature: 1.5, seed: tokens } })),
        )) {
          if (event.type === 'rebase') rebases++
          if (event.type === 'finish') {
            tokens += event.completionTokens
            evicted = event.evictedTokens
            expect(event.cachedTokens).toBeLessThanOrEqual(4 + 124 + 2)
          }
        }
        next = prompt(1)
      }
      expect(rebases).toBeGreaterThanOrEqual(2)
      expect(evicted).toBeGreaterThan(199_000)
    } finally {
      await small.close()
    }
  })

  test('has no way to call for a K-shift', () => {
    const binary = readFileSync(new URL('../../build/Release/streaming_llm.node', import.meta.url))
    expect(binary.includes('llama_memory_seq_rm')).toBe(true)
    expect(binary.includes('llama_memory_seq_add')).toBe(false)
  })

  test('what a slow reader gets is what a fast one gets', async () => {
    const texts = []
    for (const slow of [false, true]) {
      const sequence = model.openSequence({ ...verified, reanchorEvery: 5 })
      let text = ''
      for await (const event of read(
        sequence.start(generate(prompt(90), 300, { sampling: { ...greedy, temperature: 1, seed: 5 } })),
      )) {
        if (event.type === 'text') text += event.text
        if (slow) await new Promise(resolve => setTimeout(resolve, 3))
      }
      texts.push(text)
      sequence.close()
    }
    expect(texts[1]).toBe(texts[0])
  })

  test('runs ahead of a reader by a bounded number of tokens', async () => {
    const sequence = model.openSequence(verified)
    const stream = sequence.start(generate(prompt(10), 0))
    await new Promise(resolve => setTimeout(resolve, 500))
    stream.cancel()
    const { finish } = await drain(stream)
    expect(finish.completionTokens).toBe(0)
    sequence.close()
  })

  test('a call while the model is closed says so', async () => {
    for (let round = 0; round < 20; round++) {
      const closing = await loadNative(addon, tinyModel('llama'))
      const sequence = closing.openSequence(verified)
      await drain(sequence.start({ type: 'append', tokens: prompt(100) }))
      let closed = false
      const over = closing.close().then(() => {
        closed = true
      })
      const codes = new Set<string>()
      while (!closed) {
        try {
          await drain(sequence.start({ type: 'append', tokens: prompt(1) }))
        } catch (error) {
          codes.add((error as { code: string }).code)
        }
        await new Promise(resolve => setImmediate(resolve))
      }
      await over
      expect([...codes].filter(code => code !== 'CLOSED')).toEqual([])
    }
  })

  // The reference is the engine itself, on a sequence that never went astray.
  test.each([1, 5, 16])(
    'taking back what was not read is exact, evictions and moved sinks included (re-anchored every %i)',
    async reanchorEvery => {
      for (let seed = 0; seed < 8; seed++) {
        const random = seeded(seed)
        const length = 20 + random.below(120)
        const taken = 1 + random.below(12)
        const options = { ...verified, reanchorEvery }
        const strayed = model.openSequence(options)
        const stream = strayed.start(generate(prompt(length), 0))
        let text = ''
        let texts = 0
        while (texts < taken) {
          const event = stream.take()
          if (event === null) await new Promise<void>(resolve => stream.wait(resolve))
          else if (event.type === 'text') {
            text += event.text
            texts++
          }
        }
        await new Promise(resolve => setTimeout(resolve, 30)) // lets the engine run ahead
        stream.cancel()
        const { finish } = await drain(stream)
        expect(finish.reason).toBe('abort')

        const straight = model.openSequence(options)
        const told = await drain(straight.start(generate(prompt(length), finish.completionTokens)))
        expect(told.text).toBe(text)
        const after = prompt(40, 99)
        const scores: number[][] = []
        for (const sequence of [strayed, straight]) {
          await drain(sequence.start({ type: 'append', tokens: after.slice(0, 1) }))
          scores.push((await drain(sequence.start({ type: 'score', tokens: after.slice(1) }))).scores)
          sequence.close()
        }
        // Cells lie in another order, so sums round differently.
        scores[0]!.forEach((score, i) => expect(Math.abs(score - scores[1]![i]!)).toBeLessThan(1e-3))
      }
    },
  )

  test('chats side by side in one batch give what each gives alone', async () => {
    // Room for all prompts at once: where a prompt is cut into batches decides what its tokens see beyond the window.
    const model = await loadNative(addon, tinyModel('llama'), { batchSize: 512 })
    const alone: number[][] = []
    const lengths = [5, 40, 90, 130]
    for (const length of lengths) {
      const sequence = model.openSequence(verified)
      await drain(sequence.start({ type: 'append', tokens: prompt(length, length) }))
      alone.push((await drain(sequence.start({ type: 'score', tokens: prompt(150, 3) }))).scores)
      sequence.close()
    }
    const sequences = lengths.map(() => model.openSequence(verified))
    const together = await Promise.all(
      lengths.map(async (length, i) => {
        await drain(sequences[i]!.start({ type: 'append', tokens: prompt(length, length) }))
        return (await drain(sequences[i]!.start({ type: 'score', tokens: prompt(150, 3) }))).scores
      }),
    )
    together.forEach((scores, i) =>
      scores.forEach((score, j) => expect(Math.abs(score - alone[i]![j]!)).toBeLessThan(1e-3)),
    )
    await model.close()
  })

  test('a sequence opened later makes the cache grow and carries the others over', async () => {
    const own = await loadNative(addon, tinyModel('llama'))
    const first = own.openSequence(verified)
    await drain(first.start({ type: 'append', tokens: prompt(100) }))
    const cells = own.cells
    const reference = model.openSequence(verified)
    await drain(reference.start({ type: 'append', tokens: prompt(100) }))
    const others = [1, 2, 3, 4].map(() => own.openSequence({ ...verified, window: 200 }))
    await drain(others[0]!.start({ type: 'append', tokens: prompt(20) }))
    expect(own.cells).toBeGreaterThan(cells)
    const [a, b] = await Promise.all(
      [first, reference].map(sequence => drain(sequence.start({ type: 'score', tokens: prompt(100, 1) }))),
    )
    a!.scores.forEach((score, i) => expect(Math.abs(score - b!.scores[i]!)).toBeLessThan(1e-3))
    reference.close()
    await own.close()
  })

  test.each(['llama', 'lfm2', 'gemma2'] as const)(
    '64 sequences at once, the most there may be, on a %s model',
    async kind => {
      // 256 sequence ids are the most that llama.cpp stands; a recurrent state takes four of them for each sequence.
      const own = await loadNative(addon, tinyModel(kind, { layers: 2, width: 64 }), { maxSequences: 64 })
      const sequences = Array.from({ length: 64 }, () =>
        own.openSequence({ ...verified, window: 16, reanchorEvery: 4 }),
      )
      expect(() => own.openSequence(verified)).toThrow(/64 sequences are open/)
      const finished = await Promise.all(
        sequences.map((sequence, i) => drain(sequence.start(generate(prompt(10, i), 24)))),
      )
      expect(finished.every(({ finish }) => finish.reason === 'length' || finish.reason === 'end')).toBe(true)
      await own.close()
    },
  )

  test('a stop string ends the reply before it, wherever tokens begin and end', async () => {
    const sequence = model.openSequence(verified)
    const whole = await drain(sequence.start(generate(prompt(30), 120)))
    sequence.close()
    for (const [from, length] of [
      [10, 1],
      [20, 3],
      [31, 7],
      [50, 11],
    ] as const) {
      const stop = whole.text.slice(from, from + length)
      const again = model.openSequence(verified)
      const { text, finish } = await drain(again.start(generate(prompt(30), 120, { stop: [stop] })))
      expect(finish.reason).toBe('stop')
      expect(text).toBe(whole.text.slice(0, whole.text.indexOf(stop)))
      again.close()
    }
  })

  test('the same seed gives the same text, another one another', async () => {
    const texts = []
    for (const seed of [1, 1, 2]) {
      const sequence = model.openSequence(verified)
      texts.push(
        (await drain(sequence.start(generate(prompt(30), 60, { sampling: { ...greedy, temperature: 1, seed } })))).text,
      )
      sequence.close()
    }
    expect(texts[1]).toBe(texts[0])
    expect(texts[2]).not.toBe(texts[0])
  })

  test('a dense cache that is full says so and keeps what it delivered', async () => {
    const sequence = model.openSequence({ ...verified, policy: 'dense', sinks: 0, window: 64 })
    let text = ''
    const reply = (async () => {
      for await (const event of read(sequence.start(generate(prompt(30), 0))))
        if (event.type === 'text') text += event.text
    })()
    await expect(reply).rejects.toMatchObject({ code: 'CACHE_FULL' })
    expect(text.length).toBeGreaterThan(20)
    sequence.close()
  })

  test('refuses tokens that do not exist, and a second job at once', () => {
    const sequence = model.openSequence(verified)
    expect(() => sequence.start({ type: 'append', tokens: Int32Array.of(1, 1_000_000) })).toThrow(/1000000/)
    sequence.start({ type: 'append', tokens: prompt(5) })
    expect(() => sequence.start({ type: 'append', tokens: prompt(5) })).toThrow(/at work/)
    sequence.close()
  })
})
