import { setTimeout as sleep } from 'node:timers/promises'
import { loadModel, type MemoryEstimateOptions, type ModelOptions } from '../../lib/index.js'

/** What llama.cpp says that it has allocated, in MiB of two decimals. */
export interface Allocated {
  cells: number
  weights: number
  cache: number
  state: number
  /** The graph and the logits. */
  compute: number
}

/** Loads a model, opens as many conversations as are asked for, and reads llama.cpp's log. */
export async function allocated(
  path: string,
  { chats = 1, policy, sinks, window, reanchorEvery, ...options }: MemoryEstimateOptions,
): Promise<Allocated> {
  const lines: string[] = []
  const model = await loadModel(path, {
    gpu: false,
    ...(options as ModelOptions),
    onLog: ({ text }) => lines.push(text),
  })
  try {
    const sequences = Array.from({ length: chats }, () =>
      model.createSequence({ policy, sinks, window, reanchorEvery }),
    )
    for (const sequence of sequences) await sequence.append(model.tokenize('Hello'))
    // The log comes after what it tells of.
    for (let round = 0; !lines.some(line => line.includes('compute buffer size')); round++) {
      if (round === 6000) throw new Error('llama.cpp has said nothing of its buffers for a minute')
      await sleep(10)
    }
    await sleep(20)
  } finally {
    await model.close()
  }
  // Another one is made when more conversations need more room.
  const context = lines.slice(lines.findLastIndex(line => /n_seq_max +=/.test(line)))
  const sum = (of: string[], what: RegExp): number =>
    of.reduce((total, line) => total + Number(what.exec(line)?.[1] ?? 0), 0)
  return {
    cells: sum(context, /n_ctx += +(\d+)/),
    weights: sum(lines, /model buffer size = +([\d.]+) MiB/),
    cache: sum(context, /KV buffer size = +([\d.]+) MiB/),
    state: sum(context, /RS buffer size = +([\d.]+) MiB/),
    compute: sum(context, /compute buffer size = +([\d.]+) MiB/) + sum(context, /output buffer size = +([\d.]+) MiB/),
  }
}
