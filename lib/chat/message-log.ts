import { createHash } from 'node:crypto'
import type { ChatMessage, LoggedMessage } from '../messages.js'
import type { SavedLog } from './saved-chat.js'

interface Entry {
  message: LoggedMessage
  /** Index, among all tokens of the conversation, behind this message's last one. 0 once it has left. */
  end: number
  left: boolean
  /** Of the history up to and with this message. */
  digest: string
}

/** What a log held, for going back there: no more than what can change until then. */
export interface LogMark {
  readonly count: number
  /** @internal */
  readonly dropped: Readonly<{ count: number; hash: string }>
  /** @internal How many entries came before these. */
  readonly before: number
  /** @internal */
  readonly entries: readonly Readonly<Entry>[]
}

/**
 * The messages of one conversation: those still in the window, or all if asked for, and a digest of the whole
 * history, evicted messages included. Constant memory if only the window's are kept.
 */
export class MessageLog {
  #entries: Entry[] = []
  /** So many of the entries, the first ones, have left: there may be many more of them than of the others. */
  #left = 0
  /** Messages before the first entry, and the digest of these. */
  #dropped = { count: 0, hash: '' }

  constructor(
    private readonly keepAll: boolean,
    saved?: SavedLog,
  ) {
    if (saved === undefined) return
    this.#dropped = saved.dropped
    this.#left = saved.entries.findIndex(({ left }) => !left)
    if (this.#left < 0) this.#left = saved.entries.length
    this.#entries = saved.entries.map((entry, i) => ({ ...entry, left: i < this.#left }))
  }

  /** A log of its own with the same history. */
  clone(): MessageLog {
    const copy = new MessageLog(this.keepAll)
    copy.#entries = this.#entries.map(entry => ({ ...entry }))
    copy.#left = this.#left
    copy.#dropped = this.#dropped
    return copy
  }

  /** The history as it is now. Costs by what is in the window, not by all that there is. */
  mark(): LogMark {
    // Without the last one, which may be removed.
    const before = this.keepAll ? Math.min(this.#left, Math.max(0, this.#entries.length - 1)) : 0
    return {
      count: this.digest.count,
      dropped: this.#dropped,
      before,
      entries: this.#entries.slice(before).map(entry => ({ ...entry })),
    }
  }

  /** The history is that of then, of which no more than the last message has been removed, besides what came since. */
  rollBackTo({ dropped, before, entries }: LogMark): void {
    this.#entries.length = before // what left before has stayed, or there was none
    for (const entry of entries) this.#entries.push({ ...entry })
    this.#left = before + entries.filter(({ left }) => left).length
    this.#dropped = dropped
  }

  /** All of it, for a file. */
  save(): SavedLog {
    return { dropped: this.#dropped, entries: this.#entries }
  }

  get messages(): ChatMessage[] {
    return this.#entries.map(({ message }) => copyForCaller(message))
  }

  /** Those that are still in the window, with where they end. */
  get present(): readonly Readonly<{ message: LoggedMessage; end: number }>[] {
    return this.#entries.slice(this.#left)
  }

  /** How many messages have left the window. */
  get leftCount(): number {
    return this.#dropped.count + this.#left
  }

  /** Names a history: two of the same messages in the same order have the same. */
  get digest(): { count: number; hash: string } {
    const { count, hash } = this.#dropped
    return { count: count + this.#entries.length, hash: this.#entries.at(-1)?.digest ?? hash }
  }

  /** The digest of the first `count` messages; undefined where it is not known any more, or not yet. */
  digestAt(count: number): string | undefined {
    const before = this.#dropped
    return count === before.count ? before.hash : this.#entries[count - before.count - 1]?.digest
  }

  add(message: LoggedMessage, end: number): void {
    this.#entries.push({ message, end, left: false, digest: extendDigest(this.digest.hash, message) })
  }

  /** Takes the last messages out of the history again, as if they had never been. Only ones that are in the log. */
  removeLast(count: number): ChatMessage[] {
    const removed = this.#entries
      .splice(this.#entries.length - count, count)
      .map(({ message }) => copyForCaller(message))
    this.#left = Math.min(this.#left, this.#entries.length)
    return removed
  }

  /** The conversation's first `tokens` tokens (sinks apart) have left. Returns the messages that went with them. */
  leave(tokens: number): ChatMessage[] {
    const gone: ChatMessage[] = []
    for (; this.#left < this.#entries.length; this.#left++) {
      const entry = this.#entries[this.#left]!
      if (entry.end > tokens) break
      gone.push(copyForCaller(entry.message))
      entry.left = true
      entry.end = 0
    }
    if (!this.keepAll) {
      const dropped = this.#entries.splice(0, this.#left)
      this.#left = 0
      const hash = dropped.at(-1)?.digest
      if (hash !== undefined) this.#dropped = { count: this.#dropped.count + dropped.length, hash }
    }
    return gone
  }

  /** Positions begin anew: the ends of the messages in the window are given again, in order. */
  renumber(ends: readonly number[]): void {
    this.#entries.slice(this.#left).forEach((entry, i) => (entry.end = ends[i] ?? entry.end))
  }

  /** All ends are so many tokens later. */
  shift(tokens: number): void {
    for (const entry of this.#entries.slice(this.#left)) entry.end += tokens
  }
}

/**
 * The digest of a history that has this message behind those of `digest`. White space around a reply does not count:
 * callers who hold the history themselves often trim it.
 */
export function extendDigest(digest: string, { role, content, toolCalls = [], toolCallId }: ChatMessage): string {
  const identity: unknown[] = [role, role === 'assistant' ? content.trim() : content]
  if (toolCalls.length > 0 || toolCallId !== undefined)
    identity.push(
      toolCalls.map(({ id, name, arguments: args }) => [id, name, args]),
      toolCallId,
    )
  return createHash('sha256').update(digest).update(JSON.stringify(identity)).digest('hex')
}

/** As callers see it: theirs to change, as the history is not. */
function copyForCaller({ raw: _, ...message }: LoggedMessage): ChatMessage {
  return message.toolCalls === undefined ? message : { ...message, toolCalls: structuredClone(message.toolCalls) }
}
