import { readdirSync, readFileSync } from 'node:fs'
import { collectGarbage } from '../../research/bench/tasks/memory-use.js'

/**
 * What this process holds at a moment. Bytes, and numbers of things; those that only Linux tells are left out
 * elsewhere.
 */
export interface Holdings {
  /** Resident memory, with the pages of mapped files. */
  rss: number
  /** Of it what no file stands behind. */
  anonymous?: number
  heap: number
  /** What V8 has taken from the system for that heap: it grows and shrinks by rules of its own. */
  heapTaken: number
  external: number
  descriptors?: number
  threads?: number
}

/** After garbage has been collected: what is held, not what waits to be thrown away. */
export function holdings(): Holdings {
  collectGarbage()
  const { rss, heapUsed: heap, heapTotal: heapTaken, external } = process.memoryUsage()
  if (process.platform !== 'linux') return { rss, heap, heapTaken, external }
  const status = readFileSync('/proc/self/status', 'utf8')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  // One of them is the folder that is being read.
  return {
    rss,
    anonymous: field('RssAnon') * 1_024,
    heap,
    heapTaken,
    external,
    descriptors: readdirSync('/proc/self/fd').length - 1,
    threads: field('Threads'),
  }
}

/**
 * Measures the CPU's time of the thread that has had most of it since the last call, the main one apart: with
 * `threads: 1` that is the engine's. Milliseconds; undefined where the system does not tell. Other programs of the
 * machine hardly change it.
 */
export function engineClock(): () => number | undefined {
  let before = timeOfThreads()
  return () => {
    const now = timeOfThreads()
    const spent = [...now]
      .filter(([thread]) => thread !== process.pid)
      .map(([thread, time]) => time - (before.get(thread) ?? 0))
    before = now
    return spent.length === 0 ? undefined : Math.max(...spent) / 1e6
  }
}

/** Nanoseconds, by the thread's number. */
function timeOfThreads(): Map<number, number> {
  const times = new Map<number, number>()
  if (process.platform !== 'linux') return times
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      times.set(Number(thread), Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    } catch {
      // It has ended meanwhile.
    }
  }
  return times
}
