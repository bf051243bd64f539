import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { sha256OfFile } from '../../lib/hub/checksum.js'
import { madeOnce } from '../../lib/hub/made-once.js'
import { userCacheFolder } from '../../lib/util/user-cache.js'
import { quantize } from '../evaluation/quantize.js'
import { type RandomModelShape, randomModel, randomTokens } from './random-model.js'
import { runTask } from './run-task.js'
import { sentences } from './text.js'

export type ModelId = 'downloaded' | 'f16' | '134M' | '24M'

/** A model of the benchmark, found or made when it is first asked for. */
export interface BenchModel {
  id: ModelId
  /** For people. */
  title: string
  /** Where its file is. */
  path(): Promise<string>
  /** So many tokens to fill caches with, the same each time. */
  tokens(count: number): Promise<number[]>
}

const shapes: Record<'134M' | '24M', RandomModelShape> = {
  '134M': { layers: 12, width: 768, feedForward: 2_048, vocabulary: 32_000, tied: false },
  '24M': { layers: 6, width: 384, feedForward: 1_152, vocabulary: 32_000, tied: true },
}

export interface ModelOptions {
  /** Path of the model as downloaded. */
  downloaded: string
  signal?: AbortSignal
  say: (line: string) => void
}

/** The benchmark's models. What it makes itself is kept in the user's cache. */
export function benchModels({ downloaded, signal, say }: ModelOptions): Record<ModelId, BenchModel> {
  const name = basename(downloaded).replace(/\.gguf$/, '')
  const plain = name.replace(/[.-](I?Q\d\w*|F16|BF16|F32)$/i, '')
  const f16 = once(() => dequantized(downloaded, { signal, say }))
  const real = (id: ModelId, title: string, path: () => Promise<string>): BenchModel => {
    let known: number[] = []
    return {
      id,
      title,
      path,
      tokens: async count => {
        // A sentence has some 14 tokens.
        if (known.length < count)
          known = (
            await runTask<object, number[][]>(
              'tokenize',
              'tokenize',
              { path: await path(), texts: [sentences(Math.ceil(count / 8) + 10)] },
              signal,
            )
          )[0]!
        if (known.length < count) throw new Error(`${title} has only ${known.length} tokens for a text of ${count}`)
        return known.slice(0, count)
      },
    }
  }
  const random = (id: '134M' | '24M'): BenchModel => ({
    id,
    title: `${id} of random weights, f16`,
    path: once(() => written(id, shapes[id], { signal, say })),
    tokens: async count => randomTokens(shapes[id], count),
  })
  return {
    downloaded: real('downloaded', name, async () => downloaded),
    f16: real('f16', `${plain}, f16`, f16),
    '134M': random('134M'),
    '24M': random('24M'),
  }
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    }))
}

type Making = Pick<ModelOptions, 'signal' | 'say'>

async function dequantized(source: string, { signal, say }: Making): Promise<string> {
  const hash = (await sha256OfFile(source, signal)).slice(0, 12)
  return await inCache(
    `${basename(source).replace(/\.gguf$/, '')}-${hash}-f16.gguf`,
    async target => {
      say(`Writing ${basename(source)} with weights in f16`)
      await quantize(source, target, 'f16', { threads: 1, signal })
    },
    signal,
  )
}

async function written(id: string, shape: RandomModelShape, { signal, say }: Making): Promise<string> {
  // Another code writes another file.
  const hash = createHash('sha256').update(JSON.stringify(shape))
  for (const source of ['./random-model.ts', '../../test/tools/gguf-writer.ts', '../../test/tools/tiny-random.ts'])
    hash.update(readFileSync(new URL(source, import.meta.url)))
  return await inCache(
    `random-${id}-${hash.digest('hex').slice(0, 12)}.gguf`,
    async target => {
      say(`Writing the model of random weights, ${id}`)
      const file = await open(target, 'w')
      try {
        for (const piece of randomModel(shape)) {
          signal?.throwIfAborted()
          await file.writeFile(piece)
        }
        await file.sync()
      } finally {
        await file.close()
      }
    },
    signal,
  )
}

function inCache(name: string, make: (target: string) => Promise<void>, signal?: AbortSignal): Promise<string> {
  return madeOnce(join(userCacheFolder('bench'), name), make, signal)
}
