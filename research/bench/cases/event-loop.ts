import { type BenchCase, tokensFor } from '../case.js'
import { questions } from '../questions.js'
import { runTask } from '../run-task.js'
import type { Delay, Streaming } from '../tasks/event-loop.js'

const chats = 4

export const eventLoop: BenchCase = {
  id: 'event-loop',
  title: "Delay of JavaScript's event loop",
  about:
    'Four chats of one process stream at once (the f16 model, cache 1,024), with the default sampling, and all their text is read. Meanwhile `perf_hooks.monitorEventLoopDelay` watches how late a timer of 10 ms comes; a process that does nothing is watched the same way.',
  minutes: { quick: 0.5, full: 1.5 },
  bars: [{ id: 'p99', what: 'p99 while 4 chats stream, less that of an idle process (ms)', max: 5 }],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
    } = context
    const milliseconds = tokensFor(context, { quick: 8_000, full: 30_000 })
    const idle = await runTask<object, Delay>('event-loop', 'idleDelay', { milliseconds }, signal)
    const { delay, tokens } = await runTask<Streaming, { delay: Delay; tokens: number }>(
      'event-loop',
      'streamingDelay',
      {
        path: await f16.path(),
        threads,
        cache: 1_024,
        milliseconds,
        questions: questions.slice(0, chats),
      },
      signal,
    )
    return {
      measurements: { p99: delay.p99 - idle.p99 },
      tables: [
        {
          id: 'event-loop',
          title: 'A timer of 10 milliseconds: when it came (milliseconds)',
          columns: ['Process', 'median', 'p99', 'worst'],
          digits: [undefined, 2, 2, 2],
          rows: (
            [
              ['idle', idle],
              [`${chats} chats streaming`, delay],
            ] as const
          ).map(([name, { p50, p99, max }]) => [name, p50, p99, max]),
        },
      ],
      plots: [],
      notes: [`The chats generated ${tokens.toLocaleString('en')} tokens meanwhile.`],
      missing: [],
      data: { idle, delay, tokens },
    }
  },
}
