import { median } from '../../report/statistics.js'
import { batchedBench } from '../batched-bench.js'
import { type BenchCase, type Measurement, reasonOf, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { Chats } from '../tasks/generation.js'

const cache = 1_024

interface Speed {
  sequences: number
  /** Tokens a second of all together, a number for each round. */
  ours: number[]
  unified: number[]
  separate: number[]
}

export const chats: BenchCase = {
  id: 'chats',
  title: 'Several chats at once',
  about:
    'One, two, four and eight sequences of one loaded f16 model generate at once (quick: one and eight), each with its own full cache of 1,024 tokens, read in JavaScript; tokens a second of all together. ' +
    "Against llama-batched-bench, llama.cpp's own measure, with the same numbers of sequences and cells: without sampling, text or eviction. It has one pool of cells for all as we do, or a stream of cells for each.",
  minutes: { quick: 2, full: 12 },
  bars: [
    { id: 'unified', what: '8 chats, ours / llama-batched-bench with one pool, tokens a second', min: 0.95 },
    { id: 'separate', what: '8 chats, ours / llama-batched-bench with separate streams, tokens a second' },
    { id: 'gain', what: '8 chats / one chat, ours, tokens a second' },
  ],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
      quick,
      say,
    } = context
    const counts = quick ? [1, 8] : [1, 2, 4, 8]
    const generated = Math.min(cache - 1, tokensFor(context, { quick: 24, full: 64 }))
    const path = await f16.path()
    const all = await f16.tokens(8 * (cache + 64))
    const fills = Array.from({ length: 8 }, (_, i) => all.slice(i * (cache + 64), (i + 1) * (cache + 64)))
    const speeds = counts.map((sequences): Speed => ({ sequences, ours: [], unified: [], separate: [] }))
    let missing: string | undefined
    // By turns, so that what else happens on the machine meets both.
    for (let turn = 0; turn < (quick ? 1 : 2); turn++) {
      say(`chats: ours, ${turn + 1}`)
      const measured = await runTask<Chats, number[][]>(
        'generation',
        'chatsAtOnce',
        { path, threads, cache, sinks: 4, fills, counts, rounds: 3, tokens: generated },
        signal,
      )
      speeds.forEach(({ ours }, i) => ours.push(...measured[i]!))
      for (const pool of ['unified', 'separate'] as const) {
        if (missing !== undefined || (quick && pool === 'separate')) continue
        say(`chats: llama-batched-bench, ${pool}, ${turn + 1}`)
        try {
          for (const { sequences, tokensPerSecond } of await batchedBench({
            model: path,
            cache,
            threads,
            sequences: counts,
            generated,
            pool,
          }))
            speeds.find(speed => speed.sequences === sequences)![pool].push(tokensPerSecond)
        } catch (error) {
          missing = reasonOf(error)
        }
        signal.throwIfAborted()
      }
    }
    const eight = speeds.at(-1)!
    const against = (pool: 'unified' | 'separate'): Measurement =>
      eight[pool].length > 0
        ? median(eight.ours) / median(eight[pool])
        : { missing: missing ?? 'not part of the quick run' }
    const quotient = (a: number[], b: number[]) => (a.length > 0 && b.length > 0 ? median(a) / median(b) : '-')
    const speed = (values: number[]) => (values.length > 0 ? median(values) : '-')
    return {
      measurements: {
        unified: against('unified'),
        separate: against('separate'),
        gain: median(eight.ours) / median(speeds[0]!.ours),
      },
      tables: [
        {
          id: 'chats-ratios',
          title: 'Tokens a second as a ratio',
          columns: ['Chats at once', 'ours / one pool', 'ours / separate streams', 'ours / one chat of ours'],
          digits: [0, 3, 3, 2],
          rows: speeds.map(({ sequences, ours, unified, separate }) => [
            sequences,
            quotient(ours, unified),
            quotient(ours, separate),
            quotient(ours, speeds[0]!.ours),
          ]),
        },
        {
          id: 'chats',
          title: 'Tokens a second, all chats together',
          columns: ['Chats at once', 'ours', 'llama-batched-bench, one pool', 'llama-batched-bench, separate streams'],
          digits: [0, 1, 1, 1],
          rows: speeds.map(({ sequences, ours, unified, separate }) => [
            sequences,
            speed(ours),
            speed(unified),
            speed(separate),
          ]),
        },
      ],
      plots: [],
      notes: ['Each figure is the median of its rounds.'],
      missing: missing === undefined ? [] : [{ what: 'llama-batched-bench', reason: missing }],
      data: speeds,
    }
  },
}
