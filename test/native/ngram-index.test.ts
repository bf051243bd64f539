import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'

const { NgramIndex, DraftLength } = openAddon()
const capacity = 65_536
const [long, short, longest, candidates] = [4, 2, 32, 32]

/** The same by looking through all of it. `held`: the place of the oldest token that is still there. */
function naive(tokens: number[], held: number): { matched: number; next: number } {
  const end = tokens.length
  for (const min of [long, short]) {
    let best = { matched: 0, next: 0 }
    for (let next = end - 1, found = 0; next - min >= held && found < candidates && best.matched < longest; next--) {
      let matched = 0
      while (
        matched < longest &&
        next - 1 - matched >= held &&
        tokens[next - 1 - matched] === tokens[end - 1 - matched]
      )
        matched++
      if (matched < min) continue
      found++
      if (matched > best.matched) best = { matched, next }
    }
    if (best.matched > 0) return best
  }
  return { matched: 0, next: 0 }
}

describe('the index of what was said', () => {
  test.each([
    [3, 1],
    [12, 2],
    [300, 3],
    [49_152, 4],
  ])('finds what looking through all of it finds, of %i different tokens', (different, seed) => {
    const random = seeded(seed)
    const index = new NgramIndex()
    const tokens: number[] = []
    let matches = 0
    for (let round = 0; round < 1500; round++) {
      const choice = random.next()
      let added: number[] = []
      if (choice < 0.3 && tokens.length > 0) {
        // A passage from before, perhaps with another word in it.
        const from = random.below(tokens.length)
        added = tokens.slice(from, from + 1 + random.below(40))
        if (random.chance(0.5)) added[random.below(added.length)] = random.below(different)
      } else if (choice < 0.8) added = Array.from({ length: 1 + random.below(4) }, () => random.below(different))
      else {
        const count = random.below(Math.min(tokens.length, 20) + 1)
        tokens.splice(tokens.length - count)
        index.remove(count)
      }
      tokens.push(...added)
      index.append(Int32Array.from(added))
      const found = index.propose(6)
      const expected = naive(tokens, 0)
      expect({ matched: found.matched, next: found.next }).toEqual(expected)
      if (expected.matched === 0) {
        expect(found.tokens).toHaveLength(0)
        continue
      }
      matches++
      const foretold = [...tokens]
      for (let i = 0; i < 6; i++) foretold.push(foretold[expected.next + i]!)
      expect([...found.tokens]).toEqual(foretold.slice(tokens.length))
    }
    expect(matches).toBeGreaterThan(200)
  })

  test('holds the last 65,536 tokens, and forgets what came before, whatever was taken back', () => {
    const random = seeded(9)
    const index = new NgramIndex()
    const tokens: number[] = []
    let held = 0
    const add = (added: number[]) => {
      tokens.push(...added)
      index.append(Int32Array.from(added))
      held = Math.max(held, tokens.length - capacity)
    }
    const same = () => {
      const { matched, next } = index.propose(1)
      expect({ matched, next }).toEqual(naive(tokens, held))
      return matched
    }
    add(Array.from({ length: capacity - 50 }, () => random.below(5000)))
    let [far, gone] = [0, 0]
    for (let round = 0; round < 400; round++) {
      // Near the oldest end: now there, now forgotten.
      const from = Math.max(0, held - 20 + random.below(60))
      const quoted = tokens.slice(from, from + 8)
      add(quoted)
      if (same() >= long) far++
      else gone++
      if (random.chance(0.3)) {
        const count = random.below(40)
        tokens.splice(tokens.length - count)
        index.remove(count)
        same()
      }
      add(Array.from({ length: random.below(30) }, () => random.below(5000)))
      same()
    }
    expect(held).toBeGreaterThan(2000)
    expect(far).toBeGreaterThan(50)
    expect(gone).toBeGreaterThan(5)
    expect([...index.last(100)]).toEqual(tokens.slice(-100))
  })

  test('is empty again when all is taken back, and more than that', () => {
    const index = new NgramIndex()
    index.append(Int32Array.of(1, 2, 3, 1, 2, 3))
    expect(index.propose(4)).toEqual({ matched: 3, next: 3, tokens: Int32Array.of(1, 2, 3, 1) })
    index.remove(100)
    expect(index.propose(4).matched).toBe(0)
    index.append(Int32Array.of(1, 2, 3))
    expect(index.propose(4).matched).toBe(0)
    index.append(Int32Array.of(1, 2))
    expect(index.propose(2)).toEqual({ matched: 2, next: 2, tokens: Int32Array.of(3, 1) })
  })
})

describe('how many drafts', () => {
  /** Costs relative to one token, as measured on two cores: a batch of two costs as much as two. */
  const measured = (size: number) =>
    [0, 1, 2.0, 2.35, 2.7, 2.2, 2.7, 3.2, 3.7, 4.2, 4.7, 5.2, 5.7, 6.2, 6.7, 7.2, 7.7][size]!

  function conversation(costs: (size: number) => number, right: () => boolean, matched: () => number, tokens = 3000) {
    const lengths = new DraftLength()
    const chosen: number[] = []
    let [time, said] = [0, 0]
    while (said < tokens) {
      const length = matched()
      const drafts = said < 5 ? 0 : lengths.choose(length, 1, 15)
      chosen.push(drafts)
      lengths.observe(1 + drafts, 10 * costs(1 + drafts))
      time += costs(1 + drafts)
      said++
      for (let place = 0; length > 0 && place < Math.max(1, drafts); place++) {
        const same = right()
        lengths.learn(length + place, same)
        if (!same || drafts === 0) break
        said++
      }
    }
    return { speed: said / time, chosen }
  }

  test('where it pays, it finds a size that is good, whatever is dearer on the way there', () => {
    const random = seeded(1)
    const { speed, chosen } = conversation(
      measured,
      () => random.chance(0.95),
      () => 12,
    )
    // The best of all sizes at this rate, known from the start.
    const best = Math.max(...Array.from({ length: 15 }, (_, k) => (1 - 0.95 ** (k + 2)) / 0.05 / measured(k + 2)))
    expect(speed).toBeGreaterThan(0.93 * best)
    expect(chosen.at(-1)).toBeGreaterThanOrEqual(4)
  })

  test.each([
    [0.02, 3],
    [0.1, 4],
    [0.3, 5],
    [0.5, 2],
  ])('where %f of the proposals are right, it costs less than three percent', (rate, matched) => {
    const random = seeded(2)
    const { speed } = conversation(
      measured,
      () => random.chance(rate),
      () => matched,
      1500,
    )
    expect(speed).toBeGreaterThan(0.97)
  })

  test('where a batch of many costs the same as one, it takes as many as it may', () => {
    const random = seeded(3)
    const { chosen } = conversation(
      () => 1,
      () => random.chance(0.9),
      () => 10,
    )
    expect(chosen.at(-1)).toBeGreaterThanOrEqual(13)
  })

  test('where each token costs the same, it tries seldom', () => {
    const random = seeded(4)
    const { speed, chosen } = conversation(
      size => size,
      () => random.chance(0.9),
      () => 10,
    )
    expect(speed).toBeGreaterThan(0.97)
    expect(chosen.filter(drafts => drafts > 0).length).toBeLessThan(0.06 * chosen.length)
  })

  test('a pause while a size was tried for the first time is forgotten', () => {
    const random = seeded(5)
    let pauses = 0
    const { chosen } = conversation(
      size => (size > 1 && pauses++ < 2 ? 40 : measured(size)),
      () => random.chance(0.95),
      () => 16,
    )
    expect(chosen.slice(-500).filter(drafts => drafts > 0).length).toBeGreaterThan(400)
  })

  test('no match, no room, or a cost that is not known: none', () => {
    const lengths = new DraftLength()
    expect(lengths.choose(20, 1, 15)).toBe(0)
    for (let i = 0; i < 8; i++) lengths.observe(1, 10)
    expect(lengths.choose(20, 1, 15)).toBeGreaterThan(0)
    expect(lengths.choose(0, 1, 15)).toBe(0)
    expect(lengths.choose(20, 1, 0)).toBe(0)
    expect(lengths.choose(20, 3, 15)).toBe(0)
  })
})
