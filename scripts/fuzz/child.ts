// The process in which inputs are tried: it writes down the seed of each before it tries it, and the input as soon as
// that is made, so that its end by a signal tells which one it was.
import { ftruncateSync, openSync, writeSync } from 'node:fs'
import { SeededRandom } from '../../test/tools/tiny-random.js'
import { expect, seedBytes } from './target.js'
import { loadTarget } from './targets.js'

/** From the parent. */
export interface Order {
  target: string
  first: number
  count: number
  progressFile: string
  /** Seconds of CPU for one input. */
  limit: number
}

/** To the parent. */
export type Message =
  | { kind: 'fault'; seed: number; reason: string; input: string }
  | (Progress & { kind: 'progress' })
  | (Progress & { kind: 'done' })

export interface Progress {
  tried: number
  /** Of the process, once what can be collected is. */
  megabytes: number
  /** What came of inputs, by how often. */
  outcomes: Record<string, number>
  slowest: { seconds: number; seed: number }
}

const maxInputShown = 4_000

/** Memory is looked at each time. */
const inputsBetween = 500

// Where the parent was killed, there is no one to tell.
const orphaned = () => process.exit(1)
process.once('disconnect', orphaned)
const order = await new Promise<Order>(resolve => process.once('message', resolve))
const target = await loadTarget(order.target)
const prepared = await target.prepare?.()
const file = openSync(order.progressFile, 'r+')
const outcomes: Record<string, number> = {}
const slowest = { seconds: 0, seed: -1 }
const inFlight = new Set<number>()
let next = 0
let tried = 0
// Where several are tried at once, a fault that ends the process is ascribed to the one that was begun first.
await Promise.all(
  Array.from({ length: target.atOnce ?? 1 }, async () => {
    while (next < order.count) await attempt(order.first + next++)
  }),
)
begun()
await send({ kind: 'done', ...progress() })
process.off('disconnect', orphaned)
process.disconnect()
process.exit(0)

async function attempt(seed: number): Promise<void> {
  inFlight.add(seed)
  begun()
  let input = ''
  const before = process.cpuUsage()
  try {
    await target.attempt(new SeededRandom(seed), prepared, {
      describe: text => {
        input = text.slice(0, maxInputShown)
        writeSync(file, input, seedBytes)
      },
      count: outcome => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      },
    })
    expect(Object.keys(Object.prototype).length === 0, 'Object.prototype has been added to')
    const { user, system } = process.cpuUsage(before)
    const seconds = (user + system) / 1e6 / (target.atOnce ?? 1)
    if (seconds > slowest.seconds) Object.assign(slowest, { seconds, seed })
    expect(seconds <= order.limit, `it took ${seconds.toFixed(1)} seconds of CPU`)
  } catch (error) {
    await send({
      kind: 'fault',
      seed,
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      input,
    })
  }
  inFlight.delete(seed)
  tried++
  if (tried % inputsBetween === 0) await send({ kind: 'progress', ...progress() })
}

/** Writes down which one it is. */
function begun(): void {
  ftruncateSync(file, seedBytes)
  const [oldest] = inFlight
  writeSync(file, String(oldest ?? '').padStart(seedBytes), 0)
}

function send(message: Message): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, {}, () => resolve()))
}

function progress(): Progress {
  ;(globalThis as { gc?: () => void }).gc?.()
  return { tried, megabytes: process.memoryUsage().rss / 2 ** 20, outcomes, slowest }
}
