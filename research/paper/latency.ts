import { checkModelFile } from '../../lib/gguf/check.js'
import { loadModel, type Sequence } from '../../lib/index.js'
import { textTokens } from './text-tokens.js'

export interface LatencyTask {
  path: string
  threads: number | undefined
  cache: number
  sinks: number
  /** Some text: only its number of tokens matters. */
  text: string
  /** Whole caches that are decoded afresh. */
  recomputed: number
  /** Tokens streamed after each of these. */
  streamed: number
}

export type Latency = {
  /** Milliseconds of each token. */
  streaming: number[]
  recompute: number[]
  /** What the resident set of the process grew by, in bytes: model, cache and buffers. */
  streamingBytes: number
  recomputeBytes: number
  /** Keys and values of the cache, in bytes. */
  cacheBytes: number
}

/**
 * Time per token and memory with a full cache, streaming against recomputation, turn about in one process, so that
 * whatever else happens on the machine meets both.
 */
export async function measureLatency(task: LatencyTask, progress: (share: number) => void): Promise<Latency> {
  const { path, threads, cache, sinks, recomputed, streamed } = task
  const policy = { sinks, window: cache - sinks }
  const before = process.memoryUsage.rss()
  await using model = await loadModel(path, { threads, onWarning: () => {} })
  const text = { content: task.text, sha256: '' }
  const tokens = textTokens(text, model, cache + 2 + recomputed * (streamed + 1))
  const stream = model.createSequence(policy)
  await stream.append(tokens.subarray(0, cache))
  await stream.score(tokens.subarray(cache, cache + 1))
  const filled = process.memoryUsage.rss()
  // Batches of 512 are what recomputation does best with.
  await using other = await loadModel(path, { threads, batchSize: 512, onWarning: () => {} })
  const again = other.createSequence({ policy: 'recompute', ...policy })
  await again.append(tokens.subarray(0, cache + 1)) // full: nothing is decoded before it is asked for
  const result: Latency = {
    streaming: [],
    recompute: [],
    streamingBytes: filled - before,
    recomputeBytes: 0,
    cacheBytes: await cacheBytes(path, cache),
  }
  let at = cache + 1
  const timed = async (sequence: Sequence) => {
    const start = performance.now()
    await sequence.score(tokens.subarray(at, at + 1))
    at++
    return performance.now() - start
  }
  for (let round = 0; round < recomputed; round++) {
    result.recompute.push(await timed(again))
    if (round === 0) result.recomputeBytes = process.memoryUsage.rss() - filled
    for (let i = 0; i < streamed; i++) result.streaming.push(await timed(stream))
    progress((round + 1) / recomputed)
  }
  return result
}

/** Keys and values in 16 bits each, as the model's file gives their sizes. */
async function cacheBytes(path: string, cells: number): Promise<number> {
  const { metadata, architecture } = await checkModelFile(path)
  const figure = (name: string) => Number(metadata.get(`${architecture}.${name}`) ?? NaN)
  const heads = figure('attention.head_count')
  const sharedHeads = Number.isNaN(figure('attention.head_count_kv')) ? heads : figure('attention.head_count_kv')
  const headSize = Number.isNaN(figure('attention.key_length'))
    ? figure('embedding_length') / heads
    : figure('attention.key_length')
  return cells * figure('block_count') * 2 * sharedHeads * headSize * 2
}
