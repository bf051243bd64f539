import { isTimeout, runWithin } from '../../../lib/templates/time-limit.js'

const busyFor = (milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

test('what takes too long once, as on a busy machine, is done again', () => {
  let times = 0
  expect(runWithin(50, () => {
    if (++times === 1) busyFor(5_000)
    return 'done'
  })).toBe('done')
  expect(times).toBe(2)
})

test('what never ends is given up', () => {
  const started = performance.now()
  let error: unknown
  try {
    runWithin(50, () => busyFor(60_000))
  } catch (thrown) {
    error = thrown
  }
  expect(isTimeout(error)).toBe(true)
  expect(performance.now() - started).toBeLessThan(20_000)
})

test('what fails is not done again', () => {
  let times = 0
  expect(() => runWithin(50, () => {
    times++
    throw new Error('no')
  })).toThrow('no')
  expect(times).toBe(1)
})
