import type { Model, Sequence } from '../../lib/index.js'
import type { HeatMaps, Plot } from '../report/plot.js'
import type { Table } from '../report/table.js'

/** What JSON can hold: cells are named by it and their values are stored as it. */
export type Plain = string | number | boolean | null | Plain[] | { [name: string]: Plain }

/** A model's file, found and hashed. */
export interface ModelFile {
  /** Its file's name, for people. */
  name: string
  path: string
  sha256: string
  /** Tokens that the model was trained on at once, as its file says. */
  trainedLength: number
  /** Threads that compute, where the run's own number does not suit it. */
  threads?: number
}

/** A text, found and hashed. */
export interface TextFile {
  /** What it is, for people, such as "Moby-Dick, Project Gutenberg 2701". */
  name: string
  /** Where it came from. */
  source: string
  /** Of the whole file. */
  sha256: string
  /** What is read of it. */
  content: string
}

/** Something that could not be had, and why. Cells that need it are reported as not measured. */
export interface Missing {
  missing: string
}

/** How a model is loaded; the rest of `loadModel`'s options are the same for all cells. */
export interface Loading {
  /** Default: 'f16'. */
  kv?: 'f32' | 'f16' | 'q8_0' | 'q4_0'
  /** Tokens decoded at once. Default: the library's. */
  batchSize?: number
}

/** What a run gives its experiments. */
export interface Setting {
  /** Fewer tokens, so that all of it ends within 15 minutes on 2 cores. */
  quick: boolean
  /** Multiplies the numbers of tokens and questions; 1 but in trials of these scripts. */
  scale: number
  seed: number
  /** Threads that compute; undefined: the library's default. */
  threads: number | undefined
  /** Tokens of Figure 5. */
  longTokens: number
  model: ModelFile
  /** A model whose dense attention explodes past its trained length. */
  explodingModel: ModelFile | Missing
  /** A very small model that is always there: random weights, written by the tests' tools. */
  tinyModel: ModelFile
  /** The long text whose perplexity is measured. */
  text: TextFile
  /** Other texts by file name: 'ARC-Easy-test.jsonl', 'ARC-Challenge-test.jsonl', 'mt_bench_question.jsonl'. */
  texts: Record<string, TextFile | Missing>
  /**
   * The loaded model. It is kept between cells that load it the same way and closed by the run, so a cell closes its
   * sequences and leaves the model open.
   */
  open(file: ModelFile, loading?: Loading): Promise<Model>
}

/** Work of one kind, from which the time that a cell needs is estimated. */
export interface Work {
  model: ModelFile
  /**
   * 'score': tokens decoded one at a time; 'append': tokens decoded in batches; 'recompute': whole caches decoded
   * afresh, one for each token. Tokens that are generated cost what tokens scored do.
   */
  doing: 'score' | 'append' | 'recompute'
  tokens: number
  /** Tokens in the cache meanwhile. Where it grows, those at half time. */
  cache: number
  /** How many times what such a token usually costs, as for a cache that is rotated each time. Default: 1. */
  times?: number
}

/** One measurement: what an interrupted run does not lose once it is finished. */
export interface Cell<Value extends Plain = Plain> {
  /**
   * Plain data that names the measurement in full (models and texts by their SHA-256): with the same key the value of
   * an earlier run is taken. Experiments that have a cell in common measure it once.
   */
  key: { [name: string]: Plain }
  /** For the progress bar, such as "4 + 252, q4_0". */
  label: string
  work: Work[]
  /** Why it cannot be measured here, if so. */
  missing?: string
  /** `progress` takes the share that is done, from 0 to 1. A rejection is reported and does not end the run. */
  measure?: (progress: (share: number) => void) => Promise<Value>
}

/** What became of cells. */
export interface Outcomes {
  /** The value of a finished cell; undefined if it was not measured. */
  value<Value extends Plain>(cell: Cell<Value>): Value | undefined
  /** Why it was not measured; undefined if it was. */
  reason(cell: Cell<Plain>): string | undefined
}

/** What the report shows of an experiment. */
export interface Presentation {
  tables: Table[]
  plots: (Plot | HeatMaps)[]
  /** Sentences below them: what differs from the paper, what was not measured. */
  notes: string[]
}

/** A table or figure of the paper, or one of our own. */
export interface Experiment {
  /** Such as 'table-5': names files, and is what `--only` takes. */
  id: string
  title: string
  /** What is measured and how, in a few sentences. */
  about: string
  /** From the most to the least important, as a quick run that is short of time leaves out the last ones. */
  cells: Cell<Plain>[]
  present(outcomes: Outcomes): Presentation
}

/** How an experiment is made. Cheap: nothing is loaded before a cell is measured. */
export type ExperimentMaker = (setting: Setting) => Experiment

/** Loads a model, opens a sequence, works on it and closes it again. */
export async function withSequence<Result>(
  setting: Setting,
  file: ModelFile,
  { loading, ...options }: { loading?: Loading } & Parameters<Model['createSequence']>[0],
  work: (sequence: Sequence, model: Model) => Promise<Result>,
): Promise<Result> {
  const model = await setting.open(file, loading)
  const sequence = model.createSequence(options)
  try {
    return await work(sequence, model)
  } finally {
    await sequence.close()
  }
}

export function isMissing(thing: object): thing is Missing {
  return 'missing' in thing
}
