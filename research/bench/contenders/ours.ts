import { loadModel, type Model, type Sequence } from '../../../lib/index.js'
import type { PolicyOptions } from '../../../lib/options/parse.js'
import type { Contender, ContenderSetting } from '../contender.js'
import { timedTokens } from '../timed-tokens.js'

/** Tokens that the model is given when it has ended its text. */
const promptTokens = 8

/**
 * This library, by the whole of its public road: from `loadModel` to the events of an async generator in JavaScript.
 */
export class OurContender implements Contender {
  readonly #policy: PolicyOptions['policy']
  #model: Model | undefined
  #sequence: Sequence | undefined
  #fill: number[] = []
  #at = 0

  /** `policy`: as in `createSequence`. */
  constructor(policy: PolicyOptions['policy'] = 'streaming') {
    this.#policy = policy
  }

  async start({ model, cache, sinks, threads, fill }: ContenderSetting): Promise<void> {
    this.#fill = fill
    // Batches of 512 are what recomputation does best with.
    const batchSize = this.#policy === 'recompute' ? 512 : undefined
    this.#model = await loadModel(model, {
      threads,
      gpu: false,
      flashAttention: 'on',
      kvType: 'f16',
      batchSize,
      onWarning: () => {},
    })
    this.#sequence = this.#model.createSequence({ policy: this.#policy, sinks, window: cache - sinks })
    await this.#sequence.append(fill.slice(0, cache + 1))
  }

  async generate(count: number): Promise<number[]> {
    if (this.#sequence === undefined) throw new TypeError('start() comes first')
    const { times } = await timedTokens(this.#sequence, count, () => this.#more())
    const { cachedTokens, evictedTokens } = this.#sequence.usage
    if (this.#policy === 'streaming' && evictedTokens === 0)
      throw new Error(`nothing has been evicted: the cache of ${cachedTokens} tokens was not full`)
    return times
  }

  async close(): Promise<void> {
    await this.#model?.close()
  }

  #more(): number[] {
    this.#at += promptTokens
    return Array.from({ length: promptTokens }, (_, i) => this.#fill[(this.#at + i) % this.#fill.length]!)
  }
}
