import { PromiseQueue } from '../../../lib/util/promise-queue.js'

test('one after another, in the order in which they asked', async () => {
  const queue = new PromiseQueue()
  const happened: number[] = []
  const turn = async (number: number): Promise<void> => {
    const release = await queue.acquire()
    happened.push(number)
    await new Promise(resolve => setImmediate(resolve))
    happened.push(-number)
    release!()
  }
  await Promise.all([1, 2, 3].map(turn))
  expect(happened).toEqual([1, -1, 2, -2, 3, -3])
})

test('what leaves while it waits leaves at once, by any of its signals, and holds nothing up', async () => {
  const queue = new PromiseQueue()
  const first = await queue.acquire()
  const [one, other] = [new AbortController(), new AbortController()]
  const leaving = queue.acquire(undefined, one.signal, other.signal)
  const last = queue.acquire(other.signal)
  one.abort()
  expect(await leaving).toBeUndefined()
  first!()
  expect(await last).toBeInstanceOf(Function)
})

test('a turn that nothing is before begins, whatever its signal says', async () => {
  const release = await new PromiseQueue().acquire(AbortSignal.abort())
  expect(release).toBeInstanceOf(Function)
})

test('a signal that cannot be listened to holds nothing up', async () => {
  const queue = new PromiseQueue()
  const first = await queue.acquire()
  await expect(queue.acquire({ aborted: false } as AbortSignal)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  const last = queue.acquire()
  first!()
  expect(await last).toBeInstanceOf(Function)
})
