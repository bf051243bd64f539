import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { CachedTokens, CachedTokensOptions } from '../tools/test-addon.js'

const { CachedTokens: Tokens } = openAddon()

const base: CachedTokensOptions = {
  policy: 'streaming',
  sinks: 3,
  window: 20,
  reanchorEvery: 4,
  rebaseAfter: 300,
  trainedLength: 512,
  firstPosition: 0,
  batchSize: 16,
}
const many = (count: number, from = 1) => Int32Array.from({ length: count }, (_, index) => from + index)

function opened(more: Partial<CachedTokensOptions> = {}, beside?: CachedTokens): CachedTokens {
  const tokens = beside ? new Tokens({ ...base, ...more }, beside) : new Tokens({ ...base, ...more })
  tokens.takeSlot()
  return tokens
}

/** Decodes all but the last token, as before a reply. */
function decodeAll(tokens: CachedTokens): void {
  for (let state = tokens.state(); state.pending.length > 1; state = tokens.state()) {
    tokens.requeueIfFull()
    tokens.decode(Math.min(16, tokens.state().pending.length - 1))
  }
}

/**
 * Each token of the conversation, whose first ones are its sinks, is in the cache, pending or evicted; those that have
 * not left are the sinks and the latest; and where the cache is whole, its cells hold what the bookkeeping says.
 */
function expectWhole(tokens: CachedTokens, said: number[]): void {
  const state = tokens.state()
  expect(state.seen).toBe(said.length)
  const known = [...state.kept, ...state.pending]
  expect(state.evicted).toBe(said.length - known.length)
  expect(known.slice(0, state.sinks)).toEqual(said.slice(0, state.sinks))
  expect(known.slice(state.sinks)).toEqual(said.slice(said.length - (known.length - state.sinks)))
  if (state.hasSlot && !state.rebasing) expect(state.cells).toEqual(state.kept)
}

type Kind = [name: string, more: Partial<CachedTokensOptions>]
const kinds: Kind[] = [
  ['streaming', {}],
  ['sinks that move with each token', { reanchorEvery: 1 }],
  ['without sinks', { sinks: 0, reanchorEvery: 1 }],
  ['by turns', { byTurn: true }],
  ['dense', { policy: 'dense', sinks: 0, window: 1000 }],
  ['refill', { policy: 'refill' }],
  ['recurrent', { recurrent: true, reanchorEvery: 2 ** 30, policy: 'dense', sinks: 0, window: 1000 }],
]

test.each(kinds)('%s: any changes in any order leave the conversation that was said', (_name, more) => {
  for (let seed = 0; seed < 4; seed++) {
    const random = seeded(seed)
    const tokens = opened(more)
    const said: number[] = []
    let next = 1
    const add = (count: number) => {
      const added = many(count, next)
      next += count
      tokens.add(added)
      said.push(...added)
    }
    /** What may be refused changes nothing then. */
    const allowed = (act: () => void): boolean => {
      const before = tokens.state()
      try {
        act()
        return true
      } catch (error) {
        expect(['EVICTED', 'WINDOW_TOO_LARGE']).toContain((error as { code: string }).code)
        expect({ ...tokens.state(), decodes: 0 }).toEqual({ ...before, decodes: 0 })
        return false
      }
    }
    add(1 + random.below(40))
    for (let step = 0; step < 40; step++) {
      const kind = random.below(9)
      if (kind === 0) add(1 + random.below(30))
      else if (kind === 1) decodeAll(tokens)
      else if (kind === 2) {
        const keep = random.below(said.length + 1)
        if (allowed(() => tokens.cut(keep))) said.length = keep
        if (keep === 0) add(1 + random.below(40))
      } else if (kind === 3) {
        const sinks = many(1 + random.below(6), next)
        next += sinks.length
        const before = tokens.state().sinks
        if (allowed(() => tokens.replaceSinks(sinks))) said.splice(0, before, ...sinks)
      } else if (kind === 4) tokens.rebase()
      else if (kind === 5) {
        tokens.swapOut()
        expectWhole(tokens, said)
        if (random.chance(0.5)) {
          const keep = 1 + random.below(said.length)
          if (allowed(() => tokens.cut(keep))) said.length = keep
          expectWhole(tokens, said)
        }
        tokens.takeSlot()
      } else if (kind === 6 && tokens.state().pending.length > 1) {
        // Half of the batch is in the cache when it fails.
        tokens.requeueIfFull()
        const before = tokens.state()
        tokens.failNext()
        expect(() => tokens.decode(8)).toThrow('as the test has asked')
        const after = tokens.state()
        expect([...after.kept, ...after.pending]).toEqual([...before.kept, ...before.pending])
      } else {
        decodeAll(tokens)
        const count = 1 + random.below(40)
        let delivered = 0
        for (let i = 1; i <= count; i++) {
          tokens.requeueIfFull()
          decodeAll(tokens)
          tokens.generate(next++, i)
          said.push(next - 1)
          // The reader is at most so far behind.
          if (i - delivered > 16 || random.chance(0.3)) {
            delivered += random.below(i - delivered + 1)
            if (i - delivered > 16) delivered = i - 16
            tokens.releaseDelivered(delivered)
          }
          expectWhole(tokens, said)
        }
        if (random.chance(0.7)) {
          tokens.rollBackToDelivered(delivered)
          said.length -= count - delivered
          expectWhole(tokens, said)
        }
        tokens.retire()
      }
      expectWhole(tokens, said)
    }
    decodeAll(tokens)
    tokens.retire()
    expectWhole(tokens, said)
    // Nothing is left behind in the cache.
    const { usedCells, usedIds, kept } = tokens.state()
    expect(usedIds).toBe(1)
    expect(usedCells).toBe(kept.length)
  }
})

test('what is rolled back brings back what it has evicted, however far behind the reader was', () => {
  for (const behind of [1, 5, 16]) {
    const rolledBack = opened()
    const straight = opened()
    for (const tokens of [rolledBack, straight]) {
      tokens.add(many(50))
      decodeAll(tokens)
      for (let i = 1; i <= 10; i++) tokens.generate(100 + i, i)
    }
    for (let i = 11; i <= 10 + behind; i++) rolledBack.generate(100 + i, i)
    rolledBack.rollBackToDelivered(10)
    const { cells, kept, pending, evicted } = straight.state()
    expect(rolledBack.state()).toMatchObject({ cells, kept, pending, evicted })
  }
})

test('while all that is kept waits to be decoded again, the conversation is not cut into its sinks either', () => {
  const tokens = opened()
  tokens.add(many(60))
  decodeAll(tokens)
  tokens.rebase()
  const before = tokens.state()
  expect(() => tokens.cut(before.evicted + 2)).toThrow(expect.objectContaining({ code: 'EVICTED' }))
  expect(tokens.state()).toEqual(before)
  tokens.cut(before.evicted + 4)
  decodeAll(tokens)
  expectWhole(tokens, [...many(before.evicted + 4)])
})

test.each([
  [true, false],
  [false, true],
  [true, true],
])(
  'other sinks, for which the cache grows and loses the cells (%s) or has no memory (%s), lose nothing',
  (loses, fails) => {
    for (const length of [10, 30]) {
      const tokens = opened()
      tokens.add(many(length))
      decodeAll(tokens)
      const replace = () => tokens.replaceSinks(many(5, 100), loses, fails)
      if (fails) expect(replace).toThrow('as the test has asked')
      else replace()
      const said = [...many(5, 100), ...many(length - 3, 4)]
      expectWhole(tokens, said)
      decodeAll(tokens)
      expectWhole(tokens, said)
    }
  },
)

test('a recurrent state goes back to a checkpoint, and what lies between waits to be decoded singly', () => {
  const tokens = opened({ recurrent: true, policy: 'dense', sinks: 0, window: 1000 })
  tokens.add(many(30))
  decodeAll(tokens)
  for (let i = 1; i <= 100; i++) {
    tokens.generate(100 + i, i)
    tokens.releaseDelivered(Math.max(0, i - 10))
  }
  const { usedIds } = tokens.state()
  expect(usedIds).toBe(3) // its own, and two checkpoints
  tokens.rollBackToDelivered(90)
  const said = [...many(30), ...many(90, 101)]
  expectWhole(tokens, said)
  const { pending } = tokens.state()
  expect(pending.length).toBeGreaterThan(1)
  expect(pending.length).toBeLessThanOrEqual(24 + 1)
  tokens.decode(16)
  expect(tokens.state().pending.length).toBe(pending.length - 1)
})

describe('two conversations in one cache', () => {
  test('a prefix is shared without being decoded, and stays when either goes on or back', () => {
    const one = opened()
    one.add(many(18))
    decodeAll(one)
    const { decodes } = one.state()
    const other = opened({}, one)
    other.add(Int32Array.of(...many(12), ...many(5, 50)))
    other.sharePrefix(one, 12)
    expect(other.state()).toMatchObject({ decodes, usedCells: 17, cells: many(12) })
    for (const [tokens, from] of [
      [one, 200],
      [other, 300],
    ] as const) {
      tokens.add(many(40, from))
      decodeAll(tokens)
    }
    expectWhole(one, [...many(18), ...many(40, 200)])
    expectWhole(other, [...many(12), ...many(5, 50), ...many(40, 300)])
  })

  test('a fork has all that the other has, cells and history, and each goes its own way', () => {
    const one = opened()
    one.add(many(60))
    decodeAll(one)
    const fork = new Tokens(base, one)
    fork.forkFrom(one)
    const { cells, kept, pending, usedCells } = one.state()
    expect(fork.state()).toMatchObject({ cells, kept, pending, usedCells, usedIds: 2 })
    one.add(many(5, 100))
    fork.add(many(7, 200))
    for (const tokens of [one, fork]) decodeAll(tokens)
    expectWhole(one, [...many(60), ...many(5, 100)])
    expectWhole(fork, [...many(60), ...many(7, 200)])
  })

  test('a fork of one that has no slot waits outside as well', () => {
    const one = opened()
    one.add(many(60))
    decodeAll(one)
    const { cells } = one.state()
    one.swapOut()
    const fork = new Tokens(base, one)
    fork.forkFrom(one)
    expect(fork.state().hasSlot).toBe(false)
    for (const tokens of [one, fork]) {
      tokens.takeSlot()
      expect(tokens.state().cells).toEqual(cells)
    }
  })
})
