import { MessageLog } from '../../../lib/chat/message-log.js'
import { seeded } from '../../tools/random.js'

const fill = (log: MessageLog, count: number, from = 0) => {
  for (let i = from; i < from + count; i++)
    log.add({ role: i % 2 === 0 ? 'user' : 'assistant', content: `m${i}` }, 10 * (i + 1))
}

test('a mark of a long history that is kept whole holds what is in the window alone', () => {
  const log = new MessageLog(true)
  fill(log, 10_000)
  log.leave(99_950)
  expect(log.present).toHaveLength(5)
  expect(log.mark().entries).toHaveLength(5)
  expect(log.messages).toHaveLength(10_000)
})

test.each([true, false])(
  'what has come since a mark has never been, whatever has left meanwhile (all kept: %s)',
  keepAll => {
    const random = seeded(5)
    for (let round = 0; round < 300; round++) {
      const log = new MessageLog(keepAll)
      const before = random.below(12)
      fill(log, before)
      log.leave(10 * random.below(before + 2))
      const expected = log.clone()
      const mark = log.mark()
      const [added, removed] = random.chance(0.5) ? [random.below(6), 0] : [0, Math.min(1, log.messages.length)]
      fill(log, added, before)
      log.removeLast(removed)
      log.leave(10 * random.below(before + added + 2))
      if (random.chance(0.5)) log.renumber(log.present.map((_, i) => i + 1))
      log.rollBackTo(mark)
      expect(log.save()).toEqual(expected.save())
      expect([log.present, log.leftCount, log.digest, log.messages]).toEqual([
        expected.present,
        expected.leftCount,
        expected.digest,
        expected.messages,
      ])
      // And once more: a mark may serve twice.
      log.leave(10 * before)
      log.rollBackTo(mark)
      expect(log.save()).toEqual(expected.save())
    }
  },
)
