import type { Plot } from '../report/plot.js'
import type { Table } from '../report/table.js'
import type { BenchModel, ModelId } from './models.js'

/** A figure that must be reached: at most this, or at least this. */
export interface Bar {
  /** Names the figure among those of its case. */
  id: string
  what: string
  max?: number
  min?: number
}

/** A figure, or why there is none. */
export type Measurement = number | { missing: string }

/** What a case found out. Plain data: it is stored as JSON, and reports are made from that. */
export interface CaseOutcome {
  /** Of the case's bars, by their ids. */
  measurements: Record<string, Measurement>
  /** Ratios first, absolute figures second. */
  tables: Table[]
  plots: Plot[]
  notes: string[]
  /** What could not be measured, and why. */
  missing: { what: string; reason: string }[]
  /** The measurements behind it. */
  data?: unknown
}

/** What a run gives its cases. */
export interface BenchContext {
  /** Fewer tokens, so that all cases together end within a quarter of an hour on 2 cores. */
  quick: boolean
  /** Multiplies numbers of tokens; 1 but in trials of these scripts. */
  scale: number
  threads: number
  models: Record<ModelId, BenchModel>
  signal: AbortSignal
  /** One line of progress for the user. */
  say: (line: string) => void
}

/** One thing that is measured. */
export interface BenchCase {
  /** What `--only` takes. */
  id: string
  title: string
  /** What is measured and how, in a few sentences. */
  about: string
  /** About how long it takes on 2 cores with the default model. */
  minutes: { quick: number; full: number }
  bars: Bar[]
  run(context: BenchContext): Promise<CaseOutcome>
}

/** So many tokens for this run: those of the full or of the quick one. */
export function tokensFor(
  { quick, scale }: Pick<BenchContext, 'quick' | 'scale'>,
  counts: { quick: number; full: number },
): number {
  return Math.max(1, Math.round((quick ? counts.quick : counts.full) * scale))
}

/** True when the figure reaches the bar; undefined where there is no figure or nothing to reach. */
export function isMet(measurement: Measurement | undefined, { max, min }: Bar): boolean | undefined {
  if (typeof measurement !== 'number' || (max === undefined && min === undefined)) return undefined
  return measurement <= (max ?? Infinity) && measurement >= (min ?? -Infinity)
}

/** The reason why something failed, in one line. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim()
}
