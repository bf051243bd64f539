import type { ReplyPart } from '../../../lib/reply/reply-parts.js'
import { ReplyReader, type ReplyReaderOptions } from '../../../lib/reply/reply-reader.js'
import type { ToolDefinitions } from '../../../lib/tools/tool-definitions.js'

export const tools: ToolDefinitions = {
  get_weather: {
    description: 'Tells the weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string' },
        days: { type: 'integer' },
        detailed: { type: 'boolean' },
        units: { type: 'object' },
      },
      required: ['city'],
    },
  },
  now: { description: 'Tells the time' },
}

/** Pieces that belong together are joined: how a reply was cut doesn't show any more. */
export function merged(parts: readonly ReplyPart[]): ReplyPart[] {
  const joined: ReplyPart[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if ((part.type === 'text' || part.type === 'reasoning') && last?.type === part.type) last.text += part.text
    else if (part.type === 'tool-call-arguments' && last?.type === part.type && last.index === part.index)
      last.text += part.text
    else joined.push({ ...part })
  }
  return joined
}

const numbered = () => {
  let count = 0
  return () => `id${count++}`
}

/** Reads a reply that comes in these pieces. */
export function readPieces(pieces: readonly string[], options: ReplyReaderOptions = {}): ReplyPart[] {
  const reader = new ReplyReader({ tools, createId: numbered(), ...options })
  return merged([...pieces.flatMap(piece => reader.push(piece)), ...reader.end()])
}

/** Reads a reply at once, and in single characters; they must not differ. */
export function read(text: string, options: ReplyReaderOptions = {}): ReplyPart[] {
  const parts = readPieces([text], options)
  expect(readPieces(text.split(''), options)).toEqual(parts)
  return parts
}

/** What was called. */
export function called(parts: readonly ReplyPart[]): { name: string; arguments: unknown }[] {
  return parts.flatMap(part => (part.type === 'tool-call' ? [{ name: part.name, arguments: part.arguments }] : []))
}

/** All text outside of calls and reasoning. */
export function text(parts: readonly ReplyPart[]): string {
  return parts.map(part => (part.type === 'text' ? part.text : '')).join('')
}

/** Text and calls put together again. */
export function written(parts: readonly ReplyPart[]): string {
  return parts
    .map(part =>
      part.type === 'text' ? part.text : part.type === 'tool-call' || part.type === 'invalid-tool-call' ? part.raw : '',
    )
    .join('')
}

/** Numbers that are the same in each run. */
export function random(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A text cut at random places, also within characters of two halves. */
export function cut(text: string, next: (below: number) => number): string[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    const length = 1 + next(next(2) === 0 ? 3 : 20)
    pieces.push(text.slice(at, at + length))
    at += length
  }
  return pieces
}
