import { setTimeout as sleep } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import { openOutputFile } from './output-file.js'
import type { Turn } from './reply.js'

/** Where the figures of each turn go. */
export interface TurnStatistics {
  add(turn: Turn): Promise<void>
  close(): void
}

const nowhere: TurnStatistics = { add: async () => {}, close: () => {} }

/** Writes one JSON object a turn and line to the file, at once, so that a run that ends early leaves its figures. */
export function turnStatistics(file: string | undefined): TurnStatistics {
  if (file === undefined) return nowhere
  const output = openOutputFile('--json-stats', file)
  let turn = 0
  return {
    async add({ finish, intervalsMs }) {
      const statistics = {
        turn: ++turn,
        reason: finish.reason,
        rssBytes: await residentBytes(),
        ...finish.usage,
        ...finish.timings,
        intervalsMs: intervalsMs.map(interval => Math.round(interval * 1000) / 1000),
      }
      output.write(`${JSON.stringify(statistics)}\n`)
    },
    close: output.close,
  }
}

/** Resident memory without garbage: the median of five readings, each after a forced collection. */
async function residentBytes(): Promise<number> {
  const readings: number[] = []
  for (let reading = 0; reading < 5; reading++) {
    collector()
    await sleep(10) // memory goes back to the system a moment later
    readings.push(process.memoryUsage.rss())
  }
  return readings.sort((a, b) => a - b)[2] ?? 0
}

let known: (() => void) | undefined

/** `node --expose-gc` has it; in any other process it can still be had. */
function collector(): void {
  if (known === undefined) {
    if (globalThis.gc === undefined) v8.setFlagsFromString('--expose-gc')
    const gc = globalThis.gc ?? (vm.runInNewContext('gc') as () => void)
    known = () => {
      void gc()
    }
  }
  known()
}
