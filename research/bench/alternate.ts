import { median, quantile, sum } from '../report/statistics.js'
import type { Contender, ContenderSetting } from './contender.js'

/** A contender and how much of it is wanted. */
export interface Entrant {
  name: string
  contender: Contender
  /** Tokens of a block. Default: the plan's. */
  block?: number
  /** Tokens dropped before each block. Default: the plan's. */
  warmUp?: number
  /** It takes part in the first so many rounds. Default: in all. */
  rounds?: number
}

export interface Plan {
  rounds: number
  /** Tokens that each contender generates in its turn. */
  block: number
  /** Tokens that it generates before them: these bring caches and threads back to it, and are dropped. */
  warmUp: number
  signal?: AbortSignal
  /** Told after each round. */
  onRound?: (done: number) => void
}

/** One turn of one contender. */
export interface Block {
  round: number
  tokens: number
  /**
   * Milliseconds between the arrivals of its tokens. Their sum is the whole block's, however many tokens arrived at
   * once.
   */
  times: number[]
}

/** What became of a contender: its blocks, or why there are none or no more of them. */
export interface Course {
  name: string
  blocks: Block[]
  missing?: string
}

/**
 * Lets contenders generate in turns, so that whatever else happens on the machine meets all of them: all are started
 * and their caches filled first, then come rounds of one block each, with another one first each time. Nobody computes
 * while another one is measured. One that cannot start, or fails, is reported and ends the others' work no more than
 * its own. All are closed at the end.
 */
export async function alternate(entrants: Entrant[], setting: ContenderSetting, plan: Plan): Promise<Course[]> {
  const courses = entrants.map(({ name }): Course => ({ name, blocks: [] }))
  const attempt = async (index: number, work: () => Promise<void>) => {
    if (courses[index]!.missing !== undefined) return
    plan.signal?.throwIfAborted()
    try {
      await work()
    } catch (error) {
      plan.signal?.throwIfAborted()
      courses[index]!.missing = error instanceof Error ? error.message : String(error)
    }
  }
  try {
    for (const [index, { contender }] of entrants.entries()) await attempt(index, () => contender.start(setting))
    for (let round = 0; round < plan.rounds; round++) {
      for (let turn = 0; turn < entrants.length; turn++) {
        const index = (round + turn) % entrants.length
        const { contender, block = plan.block, warmUp = plan.warmUp, rounds = plan.rounds } = entrants[index]!
        if (round >= rounds) continue
        await settle()
        await attempt(index, async () => {
          if (warmUp > 0) await contender.generate(warmUp)
          courses[index]!.blocks.push({ round, tokens: block, times: await contender.generate(block) })
        })
      }
      plan.onRound?.(round + 1)
    }
    return courses
  } finally {
    await Promise.allSettled(entrants.map(({ contender }) => contender.close()))
  }
}

// llama.cpp's threads spin on for some 200 ms after their last decode where a program lets them, as llama-server and
// node-llama-cpp do: on few cores they would slow down the next contender.
const settleMilliseconds = 500

/** Waits until the last contender has come to rest. */
export function settle(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, settleMilliseconds))
}

/** Milliseconds a token. */
export type Times = { tokens: number; median: number; p90: number; p99: number; max: number; mean: number }

/** The times of all blocks together; undefined where there are none. */
export function timesOf({ blocks }: Pick<Course, 'blocks'>): Times | undefined {
  if (blocks.length === 0) return undefined
  const times = blocks.flatMap(block => block.times)
  const tokens = sum(blocks.map(block => block.tokens))
  return {
    tokens,
    median: median(times),
    p90: quantile(times, 0.9),
    p99: quantile(times, 0.99),
    max: Math.max(...times),
    mean: sum(times) / tokens,
  }
}

export type Ratio = { median: number; lower: number; upper: number; rounds: number }

/**
 * How many times the time of another one's token a token takes: the median over the rounds of the quotient of the two
 * blocks' means, with its quartiles. Undefined where no round has both.
 */
export function ratioOf(course: Pick<Course, 'blocks'>, to: Pick<Course, 'blocks'>): Ratio | undefined {
  const quotients = course.blocks.flatMap(block => {
    const other = to.blocks.find(({ round }) => round === block.round)
    return other === undefined ? [] : [meanOf(block) / meanOf(other)]
  })
  if (quotients.length === 0) return undefined
  return {
    median: median(quotients),
    lower: quantile(quotients, 0.25),
    upper: quantile(quotients, 0.75),
    rounds: quotients.length,
  }
}

function meanOf({ times, tokens }: Block): number {
  return sum(times) / tokens
}
