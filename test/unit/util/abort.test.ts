import {
  abortable,
  followingController,
  onAbort,
  sleep,
  throwIfAborted,
  untilAborted,
} from '../../../lib/util/abort.js'
import { Pace } from '../../../lib/util/pace.js'
import { deafSignal, held } from '../../tools/deaf-signal.js'

const warnings: string[] = []
const hear = (warning: Error) => warnings.push(warning.name)
beforeAll(() => process.on('warning', hear))
afterAll(() => process.off('warning', hear))

/** Listeners of a signal, counted where they are added and removed. */
function counted(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  let count = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    count++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    count--
    remove(...args)
  }
  return { controller, listeners: () => count }
}

test('a hundred waiters for one signal are one listener, and none when they are done', async () => {
  const { controller, listeners } = counted()
  const fired: number[] = []
  const unlinks = Array.from({ length: 100 }, (_, i) => onAbort(controller.signal, () => fired.push(i)))
  const followers = Array.from({ length: 100 }, () => followingController(controller.signal))
  expect(listeners()).toBe(1)
  followers.forEach(({ unlink }) => unlink())
  unlinks.forEach(unlink => unlink())
  expect(listeners()).toBe(0)
  for (let i = 0; i < 500; i++) onAbort(controller.signal, () => {})()
  expect(listeners()).toBe(0)
  unlinks.splice(0, 100, ...Array.from({ length: 20 }, (_, i) => onAbort(controller.signal, () => fired.push(i))))
  unlinks[3]!()
  unlinks[3]!()
  controller.abort('reason')
  expect(fired).toEqual([0, 1, 2, ...Array.from({ length: 16 }, (_, i) => i + 4)])
  onAbort(controller.signal, () => fired.push(99))
  expect(fired.at(-1)).toBe(99)
  await new Promise(resolve => setImmediate(resolve))
  expect(warnings).not.toContain('MaxListenersExceededWarning')
})

test('a listener removed meanwhile is not called, and one that throws does not stop the others', () => {
  const { signal } = new AbortController()
  const target = Object.assign(new EventTarget(), { aborted: false }) as unknown as AbortSignal
  expect(signal.aborted).toBe(false)
  const told: string[] = []
  let forget = () => {}
  onAbort(target, () => forget())
  forget = onAbort(target, () => told.push('forgotten'))
  onAbort(target, () => told.push('last'))
  target.dispatchEvent(new Event('abort'))
  expect(told).toEqual(['last'])
})

test('waiting ends with the signal, by its reason', async () => {
  const { controller, listeners } = counted()
  const reason = new Error('enough')
  const waits = Array.from({ length: 30 }, (_, i) =>
    i % 2 === 0 ? sleep(100_000, controller.signal) : untilAborted(new Promise(() => {}), controller.signal),
  )
  setTimeout(() => controller.abort(reason), 5)
  for (const outcome of await Promise.allSettled(waits)) expect(outcome).toEqual({ status: 'rejected', reason })
  await expect(sleep(1, controller.signal)).rejects.toBe(reason)
  await sleep(1, undefined)
  expect(listeners()).toBe(0)
})

test('one whose methods throw is refused with a typed error, or forgotten', () => {
  const alike = {
    aborted: false,
    reason: undefined,
    addEventListener() {},
    removeEventListener() {
      throw new RangeError('no')
    },
    throwIfAborted() {},
  } as unknown as AbortSignal
  expect(() => onAbort(alike, () => {})()).not.toThrow()
  const deaf = {
    ...alike,
    addEventListener() {
      throw new RangeError('no')
    },
  } as unknown as AbortSignal
  expect(() => onAbort(deaf, () => {})).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'signal', expected: 'an AbortSignal' } }),
  )
})

test('one that can be listened to no more leaves nothing behind: no listener, and no rejection that nothing handles', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', note)
  const deaf = {
    aborted: false,
    reason: undefined,
    addEventListener() {
      throw new RangeError('no')
    },
    removeEventListener() {},
    throwIfAborted() {},
  } as unknown as AbortSignal
  const failing = () => Promise.reject(new Error('of the work'))
  const refused = { code: 'INVALID_OPTION' }
  await expect(untilAborted(failing(), deaf)).rejects.toMatchObject(refused)
  await expect(new Pace([deaf]).beside(failing())).rejects.toMatchObject(refused)
  const { controller, listeners } = counted()
  expect(() => followingController(controller.signal, deaf)).toThrow(expect.objectContaining(refused))
  expect(listeners()).toBe(0)
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('one that has fired is thrown by what it tells, whatever its own method does', () => {
  const fired = (more: object) =>
    ({ aborted: true, addEventListener() {}, removeEventListener() {}, ...more }) as unknown as AbortSignal
  expect(() => throwIfAborted(fired({ reason: new Error('mine'), throwIfAborted() {} }))).toThrow('mine')
  expect(() => throwIfAborted(fired({}))).toThrow(expect.objectContaining({ name: 'AbortError' }))
  expect(() => throwIfAborted(undefined)).not.toThrow()
})

test('abortable work begins where the signal can be listened to, is ended by it, and forgets it at its end', async () => {
  const began: string[] = []
  const refused = abortable(deafSignal(), async () => void began.push('deaf'))
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(abortable(AbortSignal.abort('late'), async () => void began.push('late'))).rejects.toBe('late')
  expect(began).toEqual([])
  const { controller, listeners } = counted()
  expect(await abortable(controller.signal, async () => listeners())).toBe(1)
  expect(listeners()).toBe(0)
  const ended = abortable(controller.signal, whenAborted => new Promise(end => whenAborted(() => end('ended'))))
  controller.abort()
  expect(await ended).toBe('ended')
})

test('a sleep whose signal cannot be listened to leaves no timer behind', async () => {
  const before = held('Timeout')
  await expect(sleep(3_600_000, deafSignal())).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(held('Timeout')).toEqual(before)
})
