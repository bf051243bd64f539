import { loadModel, type Model, type Sequence } from '../../../lib/index.js'
import type { Course } from '../alternate.js'
import { timedTokens } from '../timed-tokens.js'
import { anonymousMemory, collectGarbage } from './memory-use.js'

// What runs in a process of its own and needs more than one contender's interface: several sequences of one model, or
// a look at the process from inside.

type Progress = (share: number) => void

export interface Common {
  path: string
  threads: number
  /** Tokens in the full cache of each sequence, sinks included. */
  cache: number
  sinks: number
  /** Tokens to begin with, for each sequence its own: equal beginnings would be decoded once. */
  fills: number[][]
}

async function load({ path, threads }: Common): Promise<Model> {
  return await loadModel(path, { threads, gpu: false, flashAttention: 'on', kvType: 'f16', onWarning: () => {} })
}

async function filled(model: Model, { cache, sinks }: Common, fill: number[]): Promise<Sequence> {
  const sequence = model.createSequence({ sinks, window: cache - sinks })
  await sequence.append(fill.slice(0, cache + 1))
  return sequence
}

/** Something to go on with where the model ends its text. */
function tokensAgain(fill: number[]): () => number[] {
  let at = 0
  return () => fill.slice((at = (at + 8) % (fill.length - 8)), at + 8)
}

export interface Chats extends Common {
  /** How many at once, each number in a model loaded for it. */
  counts: number[]
  rounds: number
  /** Tokens that each one generates in a round. */
  tokens: number
}

/** Tokens a second of all sequences together: a list of rounds for each number of them. */
export async function chatsAtOnce(task: Chats, progress: Progress): Promise<number[][]> {
  const speeds: number[][] = []
  for (const [i, count] of task.counts.entries()) {
    await using model = await load(task)
    const sequences: Sequence[] = []
    for (const fill of task.fills.slice(0, count)) {
      sequences.push(await filled(model, task, fill))
      progress((i + sequences.length / count) / task.counts.length)
    }
    const round = async (tokens: number) => {
      const start = performance.now()
      await Promise.all(sequences.map((sequence, j) => timedTokens(sequence, tokens, tokensAgain(task.fills[j]!))))
      return ((count * tokens) / (performance.now() - start)) * 1_000
    }
    await round(4) // warms up
    const measured: number[] = []
    for (let r = 0; r < task.rounds; r++) {
      measured.push(await round(task.tokens))
      progress((i + 1) / task.counts.length)
    }
    speeds.push(measured)
  }
  return speeds
}

export interface Ages extends Common {
  /** Tokens that have gone through each sequence before it is measured. */
  ages: [old: number, young: number]
  rounds: number
  block: number
  /** Whether the two share one pool of cells, or have one each (the model is loaded twice). */
  shared: boolean
}

/** Two sequences, one older than the other, in alternating blocks. */
export async function oldAndYoung(
  task: Ages,
  progress: Progress,
): Promise<{ old: Course; young: Course; seen: number[] }> {
  await using model = await load(task)
  await using another = await load(task)
  const sequences = task.ages.map((_, i) =>
    (i === 0 || task.shared ? model : another).createSequence({ sinks: task.sinks, window: task.cache - task.sinks }),
  )
  const all = task.ages[0] + task.ages[1]
  let done = 0
  for (const [i, sequence] of sequences.entries()) {
    const fill = task.fills[i]!
    for (let at = 0; at < task.ages[i]!; ) {
      const piece = fill.slice(0, Math.min(fill.length, task.ages[i]! - at))
      await sequence.append(piece)
      at += piece.length
      progress((done += piece.length) / all)
    }
  }
  const courses = ['old', 'young'].map((name): Course => ({ name, blocks: [] }))
  for (let round = -1; round < task.rounds; round++) {
    for (const turn of [0, 1]) {
      const i = (round + 1 + turn) % 2
      const { times } = await timedTokens(sequences[i]!, task.block, tokensAgain(task.fills[i]!))
      if (round >= 0) courses[i]!.blocks.push({ round, tokens: task.block, times }) // the one before the first warms up
    }
    progress(1)
  }
  return { old: courses[0]!, young: courses[1]!, seen: sequences.map(({ usage }) => usage.seenTokens) }
}

export interface MemoryTask extends Common {
  tokens: number
  samples: number
}

/** Anonymous memory in bytes after collections, by the number of tokens generated. */
export async function memoryOverTokens(
  task: MemoryTask,
  progress: Progress,
): Promise<{ tokens: number; bytes: number; heap: number }[]> {
  await using model = await load(task)
  const sequence = await filled(model, task, task.fills[0]!)
  const samples: { tokens: number; bytes: number; heap: number }[] = []
  const piece = Math.ceil(task.tokens / task.samples)
  let tokens = 0
  for (let i = 0; i <= task.samples; i++) {
    collectGarbage()
    samples.push({ tokens, bytes: anonymousMemory(), heap: process.memoryUsage().heapUsed })
    progress(i / task.samples)
    if (i === task.samples) break
    await timedTokens(sequence, piece, tokensAgain(task.fills[0]!))
    tokens += piece
  }
  return samples
}

export interface Pace extends Common {
  /** Tokens of the running sequence while it is alone. */
  alone: number
  /** Tokens of the other one's prompt. */
  prompt: number
}

/** Milliseconds between tokens of a running sequence, alone and while the prompt of another one is decoded. */
export async function paceBesidePrompt(
  task: Pace,
  progress: Progress,
): Promise<{ alone: number[]; beside: number[]; promptMs: number; promptAloneMs: number }> {
  await using model = await load(task)
  const running = await filled(model, task, task.fills[0]!)
  const again = tokensAgain(task.fills[0]!)
  progress(0.2)
  await timedTokens(running, 8, again)
  const alone = (await timedTokens(running, task.alone, again)).times
  progress(0.4)
  const prompt = async (tokens: number[]) => {
    const start = performance.now()
    await using other = model.createSequence({ sinks: task.sinks, window: task.cache - task.sinks })
    await other.append(tokens)
    return performance.now() - start
  }
  const promptAloneMs = await prompt(task.fills[1]!.slice(0, task.prompt))
  progress(0.6)
  // The reply is as long as it must be: it ends when the prompt has been decoded.
  const over = new AbortController()
  const beside: number[] = []
  const generating = (async () => {
    while (!over.signal.aborted) {
      let before = performance.now()
      for await (const event of running.generate({
        temperature: 0,
        signal: over.signal,
        tokens: beside.length === 0 ? [] : again(),
      })) {
        if (event.type !== 'text') continue
        const now = performance.now()
        beside.push(now - before)
        before = now
      }
    }
  })()
  await timeout(200)
  const begun = beside.length
  const promptMs = await prompt(task.fills[2]!.slice(0, task.prompt))
  const during = beside.slice(begun)
  over.abort()
  await generating
  return { alone, beside: during, promptMs, promptAloneMs }
}

export interface Fairness extends Common {
  milliseconds: number
}

/** Tokens that each of several sequences got in the same time. */
export async function sharesOfTime(task: Fairness, progress: Progress): Promise<number[]> {
  await using model = await load(task)
  const sequences: Sequence[] = []
  for (const fill of task.fills) {
    sequences.push(await filled(model, task, fill))
    progress(sequences.length / task.fills.length)
  }
  const until = performance.now() + task.milliseconds
  return await Promise.all(
    sequences.map(async (sequence, i) => {
      const again = tokensAgain(task.fills[i]!)
      let tokens = 0
      for (let prompt: number[] = []; performance.now() < until; prompt = again()) {
        for await (const event of sequence.generate({
          temperature: 0,
          tokens: prompt,
          timeLimit: Math.max(1, until - performance.now()),
        })) {
          if (event.type === 'finish') tokens += event.usage.completionTokens
        }
      }
      return tokens
    }),
  )
}

function timeout(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
