import type { TokenCounts } from '../engine/job-runner.js'

/** What a conversation's token counts are made of, beside those of its native sequence. */
export interface LedgerState {
  /**
   * Seen and evicted, but not by the present native sequence: tokens that a restored history left out between sinks and
   * window, and those evicted before the sequence was opened again.
   */
  readonly skipped: number
  /** Tokens seen when the native sequence was given up, until it begins anew. */
  readonly seenBefore: number
  /** Those of them that had been evicted. */
  readonly evictedBefore: number
  /** The native sequence holds the history; else all of it is to be decoded with the next turn. */
  readonly begun: boolean
}

/** Counts a conversation's tokens, over all the times that its native sequence begins. */
export class TokenLedger {
  /** Of the native sequence, by its runner. */
  readonly #counts: Readonly<TokenCounts>
  #state: LedgerState

  constructor(counts: Readonly<TokenCounts>, state: Partial<LedgerState> = {}) {
    this.#counts = counts
    this.#state = { skipped: 0, seenBefore: 0, evictedBefore: 0, begun: false, ...state }
  }

  get state(): LedgerState {
    return this.#state
  }

  get begun(): boolean {
    return this.#state.begun
  }

  /** Tokens of the conversation: seen, in the cache, evicted. */
  get usage(): TokenCounts {
    const { skipped, seenBefore, evictedBefore, begun } = this.#state
    if (!begun) return { seenTokens: seenBefore + skipped, cachedTokens: 0, evictedTokens: evictedBefore + skipped }
    const { seenTokens, cachedTokens, evictedTokens } = this.#counts
    return { seenTokens: seenTokens + skipped, cachedTokens, evictedTokens: evictedTokens + skipped }
  }

  /** The native sequence begins with the history, which has `history` tokens; `surplus` of these are left out. */
  begin(history: number, surplus: number): void {
    const { skipped, seenBefore, evictedBefore } = this.#state
    const lost = surplus + Math.max(0, seenBefore - history)
    this.#state = { skipped: skipped + lost, seenBefore: 0, evictedBefore, begun: true }
  }

  /** The next turn decodes the history anew, of which `seen` tokens had been seen. */
  giveUp(seen: number): void {
    this.#restart(this.#state, seen, Math.min(seen, this.#counts.evictedTokens))
  }

  /**
   * The conversation is as it was once, and the next turn decodes all of it anew. `counts`: the native sequence's of
   * then.
   */
  rollBackTo(state: LedgerState, { seenTokens, evictedTokens }: Readonly<TokenCounts>): void {
    if (state.begun) this.#restart(state, seenTokens, evictedTokens)
    else this.#state = state
  }

  #restart({ skipped }: LedgerState, seenBefore: number, evictedBefore: number): void {
    this.#state = { skipped, seenBefore, evictedBefore, begun: false }
  }
}
