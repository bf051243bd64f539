import type { NativeJob, NativeModel, NativeSequence } from '../../lib/engine/native.js'
import { drain, greedy, loadNative, openAddon, read, verified } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

const addon = openAddon()
let model: NativeModel

beforeEach(async () => {
  model = await loadNative(addon, tinyModel('llama'))
})
afterEach(() => model.close())

const tokensOf = (length: number, seed: number) => {
  const random = seeded(seed)
  return Int32Array.from({ length }, () => 300 + random.below(60))
}
const generate = (tokens: Int32Array, maxTokens: number): NativeJob => ({
  type: 'generate',
  tokens,
  maxTokens,
  timeLimit: 0,
  stop: [],
  sampling: greedy,
})
const joined = (...parts: Int32Array[]) => Int32Array.from(parts.flatMap(part => [...part]))

async function scores(sequence: NativeSequence, tokens: Int32Array): Promise<number[]> {
  return (await drain(sequence.start({ type: 'score', tokens }))).scores
}

function largestDifference(left: number[], right: number[]): number {
  expect(left.length).toBe(right.length)
  return Math.max(...left.map((value, i) => Math.abs(value - right[i]!)))
}

describe('a beginning that several sequences have in common', () => {
  const system = tokensOf(50, 1)
  const probe = tokensOf(150, 9) // evicts and moves the sinks of 4 + 60

  /** What a sequence alone in its model gives to the probe after its prompt. */
  async function alone(prompt: Int32Array, limits: object): Promise<number[]> {
    const other = await loadNative(addon, tinyModel('llama'))
    try {
      const sequence = other.openSequence({ ...verified, ...limits })
      await drain(sequence.start({ type: 'append', tokens: prompt }))
      return await scores(sequence, probe)
    } finally {
      await other.close()
    }
  }

  test('is decoded once, and gives what decoding it again would give', async () => {
    const prompts = [2, 3, 4].map(seed => joined(system, tokensOf(12, seed)))
    const sequences = prompts.map(() => model.openSequence(verified))
    // One after another ...
    const first = await drain(sequences[0]!.start({ type: 'append', tokens: prompts[0]! }))
    const second = await drain(sequences[1]!.start({ type: 'append', tokens: prompts[1]! }))
    expect(first.finish.reusedTokens).toBe(0)
    expect(second.finish.reusedTokens).toBeGreaterThanOrEqual(50)
    expect(second.finish.reusedTokens).toBeLessThan(62)
    // ... and the donor goes on as if nothing had been taken from it.
    for (const i of [0, 1])
      expect(largestDifference(await scores(sequences[i]!, probe), await alone(prompts[i]!, {}))).toBeLessThan(1e-4)
  })

  test('is taken in time from one that is about to evict it', async () => {
    const long = tokensOf(2000, 22)
    const wide = await loadNative(addon, tinyModel('llama', { contextLength: 8192 }))
    try {
      const sequences = [1, 2].map(() => wide.openSequence({ ...verified, window: 1060, reanchorEvery: 256 }))
      const [first, second] = await Promise.all(
        sequences.map(sequence => drain(sequence.start({ type: 'append', tokens: long }))),
      )
      expect(first!.finish.reusedTokens + second!.finish.reusedTokens).toBeGreaterThan(800)
    } finally {
      await wide.close()
    }
  })

  test('waits for one that is reading it, so that those that begin together decode it once', async () => {
    const long = joined(tokensOf(900, 21))
    const limits = { sinks: 4, window: 1000, reanchorEvery: 1 }
    const big = await loadNative(addon, tinyModel('llama', { contextLength: 4096 }))
    try {
      const prompts = [2, 3, 4].map(seed => joined(long, tokensOf(12, seed)))
      const sequences = prompts.map(() => big.openSequence({ ...verified, ...limits }))
      const results = await Promise.all(
        sequences.map((sequence, i) => drain(sequence.start({ type: 'append', tokens: prompts[i]! }))),
      )
      for (const sequence of sequences) sequence.close()
      const reused = results.map(({ finish }) => finish.reusedTokens).sort((a, b) => a - b)
      expect(reused[0]).toBe(0)
      // Some of the last few tokens are not worth another round.
      expect(reused[1]).toBeGreaterThan(900 - 8)
      expect(reused[2]).toBeGreaterThan(900 - 8)
    } finally {
      await big.close()
    }
  })

  test('is taken from sinks that have moved, wherever they are', async () => {
    const limits = { sinks: 50, window: 60, reanchorEvery: 8 }
    const donor = model.openSequence({ ...verified, ...limits })
    await drain(donor.start({ type: 'append', tokens: system }))
    await scores(donor, tokensOf(700, 5))
    const prompt = joined(system, tokensOf(20, 6))
    const late = model.openSequence({ ...verified, ...limits })
    const { finish } = await drain(late.start({ type: 'append', tokens: prompt }))
    expect(finish.reusedTokens).toBe(50)
    expect(largestDifference(await scores(late, probe), await alone(prompt, limits))).toBeLessThan(1e-4)
    expect(
      largestDifference(
        await scores(donor, probe.subarray(0, 20)),
        await (async () => {
          const other = await loadNative(addon, tinyModel('llama'))
          try {
            const same = other.openSequence({ ...verified, ...limits })
            await drain(same.start({ type: 'append', tokens: system }))
            await scores(same, tokensOf(700, 5))
            return await scores(same, probe.subarray(0, 20))
          } finally {
            await other.close()
          }
        })(),
      ),
    ).toBeLessThan(1e-4)
  })

  test('is not taken where what follows the sinks has seen what is gone', async () => {
    const donor = model.openSequence(verified) // 4 sinks
    await drain(donor.start({ type: 'append', tokens: tokensOf(200, 1) }))
    const late = model.openSequence(verified)
    const { finish } = await drain(late.start({ type: 'append', tokens: joined(tokensOf(200, 1), tokensOf(5, 2)) }))
    expect(finish.reusedTokens).toBe(0)
  })

  test.each(['mamba', 'lfm2', 'gemma2'] as const)(
    'is decoded again by a %s model, whose memory cannot be had in part',
    async kind => {
      const other = await loadNative(addon, tinyModel(kind))
      try {
        const sequences = [2, 3].map(() => other.openSequence(verified))
        const results = []
        for (const [i, sequence] of sequences.entries())
          results.push(await drain(sequence.start({ type: 'append', tokens: joined(system, tokensOf(9, 2 + i)) })))
        expect(results.map(({ finish }) => finish.reusedTokens)).toEqual([0, 0])
      } finally {
        await other.close()
      }
    },
  )
})

describe('several sequences at once', () => {
  test('each gets as many tokens as any other', async () => {
    const sequences = Array.from({ length: 4 }, () => model.openSequence({ ...verified, verify: false }))
    const counts = sequences.map(() => 0)
    let stop = false
    await Promise.all(
      sequences.map(async (sequence, i) => {
        const stream = sequence.start({
          ...generate(tokensOf(10 + i, i), 0),
          sampling: { ...greedy, temperature: 1, seed: i },
        } as NativeJob)
        for await (const event of read(stream)) {
          if (event.type === 'text') counts[i]!++
          if (counts[i]! >= 300) stop = true
          if (stop) stream.cancel()
        }
      }),
    )
    expect(Math.min(...counts)).toBeGreaterThan(0.8 * Math.max(...counts))
  })

  test('a prompt is read in small pieces while others generate', async () => {
    const wide = await loadNative(
      addon,
      tinyModel('llama', { layers: 12, width: 512, contextLength: 8192, endBias: -20 }),
    )
    try {
      const talker = wide.openSequence({ ...verified, verify: false })
      const stream = talker.start(generate(tokensOf(20, 3), 0))
      let tokens = 0
      let reading = false
      let whileReading = 0
      const talking = (async () => {
        for await (const event of read(stream)) {
          if (event.type !== 'text') continue
          tokens++
          if (reading) whileReading++
        }
      })()
      while (tokens < 20) await new Promise(resolve => setTimeout(resolve, 5))
      // A first prompt tells the engine what its tokens cost.
      const readers = [4, 5].map(() => wide.openSequence({ ...verified, verify: false }))
      await drain(readers[0]!.start({ type: 'append', tokens: tokensOf(300, 4) }))
      reading = true
      await drain(readers[1]!.start({ type: 'append', tokens: tokensOf(1280, 5) }))
      reading = false
      // In batches of 128 it would have been 10.
      expect(whileReading).toBeGreaterThan(20)
      stream.cancel()
      await talking
    } finally {
      await wide.close()
    }
  })
})

test('one that ends, and whose sinks are decoded anew for it, takes nothing from those in the same batch', async () => {
  const ending = await loadNative(addon, tinyModel('llama', { endBias: 2 }))
  try {
    const sequences = [1, 2, 3].map(() => ending.openSequence(verified)) // sinks that move at each token
    for (const [i, sequence] of sequences.entries())
      await drain(sequence.start({ type: 'append', tokens: tokensOf(100, i) }))
    let ends = 0
    for (let round = 0; round < 10; round++) {
      const replies = await Promise.all(
        sequences.map((sequence, i) =>
          drain(
            sequence.start({
              ...generate(tokensOf(3, i), 40),
              sampling: { ...greedy, temperature: 1, seed: 10 * round + i },
            } as NativeJob),
          ),
        ),
      )
      ends += replies.filter(({ finish }) => finish.reason === 'end').length
    }
    expect(ends).toBeGreaterThan(5)
  } finally {
    await ending.close()
  }
})

test('a reply that ends just as it is left is taken back all the same', async () => {
  const random = seeded(3)
  const sequence = model.openSequence(verified)
  await drain(sequence.start({ type: 'append', tokens: tokensOf(10, 1) }))
  for (let i = 0; i < 400; i++) {
    const stream = sequence.start(generate(new Int32Array(0), 1 + random.below(3)))
    const until = performance.now() + 3 * random.next()
    while (performance.now() < until);
    stream.cancel()
    const { finish } = await drain(stream)
    expect(finish).toMatchObject({ reason: 'abort', completionTokens: 0, seenTokens: 10 })
  }
})
