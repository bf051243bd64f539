import type { SeededRandom } from '../../test/tools/tiny-random.js'

/** One door through which input from outside comes in: what is drawn at random and tried at it. */
export interface FuzzTarget {
  /** What the inputs are, and what must hold for each. */
  description: string
  /** What all inputs need: models, folders. Runs once a process. Its result is passed to each attempt. */
  prepare?(): Promise<unknown>
  /**
   * Makes one input from the random numbers and tries it. It throws where something does not hold; the process that
   * ends or hangs is noticed from outside.
   */
  attempt(random: SeededRandom, prepared: unknown, notes: Notes): Promise<void>
  /** Seconds of its process's CPU that one input may take, over which it hangs. Default 5. */
  secondsPerInput?: number
  /** Inputs a process handles before a fresh one takes over; where each leaves something behind. Default: no limit. */
  inputsPerProcess?: number
  /** Inputs that are tried side by side, where they wait more than they compute. Default 1. */
  atOnce?: number
}

export interface Notes {
  /** Is told the input in words, before it is tried where that can be: for the report of a fault. */
  describe(input: string): void
  /** Gets the outcome, in a word or two. It shows how many inputs get past the first checks. */
  count(outcome: string): void
}

/** The file in which an input is written down begins with its seed; behind it comes the input. */
export const seedBytes = 16

/** What was found. */
export interface Fault {
  target: string
  seed: number
  /** What went wrong: an error's text, a signal, or that it hung. */
  reason: string
  input: string
}

/**
 * What V8 says where what is given is itself at fault: proxies that are revoked or lie, what JSON cannot hold, symbols
 * and numbers where there can be none.
 */
const ofInputs =
  /revoked|proxy|serialize a BigInt|circular structure|^keys$|Cannot convert (?:a Symbol|a BigInt|object)|Invalid (?:array|typed array) length/

/** A mistake of ours that is passed off as one of the input: read as such wherever what is read may throw. */
export function isOurMistake(error: { cause?: unknown }): boolean {
  const { cause } = error
  // The library that runs templates has these where a template asks what cannot be.
  if (
    cause instanceof Error &&
    /^\s+at .*@huggingface/.test(cause.stack?.split('\n').find(line => /^\s+at /.test(line)) ?? '')
  )
    return false
  return (cause instanceof TypeError || cause instanceof ReferenceError) && !ofInputs.test(cause.message)
}

/** Fails the attempt, with the reason. */
export function expect(holds: boolean, reason: string): asserts holds {
  if (!holds) throw new Error(reason)
}
