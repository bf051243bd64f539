import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installNodeLlamaCpp } from '../node-llama-cpp/install.js'
import { openNodeLlamaCpp } from '../node-llama-cpp/open.js'

export interface StartTask {
  path: string
  threads: number
  cache: number
  /** A short prompt. */
  tokens: number[]
}

/** Milliseconds of what a process does once, the library itself imported before. */
export interface Start {
  loadMs: number
  /** From then until the first token after the prompt was here. */
  firstTokenMs: number
}

export async function ourStart({ path, threads, cache, tokens }: StartTask): Promise<Start> {
  const { loadModel } = await import('../../../lib/index.js')
  const start = performance.now()
  await using model = await loadModel(path, {
    threads,
    gpu: false,
    flashAttention: 'on',
    kvType: 'f16',
    onWarning: () => {},
  })
  const loaded = performance.now()
  const sequence = model.createSequence({ sinks: 4, window: cache - 4 })
  let firstTokenMs = NaN
  for await (const event of sequence.generate({ tokens, temperature: 0, maxTokens: 1 })) {
    if (event.type === 'text' || event.type === 'finish')
      firstTokenMs = Math.min(performance.now() - loaded, Number.isNaN(firstTokenMs) ? Infinity : firstTokenMs)
  }
  return { loadMs: loaded - start, firstTokenMs }
}

/** Its context is made with the model, where ours is made at the first token: the sums are what can be compared. */
export async function nodeLlamaCppStart({ path, threads, cache, tokens }: StartTask): Promise<Start> {
  // The module is in Node's cache after this.
  await importNodeLlamaCpp()
  const start = performance.now()
  const { sequence, close } = await openNodeLlamaCpp({ model: path, cache, threads })
  const loaded = performance.now()
  const generated = sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })
  await generated.next()
  const firstTokenMs = performance.now() - loaded
  await generated.return()
  await close()
  return { loadMs: loaded - start, firstTokenMs }
}

async function importNodeLlamaCpp(): Promise<void> {
  await import(pathToFileURL(join(await installNodeLlamaCpp(), 'dist', 'index.js')).href)
}
