import os from 'node:os'
import { inChild } from '../report/in-child.js'
import { mean, quantile } from '../report/statistics.js'
import type { Cell, Experiment, ExperimentMaker } from './experiment.js'
import type { Latency, LatencyTask } from './latency.js'
import { scaled } from './perplexity.js'

/** How many whole caches are recomputed, and how many tokens streamed after each: enough for some sink movements. */
const rounds: Record<'quick' | 'full', [cache: number, recomputed: number, streamed: number][]> = {
  // 8 x 1.1 s + 5 s; 5 x 4.5 s + 8 s; 3 x 25 s + 30 s: some 150 s together.
  quick: [
    [256, 8, 40],
    [1_024, 5, 60],
    [4_096, 3, 90],
  ],
  full: [
    [256, 30, 50],
    [512, 20, 50],
    [1_024, 16, 50],
    [2_048, 12, 50],
    [4_096, 10, 60],
  ],
}

const headline = 22.2

/** Figure 10: time per token and memory, streaming against the sliding window with recomputation. */
export const figure10: ExperimentMaker = (setting): Experiment => {
  const { model, threads, text } = setting
  const sinks = 4
  const sizes = rounds[setting.quick ? 'quick' : 'full'].map(([cache, recomputed, streamed]) => ({
    cache: scaled(setting, cache),
    recomputed,
    streamed: scaled(setting, streamed),
  }))
  const cells = sizes.map(
    ({ cache, recomputed, streamed }): Cell<Latency> => ({
      label: `Figure 10, cache ${cache}`,
      key: {
        measured: 'latency',
        model: model.sha256,
        machine: `${os.cpus()[0]?.model ?? ''} ${os.availableParallelism()}`,
        threads: threads ?? 'default',
        cache,
        sinks,
        reanchorEvery: 'half of the window',
        recomputed,
        streamed,
      },
      work: [
        { model, doing: 'append', tokens: cache, cache: cache / 2 },
        { model, doing: 'score', tokens: recomputed * streamed, cache },
        { model, doing: 'recompute', tokens: recomputed, cache },
      ],
      measure: progress =>
        inChild<LatencyTask, Latency>(
          new URL('./latency.ts', import.meta.url),
          'measureLatency',
          {
            path: model.path,
            threads,
            cache,
            sinks,
            text: text.content.slice(0, 40_000),
            recomputed,
            streamed,
          },
          progress,
        ),
    }),
  )
  return {
    id: 'figure-10',
    title: 'Figure 10: time per token and memory',
    about:
      'The time for one token with a full cache: StreamingLLM (4 sinks, the default reanchorEvery) against the sliding window with recomputation, which decodes the whole cache ' +
      "again for each token, in batches of 512. Both turn about in one process of their own. Memory: what the resident set grew by when each was loaded and filled (the model's file included), and the keys and values alone.",
    cells,
    present: outcomes => {
      const measured = sizes.flatMap(({ cache }, i) => {
        const value = outcomes.value(cells[i]!)
        return value === undefined ? [] : [{ cache, ...value }]
      })
      const missing = sizes.flatMap(({ cache }, i) =>
        outcomes.value(cells[i]!) === undefined ? [`Cache ${cache}: not measured: ${outcomes.reason(cells[i]!)}`] : [],
      )
      const subtitle = `${model.name}, 4 sinks, f16 cache`
      const x = { title: 'Cache size (tokens, log scale)', scale: 'log' as const }
      return {
        tables: [
          {
            id: 'figure-10',
            title: 'Figure 10: milliseconds a token',
            columns: [
              'Cache (tokens)',
              'Streaming, median',
              'p99',
              'mean',
              'Recomputation, median',
              'p99',
              'mean',
              'Speed-up of means',
              'of medians',
              'Paper, at most',
            ],
            digits: [0, 2, 2, 2, 0, 0, 0, 1, 1, 1],
            rows: measured.map(({ cache, streaming, recompute }) => [
              cache,
              quantile(streaming, 0.5),
              quantile(streaming, 0.99),
              mean(streaming),
              quantile(recompute, 0.5),
              quantile(recompute, 0.99),
              mean(recompute),
              mean(recompute) / mean(streaming),
              quantile(recompute, 0.5) / quantile(streaming, 0.5),
              headline,
            ]),
          },
          {
            id: 'figure-10-memory',
            title: 'Figure 10: memory in MB',
            columns: [
              'Cache (tokens)',
              'Keys and values',
              'Resident set, streaming',
              'Resident set, recomputation',
              'Tokens streamed',
              'Caches recomputed',
            ],
            digits: [0, 1, 1, 1, 0, 0],
            rows: measured.map(({ cache, cacheBytes, streamingBytes, recomputeBytes, streaming, recompute }) => [
              cache,
              cacheBytes / 1e6,
              streamingBytes / 1e6,
              recomputeBytes / 1e6,
              streaming.length,
              recompute.length,
            ]),
          },
        ],
        plots:
          measured.length === 0
            ? []
            : [
                {
                  id: 'figure-10-latency',
                  title: 'Time per token with a full cache',
                  subtitle,
                  x,
                  legend: 'Policy',
                  kind: 'points',
                  y: { title: 'Time per token (milliseconds, log scale)', scale: 'log' },
                  series: [
                    {
                      name: 'Sliding window with recomputation',
                      points: measured.map(({ cache, recompute }) => ({ x: cache, y: mean(recompute) })),
                    },
                    {
                      name: 'StreamingLLM',
                      points: measured.map(({ cache, streaming }) => ({ x: cache, y: mean(streaming) })),
                    },
                    {
                      name: 'StreamingLLM, p99',
                      dashed: true,
                      points: measured.map(({ cache, streaming }) => ({ x: cache, y: quantile(streaming, 0.99) })),
                    },
                  ],
                },
                {
                  id: 'figure-10-speed-up',
                  title: 'Speed-up over recomputation',
                  subtitle,
                  x,
                  legend: 'Speed-up',
                  kind: 'points',
                  y: { title: 'Times as fast (log scale)', scale: 'log' },
                  series: [
                    {
                      name: 'Of the mean times',
                      points: measured.map(({ cache, streaming, recompute }) => ({
                        x: cache,
                        y: mean(recompute) / mean(streaming),
                      })),
                    },
                    {
                      name: 'Of the median times',
                      dashed: true,
                      points: measured.map(({ cache, streaming, recompute }) => ({
                        x: cache,
                        y: quantile(recompute, 0.5) / quantile(streaming, 0.5),
                      })),
                    },
                  ],
                  rule: { y: headline, label: `The paper's most: ${headline} times` },
                },
                {
                  id: 'figure-10-memory',
                  title: 'Memory of one conversation',
                  subtitle,
                  x: { title: 'Cache size (tokens)' },
                  legend: 'Policy',
                  kind: 'bars',
                  y: { title: 'Growth of the resident set (MB)' },
                  series: [
                    {
                      name: 'Sliding window with recomputation',
                      points: measured.map(({ cache, recomputeBytes }) => ({ x: cache, y: recomputeBytes / 1e6 })),
                    },
                    {
                      name: 'StreamingLLM',
                      points: measured.map(({ cache, streamingBytes }) => ({ x: cache, y: streamingBytes / 1e6 })),
                    },
                  ],
                },
              ],
        notes: [
          ...missing,
          'The paper measured Llama-2-7B and 13B on an NVIDIA A6000: up to 22.2 times the speed of recomputation, at about the same memory.',
          'Recomputation is linear in the cache here and quadratic only in its attention; on a CPU a batch gains little, so its tokens cost nearly as much as single ones, and the speed-up exceeds that on a GPU.',
          ...(measured.some(({ recompute }) => recompute.length < 100)
            ? ['p99 of recomputation is its slowest token where fewer than 100 were measured.']
            : []),
        ],
      }
    },
  }
}
