import { loadModel } from '../../../lib/index.js'

export interface SpeculationTask {
  path: string
  threads: number
  cache: number
  prompts: string[]
  /** Most tokens of a reply. */
  tokens: number
}

/**
 * One prompt, answered with and without speculation: milliseconds for each token after the first, and whether the
 * replies agree.
 */
export interface Pair {
  off: number
  on: number
  tokens: number
  same: boolean
  prompt: string
  reply: string
}

/** Each prompt in two new chats of one loaded model, another one first each time. */
export async function speculationPairs(
  { path, threads, cache, prompts, tokens }: SpeculationTask,
  progress: (share: number) => void,
): Promise<Pair[]> {
  await using model = await loadModel(path, {
    threads,
    gpu: false,
    flashAttention: 'on',
    kvType: 'f16',
    onWarning: () => {},
  })
  const reply = async (prompt: string, speculation: boolean) => {
    await using chat = model.createChat({ sinks: 4, window: cache - 4 })
    let text = ''
    let first = 0
    let completion = 0
    for await (const event of chat.stream(prompt, { temperature: 0, maxTokens: tokens, speculation })) {
      if (event.type === 'text') {
        first ||= performance.now()
        text += event.text
      } else if (event.type === 'finish') completion = event.usage.completionTokens
    }
    return { text, tokens: completion, perToken: (performance.now() - first) / Math.max(1, completion - 1) }
  }
  await reply(prompts[0]!, false) // warms up
  const pairs: Pair[] = []
  for (const [i, prompt] of prompts.entries()) {
    const replies = new Map<boolean, Awaited<ReturnType<typeof reply>>>()
    for (const speculation of i % 2 === 0 ? [false, true] : [true, false])
      replies.set(speculation, await reply(prompt, speculation))
    const [off, on] = [replies.get(false)!, replies.get(true)!]
    if (off.tokens > 1 && on.tokens > 1)
      pairs.push({
        off: off.perToken,
        on: on.perToken,
        tokens: on.tokens,
        same: off.text === on.text,
        prompt,
        reply: on.text,
      })
    progress((i + 1) / prompts.length)
  }
  return pairs
}
