import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { SlotHolder } from '../tools/test-addon.js'

const { SlotTable } = openAddon()

const holder = (handle: number, more: Partial<SlotHolder> = {}): SlotHolder => ({
  handle,
  cells: 100,
  lastUsed: handle,
  works: false,
  waits: false,
  spared: false,
  ...more,
})

describe('jobs that wait', () => {
  test('the highest priority comes first, of equals the one that has waited longest', () => {
    const table = new SlotTable(2, 0, 0)
    for (const [handle, priority] of [
      [1, 0],
      [2, 5],
      [3, 5],
      [4, -1],
    ] as const)
      table.enqueue(handle, priority)
    expect([...table.waiting()]).toEqual([1, 2, 3, 4])
    const order: number[] = []
    for (let next = table.next(); next !== null; next = table.next()) {
      order.push(next)
      table.remove(next)
    }
    expect(order).toEqual([2, 3, 1, 4])
  })

  test('one that leaves is no longer there, wherever it stood', () => {
    const table = new SlotTable(2, 0, 0)
    for (const handle of [1, 2, 3]) table.enqueue(handle, 0)
    table.remove(2)
    table.remove(7)
    expect([...table.waiting()]).toEqual([1, 3])
  })
})

describe('sequences that give way', () => {
  const table = new SlotTable(3, 0, 0)

  test('none does while a slot is free', () => {
    expect(table.slotsToFree(100, [holder(1), holder(2)])).toEqual(new Int32Array())
  })

  test('the longest idle one', () => {
    const holders = [holder(1, { lastUsed: 9 }), holder(2, { lastUsed: 3 }), holder(3, { lastUsed: 5 })]
    expect([...table.slotsToFree(100, holders)!]).toEqual([2])
  })

  test('one that waits only where none is idle, one that works or is spared never', () => {
    const works = holder(1, { works: true })
    const waits = holder(2, { waits: true })
    expect([...table.slotsToFree(1, [works, waits, holder(3, { lastUsed: 99 })])!]).toEqual([3])
    expect([...table.slotsToFree(1, [works, waits, holder(3, { spared: true })])!]).toEqual([2])
    expect(table.slotsToFree(1, [works, holder(2, { works: true }), holder(3, { spared: true })])).toBeNull()
  })

  test('as many as make room for its cells and a batch, or none of them', () => {
    const tight = new SlotTable(8, 1000, 100)
    const holders = [1, 2, 3].map(handle => holder(handle, { cells: 300 }))
    expect([...tight.slotsToFree(0, holders)!]).toEqual([])
    expect([...tight.slotsToFree(1, holders)!]).toEqual([1])
    expect([...tight.slotsToFree(900, holders)!]).toEqual([1, 2, 3])
    expect(tight.slotsToFree(901, holders)).toBeNull()
  })

  test('is always enough, and never one more than that', () => {
    const random = seeded(5)
    for (let round = 0; round < 2000; round++) {
      const slots = 1 + random.below(5)
      const cells = random.below(3) === 0 ? 0 : 200 + random.below(600)
      const spare = random.below(100)
      const needed = random.below(300)
      const holders = Array.from({ length: random.below(slots + 1) }, (_, handle) =>
        holder(handle, {
          cells: 1 + random.below(300),
          lastUsed: random.below(20),
          works: random.below(4) === 0,
          waits: random.below(3) === 0,
          spared: random.below(8) === 0,
        }),
      )
      const fits = (left: SlotHolder[]) =>
        left.length < slots &&
        (cells === 0 || spare + needed + left.reduce((sum, each) => sum + each.cells, 0) <= cells)
      const given = new SlotTable(slots, cells, spare).slotsToFree(needed, holders)
      const without = (gone: Iterable<number>) => holders.filter(each => ![...gone].includes(each.handle))
      if (given === null) {
        expect(fits(holders.filter(each => each.works || each.spared))).toBe(false)
      } else {
        expect(fits(without(given))).toBe(true)
        if (given.length > 0) expect(fits(without(given.slice(0, -1)))).toBe(false)
        for (const handle of given) expect(holders[handle]).toMatchObject({ works: false, spared: false })
      }
    }
  })
})
