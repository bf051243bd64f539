import type { ChatSession } from './chat-session.js'
import { byteText, columns, countText } from './format.js'

/** How the chat stands: tokens, sizes, speed, memory, and what it runs on. */
export function sessionStatistics({
  chat: { usage, limits, conversation },
  model,
  last,
}: Pick<ChatSession, 'chat' | 'model' | 'last'>): string {
  const {
    info: { name = model.path, quantization, parameters },
    device: { layers, backend, name: device },
  } = model
  const rows: [string, string][] = [
    [
      'tokens',
      `${countText(usage.seenTokens)} seen, ${countText(usage.cachedTokens)} in the cache, ${countText(usage.evictedTokens)} evicted`,
    ],
    [
      'cache',
      `${limits.policy}: ${countText(limits.sinks)} sinks, a window of ${countText(limits.window)}, evicted by the ${limits.evict}`,
    ],
    ['messages', `${countText(conversation.log.present.length)} in the window`],
    ['last reply', last === undefined ? 'none yet' : speed(last)],
    ['memory', `${byteText(process.memoryUsage.rss())} resident`],
    ['model', [name, quantization, `${countText(parameters)} parameters`].join(', ')],
    ['device', `${backend}: ${device}${layers.offloaded > 0 ? `, ${layers.offloaded} of ${layers.total} layers` : ''}`],
  ]
  return columns(rows)
}

function speed({ usage, timings }: NonNullable<ChatSession['last']>): string {
  const tokens = `${countText(usage.completionTokens)} ${usage.completionTokens === 1 ? 'token' : 'tokens'}`
  return `${tokens}, ${timings.tokensPerSecond.toFixed(1)} a second; ${countText(usage.promptTokens)} of the prompt in ${countText(Math.round(timings.promptMs))} ms`
}
