import { StreamingLLMError } from '../errors.js'
import type { ChatMessage } from '../messages.js'
import type { Chat } from './chat.js'
import { extendDigest } from './message-log.js'

/** A chat that `streamChat` made. */
export interface LiveChat {
  chat: Chat
  /** The options it was made with: another window makes another conversation. */
  key: string
}

/**
 * The chats of one model between two calls of `streamChat`. Each holds what it needs to go on, in the cache or outside.
 */
export class IdleChats {
  readonly #max: number
  /** The longest unused first. */
  readonly #chats: LiveChat[] = []

  constructor(max: number) {
    this.#max = max
  }

  /** Closes the chat that was idle longest, if there is any, so that another sequence can be opened. */
  releaseOldest(): boolean {
    const oldest = this.#chats.shift()
    void oldest?.chat.close()
    return oldest !== undefined
  }

  /** Keeps a chat for a later call. */
  add(live: LiveChat): void {
    this.#chats.push(live)
    while (this.#chats.length > this.#max) this.releaseOldest()
  }

  /**
   * The idle chat whose history has the longest prefix of these messages. It is removed from the idle ones, so that no
   * other call finds it, and truncated to that prefix. A chat that differs by more than one exchange stays as it is,
   * and a fork of it is truncated.
   */
  async take(key: string, messages: ChatMessage[]): Promise<{ live: LiveChat; count: number } | undefined> {
    const idle = this.#chats
    const best = longestPrefix(idle, key, messages)
    if (best === undefined) return undefined
    const { live, count } = best
    idle.splice(idle.indexOf(live), 1)
    const { conversation } = live.chat
    if (conversation.log.digest.count === count) return best
    let taken = live
    try {
      if (conversation.log.digest.count > count + 2) {
        taken = (await forkOf(live)) ?? live
        if (taken !== live) idle.push(live)
      }
      await taken.chat.truncateTo(count)
    } catch (error) {
      // It holds what it held.
      if (taken === live) idle.push(live)
      else await taken.chat.close()
      throw error
    }
    return { live: taken, count }
  }
}

/** Undefined where no sequence is left. */
async function forkOf({ chat, key }: LiveChat): Promise<LiveChat | undefined> {
  try {
    return { chat: await chat.fork(), key }
  } catch (error) {
    if (StreamingLLMError.isInstance(error) && error.code === 'NO_SEQUENCE_LEFT') return undefined
    throw error
  }
}

/** How many of the messages each idle chat begins with: the most, and of equals the one that was used last. */
function longestPrefix(
  idle: LiveChat[],
  key: string,
  messages: ChatMessage[],
): { live: LiveChat; count: number } | undefined {
  const digests = ['']
  for (const message of messages) digests.push(extendDigest(digests.at(-1)!, message))
  let best: { live: LiveChat; count: number } | undefined
  for (const live of idle) {
    if (live.key !== key) continue
    const { log } = live.chat.conversation
    const all = log.digest.count
    for (let count = Math.min(all, messages.length); count >= (best?.count ?? 1); count--) {
      // Only what is in the window can be gone back to.
      if (
        log.digestAt(count) === digests[count] &&
        ((count === all && count < messages.length) || count > log.leftCount)
      ) {
        best = { live, count }
        break
      }
    }
  }
  return best
}
