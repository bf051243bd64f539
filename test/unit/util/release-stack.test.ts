import { acquiring, ReleaseStack } from '../../../lib/util/release-stack.js'

/** A stack of three and what they did; the named ones fail. */
function stackOf(...failing: string[]): { held: ReleaseStack; steps: string[] } {
  const held = new ReleaseStack()
  const steps: string[] = []
  for (const name of ['first', 'second', 'third']) {
    held.add(async () => {
      steps.push(`${name} begins`)
      await Promise.resolve()
      steps.push(`${name} ends`)
      if (failing.includes(name)) throw new Error(`${name} fails`)
    })
  }
  return { held, steps }
}

const all = ['third begins', 'third ends', 'second begins', 'second ends', 'first begins', 'first ends']

test('the latest is released first, at once, and each waits for the one before', async () => {
  const { held, steps } = stackOf()
  const released = held.release()
  expect(steps).toEqual(['third begins'])
  await released
  expect(steps).toEqual(all)
})

test('everything is released once, however often it is asked for', async () => {
  const { held, steps } = stackOf()
  await Promise.all([held.release(), held.release()])
  await held.release()
  expect(steps).toEqual(all)
})

test('a release that fails keeps none from its turn; the first failure is told, each time', async () => {
  const { held, steps } = stackOf('third', 'first')
  await expect(held.release()).rejects.toThrow('third fails')
  await expect(held.release()).rejects.toThrow('third fails')
  expect(steps).toEqual(all)
})

test('one that throws at once is no other than one that rejects', async () => {
  const { held, steps } = stackOf()
  held.add(() => {
    throw new Error('no promise')
  })
  await expect(held.release()).rejects.toThrow('no promise')
  expect(steps).toEqual(all)
})

test('work that succeeds keeps what it has acquired', async () => {
  const steps: string[] = []
  const held = await acquiring(async held => {
    held.add(() => void steps.push('released'))
    return held
  })
  expect(steps).toEqual([])
  await held.release()
  expect(steps).toEqual(['released'])
})

test('work that fails has released everything once its failure is told, which is not that of a release', async () => {
  const steps: string[] = []
  const work = acquiring(async held => {
    held.add(() => void steps.push('first'))
    held.add(async () => {
      await Promise.resolve()
      steps.push('second')
      throw new Error('the release')
    })
    throw new Error('the work')
  })
  await expect(work).rejects.toThrow('the work')
  expect(steps).toEqual(['second', 'first'])
})
