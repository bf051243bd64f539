import { runTarget } from '../../../scripts/fuzz/run-target.js'
import type { Fault } from '../../../scripts/fuzz/target.js'
import { faults, leaking, target } from '../../tools/faulty-target.js'
import { SeededRandom } from '../../tools/tiny-random.js'

const module = new URL('../../tools/faulty-target.ts', import.meta.url).href
const found: Fault[] = []
const onFault = (fault: Fault) => {
  found.push(fault)
}
beforeEach(() => found.splice(0))

test('each fault is told with its seed and its input, and what comes after it is tried', async () => {
  const first = 100
  const inputs = 24
  const put = Array.from({ length: inputs }, (_, i) => ({
    seed: first + i,
    fault: faults[new SeededRandom(first + i).integer(faults.length)]!,
  }))
  const bad = put.filter(({ fault }) => fault !== 'nothing' && fault !== 'leaks')
  expect(new Set(bad.map(({ fault }) => fault)).size).toBe(5)
  const outcome = await runTarget(`${module}#target`, target, first, { inputs }, { onFault })
  expect(outcome.tried).toBe(inputs)
  expect(found.map(({ seed, input }) => ({ seed, input }))).toEqual(
    bad.map(({ seed, fault }) => ({ seed, input: `one that ${fault}` })),
  )
  const reasons = {
    throws: /TypeError: put in/,
    aborts: /SIGABRT|code/,
    hangs: /busy/,
    'rejects later': /put in/,
    pollutes: /Object.prototype/,
  } as Record<string, RegExp>
  for (const [i, { fault }] of bad.entries()) expect(found[i]!.reason).toMatch(reasons[fault]!)
}, 120_000)

test('memory that grows is told', async () => {
  const { grownMegabytes } = await runTarget(`${module}#leaking`, leaking, 0, { inputs: 10_000 }, { onFault })
  expect(found).toEqual([])
  expect(grownMegabytes).toBeGreaterThan(20)
}, 120_000)
