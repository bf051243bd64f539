import type { ChatMessage } from '../messages.js'
import { countText } from './format.js'

export interface CacheContents {
  limits: { sinks: number; window: number; evict: 'token' | 'turn' }
  usage: { cachedTokens: number; evictedTokens: number }
  /** Those of which something is in the window, oldest first. */
  messages: readonly ChatMessage[]
}

const maxListed = 20

/** What the cache holds: a bar, its figures, and the messages that are whole in the window. */
export function cacheText(contents: CacheContents, width: number): string {
  return [...bar(contents, width), '', ...messageLines(contents, width)].join('\n')
}

/** Sinks, what was evicted behind them, window, and what is free, in the order of the conversation. */
function bar({ limits, usage }: CacheContents, width: number): string[] {
  const sinks = Math.min(limits.sinks, usage.cachedTokens)
  const window = Math.min(limits.window, usage.cachedTokens - sinks)
  const waiting = usage.cachedTokens - sinks - window
  const size = limits.sinks + limits.window
  const free = size - sinks - window
  const gap = usage.evictedTokens === 0 ? 0 : Math.max(3, Math.floor(width / 8))
  const cells = width - gap
  // Whatever there is of something has a column at least.
  const share = (tokens: number, room: number) =>
    tokens === 0 ? 0 : Math.min(room, Math.max(1, Math.round((tokens / size) * cells)))
  const minCells = (tokens: number) => Math.min(tokens, 1)
  const sinkCells = share(sinks, cells - minCells(window) - minCells(free))
  const freeCells = window === 0 ? cells - sinkCells : share(free, cells - sinkCells - 1)
  const windowCells = cells - sinkCells - freeCells
  return [
    '\u2593'.repeat(sinkCells) + '\u00b7'.repeat(gap) + '\u2588'.repeat(windowCells) + '\u2591'.repeat(freeCells),
    [
      `\u2593 ${count(sinks, 'sink')}`,
      ...(gap === 0 ? [] : [`\u00b7 ${countText(usage.evictedTokens)} evicted (not to scale)`]),
      `\u2588 ${countText(window)} of ${countText(limits.window)} in the window`,
      ...(free === 0 ? [] : [`\u2591 ${countText(free)} free`]),
      ...(waiting === 0 ? [] : [`${countText(waiting)} waiting to be decoded`]),
    ].join('  '),
  ]
}

function messageLines({ limits, usage, messages }: CacheContents, width: number): string[] {
  // Tokens leave from the oldest message that is left; whole turns leave whole, but for one larger than the window, of
  // which the question is gone first.
  const isCut = usage.evictedTokens > 0 && (limits.evict === 'token' || messages[0]?.role !== 'user')
  const whole = messages.slice(isCut ? 1 : 0)
  const cut = messages.length > whole.length ? ' Of the one before them the beginning has left.' : ''
  if (whole.length === 0)
    return [`No message is whole in the window.${cut === '' ? '' : ' Of the latest the beginning has left.'}`]
  const lines = whole.map(({ role, content }) => firstWords(role, content, width))
  const listed =
    lines.length <= maxListed
      ? lines
      : [...lines.slice(0, maxListed / 2), `  (${lines.length - maxListed} more)`, ...lines.slice(-maxListed / 2)]
  return [
    `${count(whole.length, 'message')} ${whole.length === 1 ? 'is' : 'are'} whole in the window, oldest first.${cut}`,
    ...listed,
  ]
}

function firstWords(role: string, content: string, width: number): string {
  const line = [...`  ${role.padEnd(9)}  ${content.replaceAll(/\s+/g, ' ').trim()}`]
  return line.length <= width ? line.join('') : `${line.slice(0, width - 3).join('')}...`
}

function count(number: number, noun: string): string {
  return `${countText(number)} ${noun}${number === 1 ? '' : 's'}`
}
