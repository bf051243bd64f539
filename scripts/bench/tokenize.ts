import { loadModel } from '../../lib/index.js'
import { inChild } from '../report/in-child.js'

/** The tokens of texts, by a model loaded in a process of its own, which then ends. */
export async function tokensOf(path: string, texts: string[]): Promise<number[][]> {
  return await inChild<{ path: string; texts: string[] }, number[][]>(new URL(import.meta.url), 'tokenize', { path, texts }, () => {})
}

export async function tokenize({ path, texts }: { path: string; texts: string[] }): Promise<number[][]> {
  await using model = await loadModel(path, { gpu: false, threads: 1, onWarning: () => {} })
  return texts.map(text => Array.from(model.tokenize(text)))
}
