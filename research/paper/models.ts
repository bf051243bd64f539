import { loadModel, type Model } from '../../lib/index.js'
import type { Loading, ModelFile } from './experiment.js'

/** Keeps the model that was used last: most cells in a row want the same one. */
export class ModelShelf {
  readonly #threads: number | undefined
  #name = ''
  #model: Model | undefined

  constructor(threads: number | undefined) {
    this.#threads = threads
  }

  async open(file: ModelFile, { kv = 'f16', batchSize }: Loading = {}): Promise<Model> {
    const name = JSON.stringify([file.path, kv, batchSize])
    if (this.#model !== undefined && this.#name === name) return this.#model
    await this.clear()
    this.#model = await loadModel(file.path, {
      kvType: kv,
      batchSize,
      flashAttention: 'auto',
      threads: file.threads ?? this.#threads,
      onWarning: () => {},
    })
    this.#name = name
    return this.#model
  }

  async clear(): Promise<void> {
    await this.#model?.close()
    this.#model = undefined
  }
}
