import type { ChatContender, ChatSetting, ChatTurn } from '../chat-contender.js'
import { type ChatSession, type Opened, openNodeLlamaCpp } from '../node-llama-cpp/open.js'

/** node-llama-cpp's `LlamaChatSession`, which drops old messages when the context is full and reads the rest anew. */
export class NodeLlamaCppChat implements ChatContender {
  #opened: Opened | undefined
  #session: ChatSession | undefined

  async start({ model, cache, threads, system }: ChatSetting): Promise<void> {
    this.#opened = await openNodeLlamaCpp({ model, cache, threads })
    const { library, sequence } = this.#opened
    // Without one it would take a system message of its own.
    this.#session = new library.LlamaChatSession({ contextSequence: sequence, systemPrompt: system ?? '' })
  }

  async turn(text: string, maxTokens: number): Promise<ChatTurn> {
    if (this.#session === undefined) throw new TypeError('start() comes first')
    let first: number | undefined
    let tokens = 0
    const start = performance.now()
    await this.#session.prompt(text, {
      maxTokens,
      temperature: 0,
      onTextChunk: () => {
        first ??= performance.now()
      },
      onToken: each => {
        tokens += each.length
      },
    })
    const end = performance.now()
    return { firstTokenMs: (first ?? end) - start, totalMs: end - start, tokens }
  }

  async close(): Promise<void> {
    await this.#opened?.close()
  }
}
