import { loadModel } from '../../../lib/index.js'
import { openNodeLlamaCpp } from '../node-llama-cpp/open.js'

export interface PromptTask {
  path: string
  threads: number
  /** Tokens in the full cache, sinks included. */
  cache: number
  sinks: number
  tokens: number[]
}

/** Milliseconds until the prompt was read and the first token after it was here. */
export async function ourPrompt(
  { path, threads, cache, sinks, tokens }: PromptTask,
  progress: (share: number) => void,
): Promise<number> {
  await using model = await loadModel(path, {
    threads,
    gpu: false,
    flashAttention: 'on',
    kvType: 'f16',
    onWarning: () => {},
  })
  const warm = model.createSequence({ sinks, window: cache - sinks })
  await warm.append(tokens.slice(0, 64).reverse())
  await warm.close()
  const sequence = model.createSequence({ sinks, window: cache - sinks })
  const start = performance.now()
  for await (const event of sequence.generate({ tokens, temperature: 0, maxTokens: 1 })) {
    if (event.type === 'prefill') progress(event.done / event.total)
  }
  return performance.now() - start
}

export async function nodeLlamaCppPrompt({ path, threads, cache, tokens }: PromptTask): Promise<number> {
  const { sequence, close } = await openNodeLlamaCpp({ model: path, cache, threads })
  const start = performance.now()
  const generated = sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })
  const { done } = await generated.next()
  const milliseconds = performance.now() - start
  await generated.return()
  await close()
  if (done) throw new Error('node-llama-cpp gave no token after the prompt')
  return milliseconds
}
