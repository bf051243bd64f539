import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { ThreadChoice as ThreadChoiceObject } from '../tools/test-addon.js'

const { ThreadChoice } = openAddon()
const fullBatch = 128

/** A machine whose threads stall where there are more of them than free cores, and decode in milliseconds given. */
class Machine {
  readonly choice: ThreadChoiceObject
  readonly #random = seeded(5)
  stalls = 0
  total = 0

  constructor(
    public freeCores: number,
    cores: number,
    readonly alone: (threads: number) => number,
    mayChange = true,
  ) {
    this.choice = new ThreadChoice(cores, fullBatch, mayChange)
  }

  /** Decodes; a decode that takes too long is given up and done again. */
  decode(count: number, tokens = 1): void {
    for (let i = 0; i < count; i++) {
      for (;;) {
        const threads = this.choice.threads()
        const stalled = threads > this.freeCores
        const time = this.alone(threads) * (0.95 + 0.1 * this.#random.next()) * (stalled ? 100 : 1)
        const limit = this.choice.limit(tokens)
        if (stalled) this.stalls++
        if (time > limit) {
          this.total += limit
          this.choice.gaveUp()
          continue
        }
        this.total += time
        this.choice.observe(tokens, time)
        break
      }
    }
  }
}

const faster = (threads: number) => 3 + 14 / threads

test('stays with all threads where nothing disturbs, and hardly ever tries fewer', () => {
  const machine = new Machine(2, 2, faster)
  machine.decode(10_000)
  expect(machine.choice.threads()).toBe(2)
  expect(machine.total / 10_000).toBeLessThan(1.01 * faster(2))
})

test.each([2, 4, 8])(
  '%i cores: gives up a decode that stalls, goes on with as many threads as there are free cores, and comes back',
  cores => {
    const machine = new Machine(cores, cores, faster)
    machine.decode(100)
    machine.freeCores = cores - 1
    machine.total = machine.stalls = 0
    machine.decode(1000)
    expect(machine.choice.threads()).toBeLessThanOrEqual(cores - 1)
    expect(machine.stalls).toBeLessThan(10)
    expect(machine.total / 1000).toBeLessThan(1.15 * faster(cores - 1))
    machine.freeCores = cores
    machine.decode(4000)
    expect(machine.choice.threads()).toBe(cores)
  },
)

test('where it is disturbed from the first token on, it finds out', () => {
  const machine = new Machine(1, 2, faster)
  machine.decode(500)
  expect(machine.choice.threads()).toBe(1)
  expect(machine.stalls).toBeLessThan(15)
})

test('where many threads are slower than fewer, it comes near the best number', () => {
  const machine = new Machine(16, 16, threads => 10 + (threads - 5) ** 2)
  machine.decode(3000)
  expect(Math.abs(machine.choice.threads() - 5)).toBeLessThanOrEqual(1)
})

test('batches of several sizes are not compared with one another', () => {
  const machine = new Machine(2, 2, faster)
  for (let i = 0; i < 200; i++) {
    machine.decode(5)
    machine.choice.observe(fullBatch, 500)
    machine.choice.observe(40, 200)
  }
  expect(machine.choice.threads()).toBe(2)
})

test('a trial ends though batches of its kind come no more', () => {
  const machine = new Machine(2, 2, faster)
  machine.decode(11, fullBatch)
  expect(machine.choice.threads()).toBe(1) // in a trial
  machine.decode(200)
  expect(machine.choice.threads()).toBe(2)
})

test('a number that was asked for stays, whatever happens', () => {
  const choice = new ThreadChoice(4, fullBatch, false)
  for (let i = 0; i < 500; i++) choice.observe(1, i % 2 === 0 ? 1 : 1000)
  expect(choice.threads()).toBe(4)
  expect(choice.limit(1)).toBe(Infinity)
})
