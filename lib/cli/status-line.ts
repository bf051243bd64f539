import type { FinishEvent } from '../events.js'

/** How full the cache is and how fast it went, in one line. */
export function statusLine({ reason, usage, timings }: FinishEvent): string {
  const statistics = [
    `${grouped(usage.seenTokens)} tokens seen`,
    `${grouped(usage.cachedTokens)} in cache`,
    `${grouped(usage.evictedTokens)} evicted`,
    `${timings.tokensPerSecond.toFixed(1)} tokens/s`,
  ]
  const endings: Partial<Record<typeof reason, string>> = {
    length: 'cut off at the most tokens',
    time: 'out of time',
    abort: 'stopped',
  }
  const ending = endings[reason]
  return `[${[...statistics, ...(ending === undefined ? [] : [ending])].join(' · ')}]`
}

/** Faint on a terminal that has colours. */
export function dim(text: string, stream: { isTTY?: boolean }): string {
  return stream.isTTY && !process.env['NO_COLOR'] ? `\x1b[2m${text}\x1b[22m` : text
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
