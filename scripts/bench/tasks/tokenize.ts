import { loadModel } from '../../../lib/index.js'

/** The tokens of texts; for a process of its own. */
export async function tokenize({ path, texts }: { path: string; texts: string[] }): Promise<number[][]> {
  await using model = await loadModel(path, { gpu: false, threads: 1, onWarning: () => {} })
  return texts.map(text => Array.from(model.tokenize(text)))
}
