import { type ProgressLine, progressLine } from '../../lib/cli/bar.js'
import { duration, type Speeds, secondsOfCell } from './estimate.js'
import type { Cell, Experiment, Outcomes, Plain } from './experiment.js'
import { type CellStore, hashOfKey } from './store.js'

/** Cells that several experiments have in common are there once. */
export function distinctCells(experiments: Experiment[]): Cell<Plain>[] {
  const cells = new Map<string, Cell<Plain>>()
  for (const experiment of experiments)
    for (const cell of experiment.cells) if (!cells.has(hashOfKey(cell.key))) cells.set(hashOfKey(cell.key), cell)
  return [...cells.values()]
}

export interface RunOptions {
  store: CellStore
  speeds: Speeds
  /** Ends the run within a moment; what is finished is kept. */
  signal?: AbortSignal
  /** Seconds that all of it may take; cells that take longer are given up. */
  timeLimit?: number
  say: (line: string) => void
}

/** Measures the cells that are not there yet, one after another. What fails is told, and does not end the run. */
export async function runCells(cells: Cell<Plain>[], options: RunOptions): Promise<Outcomes> {
  const { store, speeds, signal, timeLimit = Infinity, say } = options
  const reasons = new Map<string, string>()
  const open = cells.filter(cell => store.get(cell.key) === undefined && cell.missing === undefined)
  const progress = new Progress(
    open.reduce((sum, cell) => sum + secondsOfCell(cell, speeds), 0),
    say,
  )
  const started = performance.now()
  try {
    const spent = () => (performance.now() - started) / 1_000
    const timeOver = (expected: number) =>
      `it would have taken ${duration(expected)}, and the quick run's time was nearly over; run it again to go on`
    // What seems too long for the time that is left has its turn at the end: an estimate is no more than that.
    const late: Cell<Plain>[] = []
    const queue = function* () {
      yield* open
      yield* late
    }
    let index = 0
    for (const cell of queue()) {
      if (signal?.aborted) break
      const expected = secondsOfCell(cell, speeds)
      if (spent() + expected > timeLimit && !late.includes(cell)) {
        late.push(cell)
        continue
      }
      index++
      progress.begin(cell.label, index, open.length, expected)
      const start = performance.now()
      try {
        const value = await cell.measure!(share => {
          signal?.throwIfAborted()
          if (spent() > timeLimit) throw new Error(timeOver(expected))
          progress.show(share)
        })
        await store.put(cell.key, value, (performance.now() - start) / 1_000)
      } catch (error) {
        if (signal?.aborted) break
        const reason = error instanceof Error ? error.message : String(error)
        reasons.set(hashOfKey(cell.key), reason)
        progress.note(`${cell.label}: not measured: ${reason}`)
      }
      progress.finish()
    }
  } finally {
    progress.end()
  }
  return outcomesOf(store, reasons)
}

export function outcomesOf(store: CellStore, reasons: ReadonlyMap<string, string> = new Map()): Outcomes {
  return {
    value: <Value extends Plain>(cell: Cell<Value>) => store.get(cell.key)?.value as Value | undefined,
    reason: cell =>
      store.get(cell.key) !== undefined
        ? undefined
        : (cell.missing ?? reasons.get(hashOfKey(cell.key)) ?? 'the run was ended before'),
  }
}

/** A bar over the estimated seconds on a terminal; elsewhere a line for each cell. */
class Progress {
  readonly #say: (line: string) => void
  readonly #bar: ProgressLine | undefined
  #done = 0
  #expected = 0

  constructor(total: number, say: (line: string) => void) {
    this.#say = say
    if (!process.stderr.isTTY) return
    this.#bar = progressLine('{bar} {percentage} % of the estimated time | {number} of {cells} | {label}')
    this.#bar.start(Math.max(1, total), 0, { number: 0, cells: 0, label: '' })
  }

  begin(label: string, number: number, cells: number, expected: number): void {
    this.#expected = expected
    this.#bar?.update(this.#done, { label, number, cells })
    if (this.#bar === undefined) this.#say(`${number} of ${cells}: ${label} (about ${duration(expected)})`)
  }

  show(share: number): void {
    this.#bar?.update(this.#done + this.#expected * Math.min(1, share))
  }

  finish(): void {
    this.skip(this.#expected)
  }

  skip(seconds: number): void {
    this.#done += seconds
    this.#bar?.update(this.#done)
  }

  note(line: string): void {
    if (this.#bar === undefined) this.#say(line)
  }

  end(): void {
    this.#bar?.stop()
  }
}
