import type { NativeSinkCache } from '../../lib/native.js'
import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'

const { SinkCache } = openAddon()

/** What the paper says should be kept: the first `sinks` tokens, and the last `window` of the others. */
function kept(history: number[], sinks: number, window: number): number[] {
  const rest = history.slice(sinks)
  return [...history.slice(0, sinks), ...rest.slice(Math.max(0, rest.length - window))]
}

describe('SinkCache', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => [seed]))('keeps sinks and window through random operations (seed %i)', seed => {
    const random = seeded(seed)
    const sinks = random.below(9)
    const window = 1 + random.below(70)
    const reanchorEvery = 1 + random.below(random.chance(0.5) ? 4 : 40)
    const trainedLength = sinks + window + reanchorEvery + 1 + random.below(60)
    const cache: NativeSinkCache = new SinkCache({ sinks, window, reanchorEvery, trainedLength })
    const total = sinks + window
    let history: number[] = []
    let pinned = sinks
    let everEvicted = false
    // Marks taken since the last release, with what must be there again after a rollback.
    let marks: { mark: number; length: number; kept: number[] }[] = []
    const check = () => {
      const state = cache.state()
      expect(state.broken).toBeNull()
      expect([...state.kept]).toEqual(kept(history, pinned, total - pinned))
      expect(state.size).toBe(state.kept.length)
      expect(state.size).toBeLessThanOrEqual(total)
    }
    for (let operation = 0; operation < 400; operation++) {
      const choice = random.next()
      if (choice < 0.6) {
        const single = random.chance(0.6)
        const wanted = single ? 1 : 1 + random.below(90)
        const count = Math.min(wanted, cache.room())
        expect(count).toBeGreaterThan(0)
        const tokens = Int32Array.from({ length: count }, (_, i) => history.length + i)
        const before = cache.state()
        cache.append(tokens, !single)
        history.push(...tokens)
        const after = cache.state()
        // Nothing was decoded farther from the sinks (from the oldest token where there are none) than trained.
        const farthest = pinned > 0 ? before.base : before.oldest
        expect(before.next + count - farthest).toBeLessThanOrEqual(trainedLength)
        if (after.oldest > pinned || after.base > 0) everEvicted = true
        if (history.length <= total) expect(after.size).toBe(history.length)
      } else if (choice < 0.75) {
        marks.push({ mark: cache.mark(), length: history.length, kept: [...cache.state().kept] })
      } else if (choice < 0.87 && marks.length > 0) {
        const at = random.below(marks.length)
        const { mark, length, kept: expected } = marks[at]!
        cache.rollback(mark)
        history = history.slice(0, length)
        marks = marks.slice(0, at + 1)
        expect([...cache.state().kept]).toEqual(expected)
      } else if (choice < 0.93 && marks.length > 0) {
        const at = random.below(marks.length)
        cache.release(marks[at]!.mark)
        marks = marks.slice(at)
      } else if (choice < 0.97) {
        const wanted = random.below(total + 2)
        const before = cache.state()
        const possible = before.base === 0 && before.oldest === pinned && wanted < total
        const done = cache.pin(wanted)
        expect(done).toBe(possible)
        if (done) {
          pinned = wanted
          marks = []
        }
      } else {
        cache.rebase()
        history = kept(history, pinned, total - pinned)
        marks = []
        const state = cache.state()
        expect(state.base).toBe(0)
        expect(state.next).toBe(history.length)
      }
      check()
    }
    expect(everEvicted || history.length <= total).toBe(true)
  })

  test('with reanchorEvery 1 the sinks end right below the window after every step, as in the paper', () => {
    const cache = new SinkCache({ sinks: 4, window: 60, reanchorEvery: 1, trainedLength: 512 })
    for (let token = 0; token < 500; token++) {
      cache.append(Int32Array.of(token), false)
      const { base, oldest, next } = cache.state()
      expect(base + 4).toBe(oldest)
      expect(next - oldest).toBe(Math.min(60, token - 3)) // negative while the sinks come in
    }
  })

  test('a lag of G moves the sinks once in G tokens', () => {
    const cache = new SinkCache({ sinks: 4, window: 60, reanchorEvery: 16, trainedLength: 512 })
    let moves = 0
    let base = 0
    for (let token = 0; token < 64 + 160; token++) {
      cache.append(Int32Array.of(token), false)
      if (cache.state().base !== base) moves++
      base = cache.state().base
    }
    expect(moves).toBe(10)
  })
})
