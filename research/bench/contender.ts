/** What a contender is to run: one model, one cache, one number of threads, the same for all that are compared. */
export interface ContenderSetting {
  /** Path of a GGUF file. */
  model: string
  /** Tokens in the full cache, sinks included. */
  cache: number
  /** Of these, tokens that stay forever, where the contender knows such a thing. */
  sinks: number
  /** Threads that llama.cpp computes on. */
  threads: number
  /** Tokens to fill the cache with: more than `cache` of them. */
  fill: number[]
}

/**
 * One way to generate tokens, in a process of its own (`contender-process.ts`). The harness lets contenders take turns:
 * a contender that does not generate must not compute. Greedy sampling, f16 cache, flash attention on, everywhere.
 */
export interface Contender {
  /** Loads the model and fills the cache, so that every token from now on is one at a full cache. */
  start(setting: ContenderSetting): Promise<void>
  /**
   * Generates `count` more tokens and returns, for each, the milliseconds from the one before it (or from this call)
   * until it was in the hands of the contender's user.
   */
  generate(count: number): Promise<number[]>
  /** Ends what start() began: child processes, too. */
  close(): Promise<void>
}
