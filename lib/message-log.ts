import { createHash } from 'node:crypto'
import type { ChatMessage } from './messages.js'

interface Entry {
  message: ChatMessage
  /** Index, among all tokens of the conversation, behind this message's last one. */
  end: number
  left: boolean
}

/**
 * The messages of one conversation: those still in the window, or all if asked for, and a digest of the whole
 * history, evicted messages included. Constant memory if only the window's are kept.
 */
export class MessageLog {
  #entries: Entry[] = []
  #count = 0
  #digest = ''

  constructor(private readonly keepAll: boolean) {}

  get messages(): ChatMessage[] {
    return this.#entries.map(({ message }) => ({ ...message }))
  }

  /** Names a history: two of the same messages in the same order have the same. */
  get digest(): { count: number; hash: string } {
    return { count: this.#count, hash: this.#digest }
  }

  add(message: ChatMessage, end: number): void {
    this.#entries.push({ message, end, left: false })
    this.#count++
    this.#digest = extendDigest(this.#digest, message)
  }

  /** The conversation's first `tokens` tokens (sinks apart) have left. Returns the messages that went with them. */
  leave(tokens: number): ChatMessage[] {
    const gone: ChatMessage[] = []
    for (const entry of this.#entries) {
      if (entry.end > tokens) break
      if (!entry.left) gone.push(entry.message)
      entry.left = true
    }
    if (!this.keepAll) this.#entries = this.#entries.filter(entry => !entry.left)
    return gone
  }

  /** Positions begin anew: the kept messages' ends are given again, in order. */
  renumber(ends: readonly number[]): void {
    this.#entries.forEach((entry, i) => (entry.end = ends[i] ?? entry.end))
  }
}

/** The digest of a history that has this message behind those of `digest`. */
export function extendDigest(digest: string, { role, content }: ChatMessage): string {
  return createHash('sha256').update(digest).update(JSON.stringify([role, content])).digest('hex')
}
