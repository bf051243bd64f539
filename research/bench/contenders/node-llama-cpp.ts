import type { Contender, ContenderSetting } from '../contender.js'
import { type Opened, openNodeLlamaCpp } from '../node-llama-cpp/open.js'

/**
 * node-llama-cpp's `sequence.evaluate`, with its own context shift: whenever the context is full it drops the oldest
 * 100 tokens (or half of the context, where that is less), so its cache is at most that much less than full.
 */
export class NodeLlamaCppContender implements Contender {
  #opened: Opened | undefined
  #tokens: AsyncGenerator<number, void, void> | undefined

  async start({ model, cache, threads, fill }: ContenderSetting): Promise<void> {
    this.#opened = await openNodeLlamaCpp({ model, cache, threads })
    const { sequence, contextSize } = this.#opened
    // More than it holds, so that it has shifted once and the times begin in the state that goes on forever.
    this.#tokens = sequence.evaluate(fill.slice(0, contextSize + 1), { temperature: 0, yieldEogToken: true })
    await this.#next()
    const dropped = Math.min(100, Math.ceil(contextSize / 2))
    if (sequence.nextTokenIndex < contextSize - dropped - 1) {
      throw new Error(
        `node-llama-cpp has ${sequence.nextTokenIndex} tokens in a context of ${contextSize}: it is not full`,
      )
    }
  }

  async generate(count: number): Promise<number[]> {
    const times: number[] = []
    let before = performance.now()
    while (times.length < count) {
      await this.#next()
      const now = performance.now()
      times.push(now - before)
      before = now
    }
    return times
  }

  async close(): Promise<void> {
    await this.#tokens?.return()
    await this.#opened?.close()
  }

  async #next(): Promise<void> {
    if (this.#tokens === undefined) throw new TypeError('start() comes first')
    if ((await this.#tokens.next()).done) throw new Error('node-llama-cpp ended its text, though it was told not to')
  }
}
