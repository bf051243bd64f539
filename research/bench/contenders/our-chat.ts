import { type Chat, loadModel, type Model } from '../../../lib/index.js'
import type { ChatContender, ChatSetting, ChatTurn } from '../chat-contender.js'

/** This library's chat, as `createChat` makes it: sinks and window are as many tokens as the context of the others. */
export class OurChat implements ChatContender {
  #model: Model | undefined
  #chat: Chat | undefined

  async start({ model, cache, threads, system }: ChatSetting): Promise<void> {
    this.#model = await loadModel(model, {
      threads,
      gpu: false,
      flashAttention: 'on',
      kvType: 'f16',
      onWarning: () => {},
    })
    const sinks = 4
    this.#chat = this.#model.createChat({ system, sinks, window: cache - sinks })
  }

  async turn(text: string, maxTokens: number): Promise<ChatTurn> {
    if (this.#chat === undefined) throw new TypeError('start() comes first')
    let first: number | undefined
    let tokens = 0
    const start = performance.now()
    for await (const event of this.#chat.stream(text, { maxTokens, temperature: 0 })) {
      if (event.type === 'text') first ??= performance.now()
      else if (event.type === 'finish') tokens = event.usage.completionTokens
    }
    const end = performance.now()
    return { firstTokenMs: (first ?? end) - start, totalMs: end - start, tokens }
  }

  async close(): Promise<void> {
    await this.#model?.close()
  }
}
