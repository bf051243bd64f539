import { EventEmitter, once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { Contender, ContenderSetting } from '../contender.js'
import { LlamaServer } from '../llama-cpp/server-process.js'

// What may still be under way when the server has been stopped: it is not to count as a token of the next call.
const settleMs = 5
// After a stop: the token that was being computed, and one that may have waited in the connection.
const leftOut = 2

/**
 * llama-server with context shift: when the context is full it drops half of what comes after the sinks, so that its
 * cache is three quarters full on average, and moves the keys of the rest.
 *
 * All tokens come from one endless streamed request, so that no prompt is ever read again between two calls; between
 * them the server's process is stopped by a signal, since it would go on computing into the connection otherwise.
 */
export class LlamaServerContender implements Contender {
  readonly #abort = new AbortController()
  readonly #arrived = new EventEmitter()
  #server: LlamaServer | undefined
  /** When each token came that no call has taken yet. */
  #arrivals: number[] = []
  #failure: unknown

  async start({ model, cache, sinks, threads, fill }: ContenderSetting): Promise<void> {
    this.#server = await LlamaServer.start({ model, cache, threads })
    // The longest prompt that a context of this size takes.
    void this.#read(this.#server, fill.slice(0, cache - 1), sinks)
    await this.#take(1)
    await this.#pause()
  }

  async generate(count: number): Promise<number[]> {
    if (this.#server === undefined) throw new TypeError('start() comes first')
    this.#arrivals = []
    this.#server.resume()
    const arrivals = await this.#take(leftOut + count)
    await this.#pause()
    return Array.from({ length: count }, (_, index) => arrivals[leftOut + index]! - arrivals[leftOut + index - 1]!)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#server?.close()
  }

  async #read(server: LlamaServer, prompt: number[], sinks: number): Promise<void> {
    try {
      const events = server.stream(
        '/completion',
        {
          prompt,
          stream: true,
          ignore_eos: true,
          n_predict: 1_000_000_000,
          n_keep: sinks,
          temperature: 0,
          // The shortest way to a greedy choice that it has.
          samplers: ['top_k'],
          top_k: 1,
        },
        this.#abort.signal,
      )
      let tokens = 0
      for await (const event of events) {
        const now = performance.now()
        const { tokens_predicted: predicted, stop } = event as { tokens_predicted: number; stop: boolean }
        if (stop) throw new Error(`llama-server ended its text after ${predicted} tokens, though it was told not to`)
        // Bytes of one character come in one event, however many tokens they were.
        for (; tokens < predicted; tokens++) this.#arrivals.push(now)
        this.#arrived.emit('token')
      }
      throw new Error('llama-server ended its answer')
    } catch (error) {
      this.#failure = error
      this.#arrived.emit('token')
    }
  }

  async #take(count: number): Promise<number[]> {
    while (this.#arrivals.length < count) {
      if (this.#failure !== undefined) throw this.#failure
      await once(this.#arrived, 'token')
    }
    return this.#arrivals.slice(0, count)
  }

  async #pause(): Promise<void> {
    this.#server?.pause()
    await setTimeout(settleMs)
  }
}
