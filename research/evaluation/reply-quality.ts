import { deflateSync } from 'node:zlib'
import type { FinishReason } from '../../lib/events.js'

export interface Reply {
  question: string
  text: string
  reason: FinishReason
}

/** Shares of all replies, from 0 to 1, unless said otherwise. */
export interface Quality {
  /** Some four words in a row come three times or more. */
  loops: number
  /** Word for word a reply that came before. */
  copies: number
  /** Pairs of words that are different, of all pairs, over all replies. */
  distinctPairs: number
  /** The text of all replies, in bytes, by what is left of it when it is compressed: higher is more repetitive. */
  compression: number
  /** Names of control tokens, or parts of them, inside the text. */
  controls: number
  /** Speaks for the user: a line that opens the user's turn, or the question itself. */
  asUser: number
  empty: number
  /** Had not ended at the limit. */
  endless: number
}

export function quality(replies: readonly Reply[]): Quality {
  const share = (is: (reply: Reply, index: number) => boolean) => replies.filter(is).length / replies.length
  const text = replies.map(reply => reply.text).join('\n')
  const pairs = replies.flatMap(reply => groups(reply.text, 2))
  const before = new Set<string>()
  return {
    loops: share(reply => repeats(groups(reply.text, 4)) >= 3),
    copies: share(reply => before.size === before.add(reply.text.trim()).size),
    distinctPairs: new Set(pairs).size / pairs.length,
    compression: Buffer.byteLength(text) / deflateSync(text, { level: 9 }).length,
    controls: share(reply => /<\||\|>|im_start|im_end|<\/?s>/.test(reply.text)),
    asUser: share(
      reply => /(^|\n)\s*(user|human)\s*(:|\n)/i.test(reply.text) || reply.text.trim().startsWith(reply.question),
    ),
    empty: share(reply => reply.text.trim() === ''),
    endless: share(reply => reply.reason === 'length'),
  }
}

/** All runs of so many words. */
function groups(text: string, size: number): string[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter(word => word !== '')
  return words.slice(size - 1).map((_, i) => words.slice(i, i + size).join(' '))
}

/** How often the most frequent one comes. */
function repeats(texts: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return Math.max(0, ...counts.values())
}
