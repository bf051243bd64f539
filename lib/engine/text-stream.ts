import type { FinishEvent, StreamEvent } from '../events.js'
import type { NativeFinish, TokenCounts } from './job-runner.js'

/** A reply as it comes: events, or by `text()` the text alone. Work starts at the first `next()`; one consumer. */
export interface TextStream extends AsyncGenerator<StreamEvent, void, undefined> {
  /** The text of the reply in pieces, always whole characters. Leaving it leaves the reply. */
  text(): AsyncGenerator<string, void, undefined>
}

export function textStream(events: AsyncGenerator<StreamEvent, void, undefined>): TextStream {
  return Object.assign(events, {
    async *text() {
      for await (const event of events) if (event.type === 'text') yield event.text
    },
  })
}

/** The only event of a turn that was left before it began. */
export function abortedInQueue(counts: TokenCounts, reason: 'abort' | 'time'): FinishEvent {
  return {
    type: 'finish',
    reason,
    usage: { promptTokens: 0, reusedTokens: 0, completionTokens: 0, ...counts },
    timings: { promptMs: 0, generationMs: 0, tokensPerSecond: 0 },
  }
}

export function finishEvent(native: NativeFinish): FinishEvent {
  const {
    promptTokens,
    reusedTokens,
    completionTokens,
    seenTokens,
    cachedTokens,
    evictedTokens,
    promptMs,
    generationMs,
    draftedTokens,
    acceptedTokens = 0,
  } = native
  const tokensPerSecond = completionTokens > 1 && generationMs > 0 ? ((completionTokens - 1) * 1000) / generationMs : 0
  const speculation = draftedTokens === undefined ? {} : { speculation: { draftedTokens, acceptedTokens } }
  return {
    type: 'finish',
    // The reasons of other jobs are not public: a reply never ends with them.
    reason:
      native.reason === 'done' || native.reason === 'waiting' || native.reason === 'unreadable' ? 'end' : native.reason,
    usage: { promptTokens, reusedTokens, completionTokens, seenTokens, cachedTokens, evictedTokens, ...speculation },
    timings: { promptMs, generationMs, tokensPerSecond },
  }
}
