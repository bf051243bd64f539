import { type TextStream, textStream } from '../engine/text-stream.js'
import { StreamingLLMError } from '../errors.js'
import type { ChatMessage } from '../messages.js'
import { Model } from '../model/model.js'
import { type ChatOptions, type GenerateOptions, parseStreamChatOptions } from '../options/parse.js'
import type { Chat } from './chat.js'
import { extendDigest } from './message-log.js'

export interface StreamChatOptions<Arguments = any> extends ChatOptions<Arguments>, GenerateOptions {
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
export function streamChat<Arguments>(options: StreamChatOptions<Arguments>): TextStream {
  const { model, messages, chat: chatOptions, key: made, reply } = parseStreamChatOptions(options)
  if (!(model instanceof Model))
    throw new StreamingLLMError('INVALID_OPTION', "streamChat: 'model' must be what loadModel returned")
  const last = messages.at(-1)
  if (last === undefined)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      "streamChat: 'messages' is empty; the last one is the one to be answered",
    )
  if (last.role === 'assistant') {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      "streamChat: the last of 'messages' must be the one to be answered, not the assistant's",
    )
  }
  return textStream(
    (async function* () {
      const [system, said] = split(chatOptions.system, messages)
      const key = `${made} ${JSON.stringify(system)}`
      const idle = idleChats(model)
      const found = await takeLongest(idle, key, said)
      const live = found?.live ?? {
        chat: model.createChat({ ...chatOptions, system, messages: said.slice(0, -1) }),
        key,
      }
      const count = () => live.chat.conversation.log.digest.count
      const before = count()
      let ours = true
      const giveBack = () => {
        if (ours) idle.push(live)
        ours = false
        // Each holds what it needs to go on, in the cache or outside.
        while (idle.length > model.maxSequences) void idle.shift()?.chat.close()
      }
      try {
        for await (const event of live.chat.turn(
          found === undefined ? said.slice(-1) : said.slice(found.count),
          reply,
        )) {
          if (event.type === 'finish') giveBack() // its reader may not come back after the last event
          yield event
        }
      } catch (error) {
        // A turn that left no trace, over text that cannot be tokenized, does not cost the conversation its cache.
        if (ours && (found === undefined || count() !== before)) {
          ours = false
          await live.chat.close()
        }
        throw error
      } finally {
        // Left early by its reader, it is as good as finished: its history says what was delivered.
        giveBack()
      }
    })(),
  )
}

function split(system: string | undefined, messages: ChatMessage[]): [string | undefined, ChatMessage[]] {
  return system === undefined && messages[0]?.role === 'system'
    ? [messages[0].content, messages.slice(1)]
    : [system, messages]
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

/**
 * The idle chat whose history has the longest beginning of these messages, taken out of the idle ones so that no other call
 * finds it, and brought back to that beginning. One that goes on for more than an exchange in another way is left as it is,
 * and a fork of it goes back.
 */
async function takeLongest(
  idle: LiveChat[],
  key: string,
  messages: ChatMessage[],
): Promise<{ live: LiveChat; count: number } | undefined> {
  const best = longestBeginning(idle, key, messages)
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
    await taken.chat.goBack(count)
  } catch (error) {
    // It holds what it held.
    if (taken === live) idle.push(live)
    else await taken.chat.close()
    throw error
  }
  return { live: taken, count }
}

/** How many of the messages each idle chat begins with: the most, and of equals the one that was used last. */
function longestBeginning(
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
