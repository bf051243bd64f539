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
    const idle = idleChats(model)
    const [system, said] = split(chatOptions.system, messages)
    const found = longestPrefix(idle, `${key} ${JSON.stringify(system)}`, said)
    // Taken out while it is at work, so that no other call finds it.
    if (found !== undefined) idle.splice(idle.indexOf(found.live), 1)
    const live = found?.live ?? { chat: model.createChat({ ...chatOptions, system, messages: said.slice(0, -1) }), key: `${key} ${JSON.stringify(system)}` }
    const { count } = live.chat.conversation.log.digest
    let ours = true
    const giveBack = () => {
      if (ours) idle.push(live)
      ours = false
    }
    try {
      for await (const event of live.chat.turn(found === undefined ? said.slice(-1) : said.slice(found.count), reply)) {
        if (event.type === 'finish') giveBack() // its reader may not come back after the last event
        yield event
      }
    } catch (error) {
      // A turn that left no trace, over text that cannot be tokenized, does not cost the conversation its cache.
      if (ours && (found === undefined || live.chat.conversation.log.digest.count !== count)) {
        ours = false
        await live.chat.close()
      }
      throw error
    } finally {
      // Left early by its reader, it is as good as finished: its history says what was delivered.
      giveBack()
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
    const live = idle.findLast(each => each.key === key && each.chat.conversation.log.digest.count === count && each.chat.conversation.log.digest.hash === digest)
    if (live !== undefined) best = { live, count }
  }
  return best
}

/** The model's chats between two calls. The one that was idle longest gives way to whoever needs a sequence. */
function idleChats(model: Model): LiveChat[] {
  const known = liveChats.get(model)
  if (known !== undefined) return known
  const idle: LiveChat[] = []
  liveChats.set(model, idle)
  model.giveWay = () => {
    const oldest = idle.shift()
    void oldest?.chat.close()
    return oldest !== undefined
  }
  return idle
}
