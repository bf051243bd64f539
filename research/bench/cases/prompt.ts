import { median } from '../../report/statistics.js'
import { type BenchCase, reasonOf, tokensFor } from '../case.js'
import { runTask } from '../run-task.js'
import type { PromptTask } from '../tasks/prompt.js'

const cache = 1_024

export const prompt: BenchCase = {
  id: 'prompt',
  title: 'A prompt of 20,000 tokens',
  about:
    'A text twenty times as long as the cache of 1,024 tokens is given to the f16 model (quick: 3,000 tokens): tokens a second until the first token after it is here. Each time in a process of its own, turn about. ' +
    'node-llama-cpp reads it by `evaluate` and shifts its context meanwhile.',
  minutes: { quick: 0.7, full: 7 },
  bars: [{ id: 'node', what: 'node-llama-cpp / ours, time for the prompt' }],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
      quick,
      say,
    } = context
    const tokens = await f16.tokens(tokensFor(context, { quick: 3_000, full: 20_000 }))
    const task: PromptTask = { path: await f16.path(), threads, cache, sinks: 4, tokens }
    const measured = { ourPrompt: [] as number[], nodeLlamaCppPrompt: [] as number[] }
    let missing: string | undefined
    for (let turn = 0; turn < (quick ? 1 : 2); turn++) {
      for (const call of ['ourPrompt', 'nodeLlamaCppPrompt'] as const) {
        if (call === 'nodeLlamaCppPrompt' && missing !== undefined) continue
        say(`prompt: ${call === 'ourPrompt' ? 'ours' : 'node-llama-cpp'}, ${turn + 1}`)
        try {
          measured[call].push(await runTask<PromptTask, number>('prompt', call, task, signal))
        } catch (error) {
          signal.throwIfAborted()
          if (call === 'ourPrompt') throw error
          missing = reasonOf(error)
        }
      }
    }
    const rows = (
      [
        ['streaming-llm', measured.ourPrompt],
        ['node-llama-cpp evaluate', measured.nodeLlamaCppPrompt],
      ] as const
    ).filter(([, times]) => times.length > 0)
    const ours = median(measured.ourPrompt)
    return {
      measurements: {
        node:
          measured.nodeLlamaCppPrompt.length > 0
            ? median(measured.nodeLlamaCppPrompt) / ours
            : { missing: missing ?? 'it was not run' },
      },
      tables: [
        {
          id: 'prompt',
          title: `A prompt of ${tokens.length.toLocaleString('en')} tokens`,
          columns: ['Contender', '/ ours', 'tokens a second', 'seconds'],
          digits: [undefined, 2, 0, 2],
          rows: rows.map(([name, times]) => [
            name,
            median(times) / ours,
            (tokens.length / median(times)) * 1_000,
            median(times) / 1_000,
          ]),
        },
      ],
      plots: [],
      notes: [],
      missing: missing === undefined ? [] : [{ what: 'node-llama-cpp', reason: missing }],
      data: measured,
    }
  },
}
