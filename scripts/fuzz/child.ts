// The process in which inputs are tried: it writes down the seed of each before it tries it, so that its end by a signal
// tells which one it was.
import { openSync, writeSync } from 'node:fs'
import { SeededRandom } from '../../test/tools/tiny-random.js'
import { targets } from './targets.js'

/** From the parent. */
export interface Order {
  target: string
  first: number
  count: number
  progressFile: string
}

/** To the parent. */
export type Message =
  | { kind: 'fault'; seed: number; reason: string; input: string }
  | { kind: 'done'; tried: number; megabytes: { early: number; end: number } }

const progressBytes = 16

/** After so many inputs all caches are warm, and what the process takes is compared with what it takes at its end. */
const warmInputs = 200

const order = await new Promise<Order>(resolve => process.once('message', resolve))
const target = await targets[order.target]!()
const prepared = await target.prepare?.()
const progress = openSync(order.progressFile, 'r+')
let early = 0
for (let i = 0; i < order.count; i++) {
  const seed = order.first + i
  writeSync(progress, String(seed).padStart(progressBytes), 0)
  let input = ''
  try {
    await target.attempt(new SeededRandom(seed), prepared, text => { input = text.slice(0, 2_000) })
  } catch (error) {
    await send({ kind: 'fault', seed, reason: error instanceof Error ? error.stack ?? error.message : String(error), input })
  }
  if (i === warmInputs) early = megabytes()
}
writeSync(progress, ''.padStart(progressBytes), 0)
await send({ kind: 'done', tried: order.count, megabytes: { early, end: megabytes() } })
process.disconnect()
process.exit(0)

function send(message: Message): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, {}, () => resolve()))
}

function megabytes(): number {
  ;(globalThis as { gc?: () => void }).gc?.()
  return process.memoryUsage().rss / 2 ** 20
}
