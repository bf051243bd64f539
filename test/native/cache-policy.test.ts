import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { CachePolicy as CachePolicyObject } from '../tools/test-addon.js'

const { CachePolicy } = openAddon()
const streaming = { policy: 'streaming', firstPosition: 0 } as const

/** What the paper says should be kept: the first `sinks` tokens, and the last `window` of the others. */
function kept(history: number[], sinks: number, window: number): number[] {
  const rest = history.slice(sinks)
  return [...history.slice(0, sinks), ...rest.slice(Math.max(0, rest.length - window))]
}

describe('the streaming policy', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => [seed]))(
    'keeps sinks and window through random operations (seed %i)',
    seed => {
      const random = seeded(seed)
      const sinks = random.below(9)
      const window = 1 + random.below(70)
      const reanchorEvery = 1 + random.below(random.chance(0.5) ? 4 : 40)
      const trainedLength = sinks + window + reanchorEvery + 1 + random.below(60)
      const firstPosition = random.chance(0.3) ? random.below(10_000) : 0
      const cache: CachePolicyObject = new CachePolicy({
        ...streaming,
        sinks,
        window,
        reanchorEvery,
        trainedLength,
        firstPosition,
      })
      const total = sinks + window
      let history: number[] = []
      let first = firstPosition
      let everEvicted = false
      // Marks taken since the last release, with what must be there again after a rollback.
      let marks: { mark: number; length: number; kept: number[] }[] = []
      const check = () => {
        const state = cache.state()
        expect(state.broken).toBeNull()
        expect([...state.kept]).toEqual(kept(history, sinks, window))
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
          const farthest = sinks > 0 ? before.base : before.oldest
          expect(before.next + count - farthest).toBeLessThanOrEqual(trainedLength)
          if (after.oldest > first + sinks) everEvicted = true
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
        } else {
          const { toDecode } = cache.restart(0)
          first = 0
          if (toDecode.length > 0) cache.append(toDecode, true)
          history = kept(history, sinks, window)
          marks = []
          const state = cache.state()
          expect(state.base).toBe(0)
          expect(state.next).toBe(history.length)
        }
        check()
      }
      expect(everEvicted || history.length <= total).toBe(true)
    },
  )

  test('with reanchorEvery 1 the sinks end right below the window after every step, as in the paper', () => {
    const cache = new CachePolicy({ ...streaming, sinks: 4, window: 60, reanchorEvery: 1, trainedLength: 512 })
    for (let token = 0; token < 500; token++) {
      cache.append(Int32Array.of(token), false)
      const { base, oldest, next } = cache.state()
      expect(base + 4).toBe(oldest)
      expect(next - oldest).toBe(Math.min(60, token - 3)) // negative while the sinks come in
    }
  })

  test('a lag of G moves the sinks once in G tokens', () => {
    const cache = new CachePolicy({ ...streaming, sinks: 4, window: 60, reanchorEvery: 16, trainedLength: 512 })
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

/**
 * What should be kept by turns: whole ones leave, the oldest first; one that is alone larger than the window, or has
 * been cut into, by tokens.
 */
function keepByTurns(window: { token: number; begins: boolean }[], size: number): { token: number; begins: boolean }[] {
  let kept = window
  while (kept.length > size) {
    const next = kept.findIndex(({ begins }, i) => i > 0 && begins)
    if (kept[0]!.begins) kept = next < 0 ? kept.slice(kept.length - size) : kept.slice(next)
    else kept = kept.slice(Math.min(kept.length - size, next < 0 ? Infinity : next))
  }
  return kept
}

describe('eviction by turns', () => {
  test.each(Array.from({ length: 60 }, (_, seed) => [seed]))(
    'keeps whole turns through random operations (seed %i)',
    seed => {
      const random = seeded(2000 + seed)
      const sinks = random.below(9)
      const size = 10 + random.below(70)
      const reanchorEvery = 1 + random.below(random.chance(0.5) ? 4 : 40)
      const trainedLength = sinks + size + reanchorEvery + 1 + random.below(60)
      const cache = new CachePolicy({
        ...streaming,
        byTurn: true,
        sinks,
        window: size,
        reanchorEvery,
        trainedLength,
        firstPosition: random.chance(0.3) ? random.below(1000) : 0,
      })
      let count = 0
      const first: number[] = []
      let window: { token: number; begins: boolean }[] = []
      let marks: { mark: number; count: number; first: number[]; window: typeof window }[] = []
      const begun: boolean[] = [] // of each token
      let wholeTurns = 0
      // After going back the next token is, to the policy, the one that was there: it begins a turn if that did.
      let again = false
      const goBack = (to: number) => {
        again = begun[to] ?? false
        begun.length = count = to
      }
      for (let operation = 0; operation < 400; operation++) {
        const choice = random.next()
        if (choice < 0.8) {
          const length = Math.min(random.chance(0.6) ? 1 : 1 + random.below(40), cache.room())
          const begins = first.length === sinks && random.chance(0.3) ? random.below(length) : -1
          if (begins >= 0) cache.beginTurn(cache.state().next + begins)
          const tokens = Array.from({ length }, () => count++)
          cache.append(Int32Array.from(tokens), length > 1)
          tokens.forEach((token, i) => {
            if (first.length < sinks) first.push(token)
            else window.push({ token, begins: i === begins || (i === 0 && again) || token === sinks })
            begun.push(window.at(-1)?.begins ?? false)
          })
          again = false
          window = keepByTurns(window, size)
          if (window[0]?.begins) wholeTurns++
        } else if (choice < 0.9) {
          marks.push({ mark: cache.mark(), count, first: [...first], window: [...window] })
        } else if (choice < 0.95 && marks.length > 0) {
          const at = random.below(marks.length)
          const back = marks[at]!
          if (first.length === sinks && back.first.length === sinks) {
            goBack(back.count)
            cache.rollback(back.mark)
            window = [...back.window]
            marks = marks.slice(0, at + 1)
          }
        } else if (choice < 0.97) {
          marks.splice(0).forEach(({ mark }) => cache.release(mark))
          cache.release(cache.mark())
        } else if (window.length > 1) {
          marks = []
          const { next } = cache.state()
          const cut = random.below(window.length)
          cache.cut(next - cut)
          goBack(count - cut)
          window = window.slice(0, window.length - cut)
        } else {
          marks = []
          const { toDecode } = cache.restart(0)
          if (toDecode.length > 0) cache.append(toDecode, true)
        }
        expect([...cache.state().kept]).toEqual([...first, ...window.map(({ token }) => token)])
        expect(cache.state().broken).toBeNull()
      }
      expect(wholeTurns).toBeGreaterThan(0)
    },
  )
})

describe('the recomputing policies', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => [seed]))(
    'hold what they say through random operations (seed %i)',
    seed => {
      const random = seeded(1000 + seed)
      const policy = random.chance(0.5) ? 'recompute' : 'refill'
      const sinks = random.below(6)
      const window = 1 + random.below(40)
      const cache: CachePolicyObject = new CachePolicy({
        policy,
        sinks,
        window,
        reanchorEvery: 1,
        trainedLength: 1000,
        firstPosition: 0,
      })
      const capacity = sinks + window + (policy === 'recompute' ? 1 : 0)
      let history: number[] = []
      let inside: number[] = [] // what the policy should hold, by its definition
      let marks: { mark: number; history: number[]; inside: number[] }[] = []
      const decode = (coming: number[]) => {
        while (coming.length > 0) {
          if (cache.mustRestart(coming.length)) {
            const { toDecode, skipped, evicted: left } = cache.restart(coming.length)
            const before = inside.length
            if (skipped > 0) marks = []
            coming = coming.slice(skipped)
            inside =
              policy === 'recompute'
                ? inside.slice(inside.length - Math.min(inside.length, capacity - coming.length))
                : [...inside.slice(0, sinks), ...inside.slice(sinks).slice(-Math.floor(window / 2) || Infinity)]
            expect([...toDecode]).toEqual(inside)
            expect(left).toBe(before - inside.length + skipped)
            coming = [...toDecode, ...coming]
            inside = []
          }
          const count = Math.min(coming.length, cache.room(), 1 + random.below(30))
          expect(count).toBeGreaterThan(0)
          cache.append(Int32Array.from(coming.slice(0, count)), true)
          inside.push(...coming.slice(0, count))
          coming = coming.slice(count)
          expect(cache.state().broken).toBeNull()
        }
      }
      for (let operation = 0; operation < 300; operation++) {
        const choice = random.next()
        if (choice < 0.7) {
          const tokens = Array.from(
            { length: random.chance(0.7) ? 1 : 1 + random.below(2 * capacity) },
            (_, i) => history.length + i,
          )
          history.push(...tokens)
          decode(tokens)
          if (policy === 'recompute')
            expect([...cache.state().kept]).toEqual(history.slice(-Math.min(capacity, history.length)))
        } else if (choice < 0.85) {
          marks.push({ mark: cache.mark(), history: [...history], inside: [...inside] })
        } else if (choice < 0.95 && marks.length > 0) {
          const at = random.below(marks.length)
          const back = marks[at]!
          marks = marks.slice(0, at + 1)
          history = [...back.history]
          inside = [...back.inside]
          if (!cache.rollback(back.mark)) {
            const { toDecode } = cache.restart(0)
            expect([...toDecode]).toEqual(inside)
            inside = []
            decode([...toDecode])
          }
        } else if (marks.length > 0) {
          const at = random.below(marks.length)
          cache.release(marks[at]!.mark)
          marks = marks.slice(at)
        }
        expect([...cache.state().kept]).toEqual(inside)
      }
    },
  )
})
