import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { CachedTokens, CachedTokensOptions } from '../tools/test-addon.js'

const { CachedTokens: Tokens, Scheduler } = openAddon()

const options: CachedTokensOptions = {
  policy: 'streaming',
  sinks: 4,
  window: 60,
  reanchorEvery: 8,
  rebaseAfter: 100_000,
  trainedLength: 512,
  firstPosition: 0,
  batchSize: 64,
}
const many = (count: number, from = 1) => Int32Array.from({ length: count }, (_, index) => from + index)
/** A conversation of which so many tokens are decoded and so many pending. */
function conversation(decoded: number, pending: number, more: Partial<CachedTokensOptions> = {}): CachedTokens {
  const tokens = new Tokens({ ...options, ...more })
  tokens.takeSlot()
  tokens.add(many(decoded + pending))
  for (let left = decoded; left > 0; left = tokens.state().pending.length - pending) tokens.decode(Math.min(left, 16))
  return tokens
}
const prompts = (scheduler: InstanceType<typeof Scheduler>, left: number, singles = 0) =>
  scheduler.beginPrompts(singles, left)

test('each round begins with the next one, so each is first in its turn, also as some come and go', () => {
  const scheduler = new Scheduler(64)
  const firsts: number[] = []
  const round = (handles: number[]) => {
    const order = [...scheduler.order(Int32Array.from(handles))]
    expect(order.toSorted((a, b) => a - b)).toEqual(handles)
    firsts.push(order[0]!)
    scheduler.endRound(Int32Array.from(handles))
  }
  for (let i = 0; i < 4; i++) round([2, 5, 9])
  expect(firsts).toEqual([2, 2, 5, 9])
  round([5, 9, 12])
  round([5, 9, 12])
  expect(firsts.slice(4)).toEqual([5, 5])
})

test('a prompt takes what the batch has left, all but its last token where that waits', () => {
  const scheduler = new Scheduler(64)
  prompts(scheduler, 64)
  expect(scheduler.nextStep(conversation(0, 30), true, 64)).toBe(29)
  prompts(scheduler, 20)
  expect(scheduler.nextStep(conversation(0, 30), true, 20)).toBe(20)
  prompts(scheduler, 64)
  expect(scheduler.nextStep(conversation(0, 30), false, 64)).toBe(30)
  expect(scheduler.nextStep(conversation(0, 1), true, 64)).toBeNull()
})

test('prompts of a round share what it has for prompts', () => {
  const scheduler = new Scheduler(64)
  prompts(scheduler, 50)
  expect(scheduler.nextStep(conversation(0, 31), true, 50)).toBe(30)
  expect(scheduler.nextStep(conversation(0, 41), true, 20)).toBe(20)
})

test('where others generate, a prompt gets as much as does not stall them', () => {
  const scheduler = new Scheduler(64)
  // A token takes 10 ms, a token of a prompt 5 ms more: 60 ms between two tokens is time for 10 of them.
  for (let i = 0; i < 50; i++) {
    scheduler.observe(1, 1, 10)
    scheduler.observe(1, 33, 10 + 32 * 5)
  }
  prompts(scheduler, 60, 1)
  expect(scheduler.nextStep(conversation(0, 60), false, 60)).toBe(10)
  prompts(scheduler, 60, 0)
  expect(scheduler.nextStep(conversation(0, 60), false, 60)).toBe(60)
})

describe('a prompt that evicts', () => {
  test('is cut where the first token is evicted, and from there on into equal parts', () => {
    const scheduler = new Scheduler(64)
    prompts(scheduler, 64)
    expect(scheduler.nextStep(conversation(40, 60), true, 64)).toBe(24)
    prompts(scheduler, 64)
    expect(scheduler.nextStep(conversation(64, 60), true, 64)).toBe(16)
  })

  test('is cut at the same places whatever else is in the batch, or waits', () => {
    const scheduler = new Scheduler(64)
    for (const left of [64, 40, 17, 16]) {
      prompts(scheduler, left)
      expect(scheduler.nextStep(conversation(64, 60), true, left)).toBe(16)
    }
    prompts(scheduler, 30)
    expect(scheduler.nextStep(conversation(0, 20), false, 30)).toBe(20)
    // Ten are left, which are not enough for a part.
    expect(scheduler.nextStep(conversation(64, 60), true, 10)).toBeNull()
  })
})

test('never more than the batch or the conversation has, and the last one only where it may go', () => {
  const random = seeded(3)
  for (let round = 0; round < 300; round++) {
    const scheduler = new Scheduler(64)
    const pending = 1 + random.below(80)
    const left = 1 + random.below(64)
    const keepsLast = random.chance(0.5)
    const tokens = conversation(random.below(100), pending, { reanchorEvery: 1 + random.below(16) })
    prompts(scheduler, left)
    const count = scheduler.nextStep(tokens, keepsLast, left)
    if (count === null) expect(keepsLast && pending === 1).toBe(true)
    else expect(count).toBeLessThanOrEqual(Math.min(left, pending - (keepsLast ? 1 : 0)))
  }
})
