import type { NativeAddon, NativeSequenceOptions } from '../../lib/engine/native.js'

/** A policy alone. */
export interface CachePolicy {
  append(tokens: Int32Array, promptEnds: boolean): void
  beginTurn(position: number): void
  cut(from: number): boolean
  room(): number
  mark(): number
  rollback(mark: number): boolean
  release(mark: number): void
  mustRestart(coming: number): boolean
  restart(coming: number): { toDecode: Int32Array; skipped: number; evicted: number }
  state(): { base: number; oldest: number; next: number; size: number; kept: Int32Array; broken: string | null }
}

/** How many threads to compute on, alone. */
export interface ThreadChoice {
  threads(): number
  limit(tokens: number): number
  observe(tokens: number, milliseconds: number): void
  gaveUp(): void
}

/** Where the latest tokens occurred before, alone. */
export interface NgramIndex {
  append(tokens: Int32Array): void
  remove(count: number): void
  /** What followed there; `next`: the place of its first token, counted from the first one appended. */
  propose(count: number): { matched: number; next: number; tokens: Int32Array }
  last(count: number): Int32Array
}

/** How many drafts pay, alone. */
export interface DraftLength {
  observe(tokens: number, milliseconds: number): void
  learn(matched: number, same: boolean): void
  estimate(tokens: number): number
  rate(matched: number): number
  choose(matched: number, singles: number, max: number): number
}

/** The tokens that are known and not decoded, alone. */
export interface PendingTokens {
  add(token: number): void
  /** Returns whether they were the last of a rebase. */
  decoded(count: number): boolean
  dropLast(count: number): void
  rolledBack(token: number): void
  replay(tokens: Int32Array, last: number): void
  cacheIsEmpty(): void
  requeue(tokens: Int32Array, known: number, byRebase: boolean, skipped: number): void
  state(): { tokens: Int32Array; rebasing: boolean; replaying: boolean; decodable: number; known: number }
}

/**
 * What CachedTokens has of its conversation, and the cells that it has left in a cache that holds nothing but tokens.
 */
export interface CachedTokensState {
  /** What lies under its id, by position. */
  cells: Int32Array
  positions: Int32Array
  kept: Int32Array
  pending: Int32Array
  seen: number
  evicted: number
  recorded: number
  hasSlot: boolean
  rebasing: boolean
  sinks: number
  /** Of the whole cache. */
  usedCells: number
  usedIds: number
  decodes: number
}

/** The tokens of one conversation, on cells that hold nothing but tokens; each call checks all bookkeeping. */
export interface CachedTokens {
  add(tokens: Int32Array): void
  /** The next pending tokens, so many at most, in one batch. */
  decode(max: number): void
  /** Decodes the one pending token, of which `token` is sampled; the reply's text ends at `end` bytes then. */
  generate(token: number, end: number): void
  releaseDelivered(delivered: number): void
  rollBackToDelivered(delivered: number): void
  retire(): void
  rebase(): void
  requeueIfFull(): void
  cut(keep: number): void
  /** Where the cache grows for them it may lose the cells, or have no memory. */
  replaceSinks(tokens: Int32Array, losesCells?: boolean, hasNoMemory?: boolean): void
  swapOut(): void
  takeSlot(): void
  forkFrom(other: CachedTokens): void
  sharePrefix(other: CachedTokens, length: number): void
  /** Removes the newest cell, whatever the bookkeeping says. */
  loseNewestCell(): void
  /** The next decode fails half-way. */
  failNext(): void
  state(): CachedTokensState
}

export type CachedTokensOptions = Omit<NativeSequenceOptions, 'verify'> & {
  trainedLength: number
  batchSize: number
  recurrent?: boolean
}

/** Who has a slot, alone. */
export interface SlotTable {
  enqueue(handle: number, priority: number): void
  remove(handle: number): void
  next(): number | null
  waiting(): Int32Array
  /** The handles that give way, or null: none does. */
  slotsToFree(cells: number, holders: SlotHolder[]): Int32Array | null
}

export interface SlotHolder {
  handle: number
  cells: number
  lastUsed: number
  works: boolean
  waits: boolean
  spared: boolean
}

/** What goes into a batch, alone. */
export interface Scheduler {
  order(handles: Int32Array): Int32Array
  beginPrompts(singles: number, left: number): void
  /** How many tokens, or null: it waits. */
  nextStep(tokens: CachedTokens, keepsLast: boolean, left: number): number | null
  endRound(handles: Int32Array): void
  observe(singles: number, tokens: number, milliseconds: number): void
}

/** A grammar alone. */
export interface GrammarMatcher {
  /**
   * How many of the UTF-8 bytes a text of the grammar can begin with, whether one may end there, and the most steps
   * that one of the bytes took. GRAMMAR_TOO_COMPLEX.
   */
  match(text: Uint8Array): { taken: number; complete: boolean; steps: number }
}

/** What finds triggers in a reply, alone. */
export interface TriggerWatch {
  /** How many bytes have been read from the first trigger on, -1 where there is none yet; and how many are kept. */
  read(text: string): { triggered: number; kept: number }
}

/** The tests' own build of the addon: all that the package's has, and parts of the engine by themselves. */
export interface TestAddon extends NativeAddon {
  ThreadChoice: new (max: number, fullBatch: number, mayChange: boolean) => ThreadChoice
  NgramIndex: new () => NgramIndex
  DraftLength: new () => DraftLength
  PendingTokens: new () => PendingTokens
  /** `beside`: in the cache of another. */
  CachedTokens: new (
    options: CachedTokensOptions,
    beside?: CachedTokens,
  ) => CachedTokens
  /** `cells`: 0, as many as are needed; `spare`: those of a batch. */
  SlotTable: new (
    slots: number,
    cells: number,
    spare: number,
  ) => SlotTable
  Scheduler: new (batchSize: number) => Scheduler
  /** Every batch with this token fails from now on; -1: none does. */
  failDecodes(token: number): void
  /** `maxSteps`: that a character may take; as in replies unless given. INVALID_OPTION. */
  GrammarMatcher: new (
    source: string,
    maxSteps?: number,
  ) => GrammarMatcher
  TriggerWatch: new (triggers: string[], open: string, close: string, before: string) => TriggerWatch
  CachePolicy: new (
    limits: Omit<NativeSequenceOptions, 'rebaseAfter' | 'verify'> & { trainedLength: number },
  ) => CachePolicy
}
