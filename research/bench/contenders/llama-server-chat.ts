import type { ChatContender, ChatSetting, ChatTurn } from '../chat-contender.js'
import { LlamaServer } from '../llama-cpp/server-process.js'

interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

interface Chunk {
  choices: { delta: { content?: string | null } }[]
  usage?: { completion_tokens: number } | null
}

/**
 * llama-server's /v1/chat/completions. The server refuses a conversation that is longer than its context, whatever it
 * does about text that it generates, so the client drops the oldest exchange whenever there is no more room, as every
 * client of it must; from there on the prompt is another one, which the server reads from the system message on.
 */
export class LlamaServerChat implements ChatContender {
  #server: LlamaServer | undefined
  #cache = 0
  #system: Message[] = []
  #messages: Message[] = []

  async start({ model, cache, threads, system }: ChatSetting): Promise<void> {
    this.#cache = cache
    this.#system = system === undefined ? [] : [{ role: 'system', content: system }]
    this.#server = await LlamaServer.start({ model, cache, threads })
  }

  async turn(text: string, maxTokens: number): Promise<ChatTurn> {
    if (this.#server === undefined) throw new TypeError('start() comes first')
    const start = performance.now()
    this.#messages.push({ role: 'user', content: text })
    // How long a prompt is in tokens only the server can tell.
    while (this.#messages.length > 1 && (await this.#promptTokens(this.#server)) + maxTokens > this.#cache)
      this.#messages.splice(0, 2)
    let reply = ''
    let tokens = 0
    let first: number | undefined
    const events = this.#server.stream('/v1/chat/completions', {
      messages: [...this.#system, ...this.#messages],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: maxTokens,
      temperature: 0,
      cache_prompt: true,
    })
    for await (const event of events) {
      const { choices, usage } = event as Chunk
      const content = choices[0]?.delta.content
      if (content) {
        first ??= performance.now()
        reply += content
      }
      if (usage) tokens = usage.completion_tokens
    }
    const end = performance.now()
    this.#messages.push({ role: 'assistant', content: reply })
    return { firstTokenMs: (first ?? end) - start, totalMs: end - start, tokens }
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  async #promptTokens({ url }: LlamaServer): Promise<number> {
    const post = async (path: string, body: object): Promise<unknown> => {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      if (!response.ok) throw new Error(`llama-server refused ${path}: ${response.status} ${await response.text()}`)
      return await response.json()
    }
    const { prompt } = (await post('/apply-template', { messages: [...this.#system, ...this.#messages] })) as {
      prompt: string
    }
    const { tokens } = (await post('/tokenize', { content: prompt, add_special: true, parse_special: true })) as {
      tokens: number[]
    }
    return tokens.length
  }
}
