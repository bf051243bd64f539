import { loadModel } from '../../../lib/index.js'

/**
 * The tokens of texts, after the model's token for a beginning: without it node-llama-cpp would read its whole context
 * again whenever it drops tokens. For a process of its own.
 */
export async function tokenize({ path, texts }: { path: string; texts: string[] }): Promise<number[][]> {
  await using model = await loadModel(path, { gpu: false, threads: 1, onWarning: () => {} })
  const beginning = Array.from(model.tokenize(model.nativeInfo.bosText, { special: true }))
  return texts.map(text => [...beginning, ...model.tokenize(text)])
}
