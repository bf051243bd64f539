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
  restart(coming: number): { again: Int32Array; skipped: number; left: number }
  state(): { base: number; oldest: number; next: number; size: number; kept: Int32Array; broken: string | null }
}

/** How many threads to compute on, alone. */
export interface ThreadChoice {
  threads(): number
  limit(tokens: number): number
  took(tokens: number, milliseconds: number): void
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
  took(tokens: number, milliseconds: number): void
  learn(matched: number, same: boolean): void
  estimate(tokens: number): number
  rate(matched: number): number
  choose(matched: number, singles: number, most: number): number
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
  giveBack(again: Int32Array, known: number, byRebase: boolean, skipped: number): void
  state(): { tokens: Int32Array; rebasing: boolean; replaying: boolean; decodable: number; known: number }
}

/** A grammar alone. */
export interface GrammarMatcher {
  /**
   * How many of the UTF-8 bytes a text of the grammar can begin with, whether one may end there, and the most steps that
   * one of the bytes took. GRAMMAR_TOO_COMPLEX.
   */
  match(text: Uint8Array): { taken: number; complete: boolean; steps: number }
}

/** The tests' own build of the addon: all that the package's has, and parts of the engine by themselves. */
export interface TestAddon extends NativeAddon {
  ThreadChoice: new (most: number, fullBatch: number, mayChange: boolean) => ThreadChoice
  NgramIndex: new () => NgramIndex
  DraftLength: new () => DraftLength
  PendingTokens: new () => PendingTokens
  /** Every batch with this token fails from now on; -1: none does. */
  failDecodes(token: number): void
  /** `mostSteps`: that a character may take; as in replies unless given. INVALID_OPTION. */
  GrammarMatcher: new (
    source: string,
    mostSteps?: number,
  ) => GrammarMatcher
  CachePolicy: new (
    limits: Omit<NativeSequenceOptions, 'rebaseAfter' | 'verify'> & { trainedLength: number },
  ) => CachePolicy
}
