import { monitorEventLoopDelay } from 'node:perf_hooks'
import { loadModel } from '../../../lib/index.js'

/** Milliseconds that a timer of the event loop came late, with the timer's own interval. */
export interface Delay {
  p50: number
  p99: number
  max: number
}

const interval = 10

async function delayWhile(work: () => Promise<void>): Promise<Delay> {
  const histogram = monitorEventLoopDelay({ resolution: interval })
  histogram.enable()
  await work()
  histogram.disable()
  const milliseconds = (nanoseconds: number) => nanoseconds / 1e6
  return {
    p50: milliseconds(histogram.percentile(50)),
    p99: milliseconds(histogram.percentile(99)),
    max: milliseconds(histogram.max),
  }
}

/** Of a process that does nothing. */
export async function idleDelay({ milliseconds }: { milliseconds: number }): Promise<Delay> {
  return await delayWhile(() => new Promise(resolve => setTimeout(resolve, milliseconds)))
}

export interface Streaming {
  path: string
  threads: number
  cache: number
  milliseconds: number
  /** What each chat is asked, again and again. */
  questions: string[]
}

/** While chats stream at once, their text read event by event. */
export async function streamingDelay({
  path,
  threads,
  cache,
  milliseconds,
  questions,
}: Streaming): Promise<{ delay: Delay; tokens: number }> {
  await using model = await loadModel(path, { threads, gpu: false, flashAttention: 'on', onWarning: () => {} })
  const chats = questions.map(() => model.createChat({ sinks: 4, window: cache - 4 }))
  // The first turn compiles the template and makes the context.
  for (const [i, chat] of chats.entries()) await chat.ask(questions[i]!, { maxTokens: 2, temperature: 0 })
  let tokens = 0
  const delay = await delayWhile(async () => {
    const until = performance.now() + milliseconds
    await Promise.all(
      chats.map(async (chat, i) => {
        while (performance.now() < until) {
          for await (const event of chat.stream(questions[i]!, {
            seed: i,
            timeLimit: Math.max(1, until - performance.now()),
          })) {
            if (event.type === 'finish') tokens += event.usage.completionTokens
          }
        }
      }),
    )
  })
  return { delay, tokens }
}
