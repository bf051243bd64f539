import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { llamaCppPrograms } from './llama-cpp/programs.js'

export interface BatchedSetting {
  model: string
  /** Tokens in each sequence's cache when the last one is generated. */
  cache: number
  threads: number
  /** How many sequences at once, each number by itself. Default: 1, 2, 4, 8. */
  sequences?: number[]
  /** Tokens that each sequence generates. Default: 64. */
  generated?: number
  /** All sequences in one pool of cells, as this package has them, or each in a stream of its own. */
  pool: 'unified' | 'separate'
}

export interface BatchedSpeed {
  sequences: number
  /** Of all sequences together, while they generate. */
  tokensPerSecond: number
}

/**
 * llama.cpp's own measure of several sequences in one batch, llama-batched-bench: f16 cache, flash attention, its own
 * batch sizes, random tokens. It has no sampling, no text and no eviction. Each number of sequences has a run of its
 * own, so that there are cells for just as many.
 */
export async function batchedBench({
  model,
  cache,
  threads,
  sequences = [1, 2, 4, 8],
  generated = 64,
  pool,
}: BatchedSetting): Promise<BatchedSpeed[]> {
  const { batchedBench: program, workingDirectory } = llamaCppPrograms()
  if (generated >= cache) throw new RangeError(`Of a cache of ${cache} tokens not ${generated} can be generated.`)
  const speeds: BatchedSpeed[] = []
  for (const count of sequences) {
    const { stdout } = await promisify(execFile)(
      program,
      [
        '--model',
        model,
        '--ctx-size',
        String(count * cache),
        pool === 'unified' ? '--kv-unified' : '--no-kv-unified',
        '--flash-attn',
        'on',
        '--threads',
        String(threads),
        '--threads-batch',
        String(threads),
        '--gpu-layers',
        '0',
        '--fit',
        'off',
        '--offline',
        '-npp',
        String(cache - generated),
        '-ntg',
        String(generated),
        '-npl',
        String(count),
        '--output-format',
        'jsonl',
      ],
      { cwd: workingDirectory },
    )
    const line = stdout.split('\n').find(each => each.startsWith('{'))
    if (line === undefined)
      throw new Error(
        `llama-batched-bench printed no result for ${count} sequences of ${cache} tokens:\n${stdout.trim()}`,
      )
    const { pl, speed_tg: tokensPerSecond } = JSON.parse(line) as { pl: number; speed_tg: number }
    speeds.push({ sequences: pl, tokensPerSecond })
  }
  return speeds
}
