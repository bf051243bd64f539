import { parseStreamChatOptions } from '../chat/parse-options.js'
import { type TextStream, textStream } from '../engine/text-stream.js'
import { StreamingLLMError } from '../errors.js'
import type { ChatMessage } from '../messages.js'
import type { ChatOptions, GenerateOptions } from '../options/parse.js'
import { Model } from './model.js'

export interface StreamChatOptions<Arguments = any> extends ChatOptions<Arguments>, GenerateOptions {
  model: Model
  /** The whole conversation, the new message last. */
  messages: ChatMessage[]
}

/**
 * Streams the reply to a conversation that the caller holds: for HTTP servers and other stateless interfaces. The chat
 * of an earlier call is found again by its whole history, evicted messages included, and only new messages are decoded.
 * A history longer than the window is no error. Two calls from the same history each get their own.
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
      const [system, input] = split(chatOptions.system, messages)
      const key = `${made} ${JSON.stringify(system)}`
      const { idleChats } = model
      const found = await idleChats.take(key, input)
      const live = found?.live ?? {
        chat: model.createChat({ ...chatOptions, system, messages: input.slice(0, -1) }),
        key,
      }
      const count = () => live.chat.conversation.log.digest.count
      const before = count()
      let ours = true
      const giveBack = () => {
        if (ours) idleChats.add(live)
        ours = false
      }
      try {
        for await (const event of live.chat.turn(
          found === undefined ? input.slice(-1) : input.slice(found.count),
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
