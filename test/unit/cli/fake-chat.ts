import type { StreamEvent } from '../../../lib/events.js'
import type { GenerateOptions } from '../../../lib/options.js'
import type { Talker } from '../../../lib/cli/reply.js'

/** A chat that answers `you said ...`, a word an event; `slow` waits for the signal, forever if none comes. */
export class FakeChat implements Talker {
  readonly heard: string[] = []
  readonly options: GenerateOptions[] = []
  failure: Error | undefined

  async *stream(text: string, options: GenerateOptions = {}): AsyncGenerator<StreamEvent> {
    this.heard.push(text)
    this.options.push(options)
    const { signal } = options
    yield { type: 'prefill', done: 0, total: 3 }
    for (const word of `you said ${text}`.split(/(?= )/)) {
      if (signal?.aborted) break
      yield { type: 'text', text: word }
    }
    if (this.failure) throw this.failure
    if (text === 'slow' && !signal?.aborted) await new Promise(resolve => signal?.addEventListener('abort', resolve))
    yield { type: 'evict', tokens: 2, messages: [] }
    yield {
      type: 'finish',
      reason: signal?.aborted ? 'abort' : 'end',
      usage: { promptTokens: 3, reusedTokens: 0, completionTokens: 4, seenTokens: 1234, cachedTokens: 64, evictedTokens: 1170 },
      timings: { promptMs: 5, generationMs: 100, tokensPerSecond: 40 },
    }
  }
}
