import type { Chat } from './chat.js'
import { StreamingLLMError } from './errors.js'
import { extendDigest } from './message-log.js'
import type { ChatMessage } from './messages.js'
import { Model } from './model.js'
import { parseStreamChatOptions, type ChatOptions, type GenerateOptions } from './options.js'
import { textStream, type TextStream } from './text-stream.js'

export interface StreamChatOptions extends ChatOptions, GenerateOptions {
  model: Model
  /** The whole conversation, the new message last. */
  messages: ChatMessage[]
}

interface LiveChat {
  chat: Chat
  /** The options it was made with: another window makes another conversation. */
  key: string
}

// Chats between two calls, the longest unused first.
const liveChats = new WeakMap<Model, LiveChat[]>()

/**
 * Streams the reply to a conversation that the caller holds: for HTTP servers and other stateless interfaces. The
 * chat that an earlier call left behind is found again by its whole history, evicted messages included, and only what
 * is new is decoded; a history longer than the window is no error. Two calls from the same history each get their own.
 *
 * @throws {StreamingLLMError} what `createChat` and `chat.stream` throw
 */
export function streamChat(options: StreamChatOptions): TextStream {
  const { model, messages, chat: chatOptions, reply } = parseStreamChatOptions(options)
  if (!(model instanceof Model)) throw new StreamingLLMError('INVALID_OPTION', "streamChat: 'model' must be what loadModel returned")
  const last = messages.at(-1)
  if (last === undefined) throw new StreamingLLMError('INVALID_OPTION', "streamChat: 'messages' is empty; the last one is the one to be answered")
  if (last.role === 'assistant') {
    throw new StreamingLLMError('INVALID_OPTION', "streamChat: the last of 'messages' must be the one to be answered, not the assistant's")
  }
  return textStream((async function* () {
    const key = JSON.stringify(chatOptions)
    const idle = liveChats.get(model) ?? []
    liveChats.set(model, idle)
    const [system, said] = split(chatOptions.system, messages)
    const found = longestPrefix(idle, `${key} ${JSON.stringify(system)}`, said)
    // Taken out while it is at work, so that no other call finds it.
    if (found !== undefined) idle.splice(idle.indexOf(found.live), 1)
    const live = found?.live ?? { chat: open(model, { ...chatOptions, system, messages: said.slice(0, -1) }, idle), key: `${key} ${JSON.stringify(system)}` }
    let usable = true
    try {
      yield* live.chat.turn(found === undefined ? said.slice(-1) : said.slice(found.count), reply)
    } catch (error) {
      usable = false
      await live.chat.close()
      throw error
    } finally {
      // Left early by its reader, it is as good as finished: its history says what was delivered.
      if (usable) idle.push(live)
    }
  })())
}

function split(system: string | undefined, messages: ChatMessage[]): [string | undefined, ChatMessage[]] {
  return system === undefined && messages[0]?.role === 'system' ? [messages[0].content, messages.slice(1)] : [system, messages]
}

/** The idle chat whose history is the longest beginning of these messages, the last one not included. */
function longestPrefix(idle: LiveChat[], key: string, messages: ChatMessage[]): { live: LiveChat; count: number } | undefined {
  let digest = ''
  let best: { live: LiveChat; count: number } | undefined
  for (let count = 1; count < messages.length; count++) {
    digest = extendDigest(digest, messages[count - 1]!)
    const live = idle.findLast(each => each.key === key && each.chat.digest.count === count && each.chat.digest.hash === digest)
    if (live !== undefined) best = { live, count }
  }
  return best
}

/** A new chat; the chat that was idle longest gives way where there is no room. */
function open(model: Model, options: ChatOptions, idle: LiveChat[]): Chat {
  for (;;) {
    try {
      return model.createChat(options)
    } catch (error) {
      if (!StreamingLLMError.isInstance(error) || error.code !== 'NO_SEQUENCE_LEFT' || idle.length === 0) throw error
      void idle.shift()!.chat.close()
    }
  }
}
