import { createHash } from 'node:crypto'
import type { ChatMessage, LoggedMessage } from './messages.js'
import type { SavedLog } from './saved-chat.js'

interface Entry {
  message: LoggedMessage
  /** Index, among all tokens of the conversation, behind this message's last one. 0 once it has left. */
  end: number
  left: boolean
  /** Of the history up to and with this message. */
  digest: string
}

/**
 * The messages of one conversation: those still in the window, or all if asked for, and a digest of the whole
 * history, evicted messages included. Constant memory if only the window's are kept.
 */
export class MessageLog {
  #entries: Entry[] = []
  /** Messages before the first entry, and the digest of these. */
  #dropped = { count: 0, hash: '' }

  constructor(private readonly keepAll: boolean, saved?: SavedLog) {
    if (saved === undefined) return
    this.#dropped = saved.dropped
    this.#entries = saved.entries
  }

  /** A log of its own with the same history. */
  clone(): MessageLog {
    const copy = new MessageLog(this.keepAll)
    copy.#entries = this.#entries.map(entry => ({ ...entry }))
    copy.#dropped = this.#dropped
    return copy
  }

  /** The same history as another log's, from now on; that one is not used any more. */
  become(other: MessageLog): void {
    this.#entries = other.#entries
    this.#dropped = other.#dropped
  }

  /** All of it, for a file. */
  save(): SavedLog {
    return { dropped: this.#dropped, entries: this.#entries }
  }

  get messages(): ChatMessage[] {
    return this.#entries.map(({ message }) => shown(message))
  }

  /** Those that are still in the window, with where they end. */
  get present(): readonly Readonly<{ message: LoggedMessage; end: number }>[] {
    return this.#entries.filter(({ left }) => !left)
  }

  /** How many messages have left the window. */
  get leftCount(): number {
    return this.#dropped.count + this.#entries.filter(({ left }) => left).length
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
    return this.#entries.splice(this.#entries.length - count, count).map(({ message }) => shown(message))
  }

  /** The conversation's first `tokens` tokens (sinks apart) have left. Returns the messages that went with them. */
  leave(tokens: number): ChatMessage[] {
    const gone: ChatMessage[] = []
    for (const entry of this.#entries) {
      if (entry.end > tokens) break
      if (!entry.left) gone.push(shown(entry.message))
      entry.left = true
      entry.end = 0
    }
    if (!this.keepAll) {
      const kept = this.#entries.findIndex(({ left }) => !left)
      const dropped = this.#entries.splice(0, kept < 0 ? this.#entries.length : kept)
      const hash = dropped.at(-1)?.digest
      if (hash !== undefined) this.#dropped = { count: this.#dropped.count + dropped.length, hash }
    }
    return gone
  }

  /** Positions begin anew: the ends of the messages in the window are given again, in order. */
  renumber(ends: readonly number[]): void {
    this.#entries.filter(({ left }) => !left).forEach((entry, i) => (entry.end = ends[i] ?? entry.end))
  }

  /** All ends are so many tokens later. */
  shift(tokens: number): void {
    for (const entry of this.#entries) if (!entry.left) entry.end += tokens
  }
}

/**
 * The digest of a history that has this message behind those of `digest`. White space around a reply does not count:
 * callers who hold the history themselves often trim it.
 */
export function extendDigest(digest: string, { role, content, toolCalls = [], toolCallId }: ChatMessage): string {
  const said: unknown[] = [role, role === 'assistant' ? content.trim() : content]
  if (toolCalls.length > 0 || toolCallId !== undefined) said.push(toolCalls.map(({ id, name, arguments: args }) => [id, name, args]), toolCallId)
  return createHash('sha256').update(digest).update(JSON.stringify(said)).digest('hex')
}

/** As callers see it. */
function shown({ raw: _, ...message }: LoggedMessage): ChatMessage {
  return message
}
