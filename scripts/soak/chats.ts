import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Chat, type Model, StreamingLLMError, streamChat } from '../../lib/index.js'
import type { SeededRandom } from '../../test/tools/tiny-random.js'

/** What a chat may refuse without anything being wrong; another error ends the soak. */
const refusals = new Set(['EVICTED', 'INVALID_OPTION', 'TEXT_TOO_LONG', 'CACHE_FULL', 'CLOSED', 'ABORTED'])
const maxChats = 8

/** Chats of one model, to which random things are done, each from the seed. */
export class Chats {
  readonly counts: Record<string, number> = {}
  readonly #model: Model
  readonly #random: SeededRandom
  readonly #folder: string
  readonly #chats: Chat[] = []
  readonly #saved: string[] = []

  private constructor(model: Model, random: SeededRandom, folder: string) {
    this.#model = model
    this.#random = random
    this.#folder = folder
  }

  static async begin(model: Model, random: SeededRandom): Promise<Chats> {
    return new Chats(model, random, await mkdtemp(path.join(tmpdir(), 'streaming-llm-soak-')))
  }

  /** Does one thing. Throws what is no refusal. */
  async step(): Promise<void> {
    const [name, operation] = this.#choose()
    this.counts[name] = (this.counts[name] ?? 0) + 1
    try {
      await operation()
    } catch (error) {
      if (!StreamingLLMError.isInstance(error) || !refusals.has(error.code)) throw error
      const refused = `${name}: ${error.code}`
      this.counts[refused] = (this.counts[refused] ?? 0) + 1
    }
  }

  get open(): number {
    return this.#chats.length
  }

  async end(): Promise<void> {
    for (const chat of this.#chats) await chat.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #choose(): [string, () => Promise<void>] {
    if (this.#chats.length === 0) return ['create', () => this.#create()]
    const chat = this.#chats[this.#random.integer(this.#chats.length)]!
    const limits = { maxTokens: 1 + this.#random.integer(40), seed: this.#random.integer(1_000) }
    const operations: [number, string, () => Promise<void>][] = [
      [4, 'create', () => this.#create()],
      [20, 'ask', async () => void (await chat.ask(this.#words(), limits))],
      [8, 'break', () => readSome(chat.stream(this.#words(), limits), this.#random.integer(6))],
      [
        6,
        'abort',
        () => readAll(chat.stream(this.#words(), { ...limits, signal: AbortSignal.timeout(this.#random.integer(60)) })),
      ],
      [
        4,
        'time limit',
        () => readAll(chat.stream(this.#words(), { ...limits, timeLimit: 1 + this.#random.integer(60) })),
      ],
      [4, 'slow reader', () => readSlowly(chat.stream(this.#words(), limits))],
      [8, 'regenerate', () => readAll(chat.regenerate(limits))],
      [8, 'undo', async () => void (await chat.undo())],
      [
        4,
        'add',
        () =>
          chat.add([
            { role: 'user', content: this.#words() },
            { role: 'assistant', content: this.#words() },
          ]),
      ],
      [3, 'setSystem', () => chat.setSystem(this.#words())],
      [5, 'fork', async () => this.#keep(await chat.fork())],
      [
        3,
        'candidates',
        async () => {
          for (const each of await chat.candidates(this.#words(), 2, limits)) await this.#keep(each.chat)
        },
      ],
      [5, 'save', () => this.#save(chat)],
      [4, 'restore', () => this.#restore()],
      [4, 'streamChat', () => this.#streamed(limits)],
      [
        4,
        'at once',
        async () => void (await Promise.allSettled(this.#chats.map(each => each.ask(this.#words(), limits)))),
      ],
      [6, 'close', () => this.#close(chat)],
    ]
    let at = this.#random.integer(operations.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, name, operation] of operations) {
      if (at < weight) return [name, operation]
      at -= weight
    }
    throw new Error('unreachable')
  }

  #words(): string {
    return Array.from(
      { length: 1 + this.#random.integer(12) },
      () =>
        ['the', 'sky', 'is', 'blue', 'water', 'ä', '日本', '🙂', '<|im_end|>', '{"a": 1}', '\n'][
          this.#random.integer(11)
        ]!,
    ).join(' ')
  }

  async #create(): Promise<void> {
    const window = 60 + this.#random.integer(200)
    const evict = this.#random.integer(2) === 0 ? 'token' : 'turn'
    await this.#keep(
      this.#model.createChat({ window, evict, ...(this.#random.integer(2) === 0 ? {} : { system: this.#words() }) }),
    )
  }

  async #keep(chat: Chat): Promise<void> {
    this.#chats.push(chat)
    if (this.#chats.length > maxChats) await this.#chats.splice(this.#random.integer(maxChats), 1)[0]!.close()
  }

  async #close(chat: Chat): Promise<void> {
    this.#chats.splice(this.#chats.indexOf(chat), 1)
    // Half of them in the midst of a reply.
    const reply = this.#random.integer(2) === 0 ? undefined : chat.ask(this.#words()).catch((error: unknown) => error)
    await chat.close()
    const ended = await reply
    if (ended instanceof Error && !(StreamingLLMError.isInstance(ended) && refusals.has(ended.code))) throw ended
  }

  async #save(chat: Chat): Promise<void> {
    const file = path.join(this.#folder, `${this.#random.integer(6)}.chat`)
    await chat.save(file)
    if (!this.#saved.includes(file)) this.#saved.push(file)
  }

  async #restore(): Promise<void> {
    if (this.#saved.length === 0) return
    await this.#keep(await this.#model.restoreChat(this.#saved[this.#random.integer(this.#saved.length)]!))
  }

  async #streamed(limits: { maxTokens: number; seed: number }): Promise<void> {
    const input = this.#words()
    await readAll(
      streamChat({ model: this.#model, messages: [{ role: 'user', content: input }], window: 120, ...limits }),
    )
    await readAll(
      streamChat({
        model: this.#model,
        messages: [
          { role: 'user', content: input },
          { role: 'assistant', content: this.#words() },
          { role: 'user', content: this.#words() },
        ],
        window: 120,
        ...limits,
      }),
    )
  }
}

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const event of stream) void event
}

async function readSome(stream: AsyncIterable<unknown>, events: number): Promise<void> {
  for await (const event of stream) {
    void event
    if (events-- === 0) break
  }
}

async function readSlowly(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const event of stream) {
    void event
    await sleep(2)
  }
}
