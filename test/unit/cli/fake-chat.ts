import { ChatSession, type CommandedChat, type CommandedModel } from '../../../lib/cli/chat-session.js'
import type { StreamEvent } from '../../../lib/events.js'
import type { ChatMessage } from '../../../lib/messages.js'
import type { GenerateOptions } from '../../../lib/options/parse.js'

/** A chat that answers `you said ...`, a word an event; `slow` waits for the signal, forever if none comes. */
export class FakeChat implements CommandedChat {
  readonly heard: string[] = []
  readonly options: GenerateOptions[] = []
  readonly saved: string[] = []
  failure: Error | undefined
  system: string | undefined
  limits: CommandedChat['limits'] = { policy: 'streaming', sinks: 4, window: 60, evict: 'token' }
  usage = { seenTokens: 1234, cachedTokens: 64, evictedTokens: 1170 }
  messages: ChatMessage[] = []
  restoredFrom: CommandedChat['restoredFrom']
  closed = false

  get conversation() {
    return { log: { present: this.messages.map(message => ({ message })) } }
  }

  async *stream(text: string, options: GenerateOptions = {}): AsyncGenerator<StreamEvent> {
    this.heard.push(text)
    this.options.push(options)
    const { signal } = options
    yield { type: 'prefill', done: 0, total: 3 }
    for (const word of `you said ${text}`.split(/(?= )/)) {
      if (signal?.aborted) break
      yield { type: 'text', text: word }
    }
    if (this.failure) throw this.failure
    if (text === 'slow' && !signal?.aborted) await new Promise(resolve => signal?.addEventListener('abort', resolve))
    this.messages.push({ role: 'user', content: text }, { role: 'assistant', content: `you said ${text}` })
    yield { type: 'evict', tokens: 2, messages: [] }
    yield {
      type: 'finish',
      reason: signal?.aborted ? 'abort' : 'end',
      usage: { promptTokens: 3, reusedTokens: 0, completionTokens: 4, ...this.usage },
      timings: { promptMs: 5, generationMs: 100, tokensPerSecond: 40 },
    }
  }

  async *regenerate(options: GenerateOptions = {}): AsyncGenerator<StreamEvent> {
    const [question] = this.messages.splice(-2)
    yield* this.stream(question!.content, options)
  }

  async undo(exchanges = 1): Promise<ChatMessage[]> {
    return this.messages.splice(-2 * exchanges)
  }

  async setSystem(system: string | undefined): Promise<void> {
    this.system = system
  }

  async save(path: string): Promise<void> {
    this.saved.push(path)
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

/** A session with it. `saved` are the chats that can be loaded, by their files. */
export function fakeSession(
  chat = new FakeChat(),
  options: GenerateOptions = {},
  saved: Record<string, FakeChat> = {},
): ChatSession {
  const model: CommandedModel = {
    path: '/models/tiny.gguf',
    info: { name: 'Tiny', quantization: 'Q4_1', parameters: 1234567 },
    device: { backend: 'CPU', name: 'A processor', memory: { free: 1, total: 1 }, layers: { offloaded: 0, total: 3 } },
    tokenizer: { impossibleTrigger: (_grammar, triggers) => triggers.indexOf('never') },
    async restoreChat(path) {
      const chat = saved[path]
      if (chat === undefined) throw new Error(`no chat in ${path}`)
      return chat
    },
  }
  return new ChatSession(model, chat, options)
}
