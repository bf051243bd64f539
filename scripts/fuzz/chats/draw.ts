import type { ChatMessage, ChatOptions, GenerateOptions } from '../../../lib/index.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { type Leave, type Memory, memories, type Operation, type Program, type Reading, type Setup } from './program.js'

/** Chats that are open at a time, at most. */
const maxChats = 6

/** A program of so many operations, which depends on nothing but the random numbers. */
export function drawProgram(random: SeededRandom, length: number, only?: Memory): Program {
  return new Drawing(random).program(length, only)
}

/** Jamba attends in every other layer; each third of Gemma's sees everything. */
const layersOf: Record<Memory, readonly number[]> = {
  llama: [1, 1, 2],
  qwen2vl: [1, 1, 2],
  gemma3: [1, 3],
  jamba: [2],
  mamba: [1, 2],
}

const words = [
  'the',
  ' cat',
  ' and',
  ' you',
  'Stop',
  '. ',
  'Hello',
  ' world',
  '\n',
  ' is',
  ', ',
  'é',
  '你好',
  '🙂',
  '漢',
  '<|im_end|>',
  ' x',
  '7',
  '  ',
]

class Drawing {
  #random: SeededRandom
  #chats: string[] = []
  #files: string[] = []
  #conversations: string[] = []
  #made = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  program(length: number, only?: Memory): Program {
    const setup = this.#setup(only)
    const operations: Operation[] = [this.#create(), this.#create()]
    let count = operations.length
    while (count < length) {
      const next = this.#operation(length - count)
      operations.push(next)
      count += next.do === 'together' ? next.operations.length : 1
    }
    return { setup, operations }
  }

  #setup(only?: Memory): Setup {
    const memory = only ?? this.#one(memories)
    return {
      memory,
      layers: this.#one(layersOf[memory]),
      batchSize: this.#one([16, 16, 32, 64]),
      maxSequences: this.#one([1, 2, 2, 3, 4]),
      whenFull: this.#chance(0.85) ? 'wait' : 'refuse',
      swap: this.#chance(0.8) ? 'memory' : 'disk',
      ...(this.#chance(0.12) && { unloadAfter: 1 }),
      ...(this.#chance(0.15) && { cacheTokens: this.#between(250, 900) }),
    }
  }

  #operation(left: number): Operation {
    const chat = this.#chats.length === 0 ? undefined : this.#one(this.#chats)
    if (chat === undefined) return this.#create()
    if (left > 4 && this.#chance(0.1)) return this.#together()
    return this.#simple(chat)
  }

  /** Of several at once, new chats are there for later operations alone. */
  #together(): Operation {
    const known = [...this.#chats]
    const operations = Array.from({ length: this.#between(2, 4) }, () => this.#simple(this.#one(known)))
    return { do: 'together', operations }
  }

  #simple(chat: string): Operation {
    const full = this.#chats.length >= maxChats
    switch (
      this.#weighted({
        turn: 42,
        ask: 4,
        regenerate: 7,
        undo: 9,
        fork: 6,
        candidates: 2,
        add: 5,
        setSystem: 5,
        save: 4,
        restore: 4,
        create: 6,
        close: full ? 12 : 3,
        stateless: 5,
        wait: 2,
        restart: 0.4,
      })
    ) {
      case 'ask':
        return { do: 'ask', chat, input: this.#text(), options: this.#reply() }
      case 'regenerate':
        return { do: 'regenerate', chat, options: this.#reply(), reading: this.#reading() }
      case 'undo':
        return { do: 'undo', chat, exchanges: this.#chance(0.7) ? 1 : this.#between(1, 4) }
      case 'fork':
        if (!full) return { do: 'fork', chat, as: this.#newChat() }
        break
      case 'candidates':
        if (!full)
          return {
            do: 'candidates',
            chat,
            input: this.#text(),
            options: this.#reply(),
            as: Array.from({ length: this.#between(1, 3) }, () => this.#newChat()),
          }
        break
      case 'add':
        return { do: 'add', chat, messages: this.#exchanges(this.#between(1, 2)) }
      case 'setSystem':
        return { do: 'setSystem', chat, ...(this.#chance(0.8) && { system: this.#text() }) }
      case 'save':
        return { do: 'save', chat, file: this.#file(0.5) }
      case 'restore':
        if (!full && this.#files.length > 0) return { do: 'restore', file: this.#one(this.#files), as: this.#newChat() }
        break
      case 'create':
        if (!full) return this.#create()
        break
      case 'close':
        return this.#close(chat)
      case 'stateless':
        return {
          do: 'stateless',
          conversation: this.#conversation(),
          keep: this.#chance(0.7) ? 1_000 : this.#between(0, 3),
          input: this.#text(),
          options: this.#reply(),
          reading: this.#reading(),
        }
      case 'wait':
        return { do: 'wait', milliseconds: this.#between(1, 5) }
      case 'restart':
        this.#chats = []
        return { do: 'restart' }
    }
    return {
      do: 'turn',
      chat,
      input: this.#chance(0.9) ? this.#text() : [...this.#exchanges(1), this.#user()],
      options: this.#reply(),
      reading: this.#reading(),
    }
  }

  #create(): Operation {
    return { do: 'create', as: this.#newChat(), options: this.#chat() }
  }

  #close(chat: string): Operation {
    this.#chats = this.#chats.filter(name => name !== chat)
    return { do: 'close', chat }
  }

  #chat(): ChatOptions {
    const policy = this.#weighted({ streaming: 70, window: 10, dense: 10, recompute: 10 }) as ChatOptions['policy']
    const roomy = policy === 'dense' ? this.#chance(0.8) : this.#chance(0.35)
    const window = roomy ? this.#between(250, 400) : this.#between(24, 90)
    const sinks = this.#chance(0.7) ? this.#between(0, 8) : undefined
    const system = this.#chance(0.4) ? this.#text() : undefined
    const reanchorEvery = this.#chance(0.5) ? 1 : this.#between(2, Math.floor(window / 2))
    return {
      policy,
      window,
      reanchorEvery,
      ...(sinks !== undefined && { sinks }),
      ...(system !== undefined && { system }),
      ...(system !== undefined && this.#chance(0.3) && { pinSystem: this.#chance(0.7) }),
      ...(this.#chance(0.25) && { evict: 'turn' as const }),
      ...(this.#chance(0.25) && { keepMessages: 'all' as const }),
      ...(this.#chance(0.2) && {
        messages: this.#exchanges(this.#between(1, 6)),
        restore: this.#chance(0.7) ? ('window' as const) : ('all' as const),
      }),
      // A few tokens more than the least.
      ...(policy === 'streaming' &&
        this.#chance(0.15) && { rebaseAfter: 40 + window + 2 * reanchorEvery + this.#between(0, 60) }),
      ...(this.#chance(0.7) ? { temperature: 0 } : { temperature: 0.8, seed: this.#between(0, 1_000) }),
    }
  }

  #reply(): GenerateOptions {
    return {
      maxTokens: this.#chance(0.85) ? this.#between(1, 14) : this.#between(15, 60),
      ...(this.#chance(0.5) && { logprobs: 2 }),
      ...(this.#chance(0.06) && { stop: this.#chance(0.5) ? 'a' : [' the', 'e\n', '. '] }),
      ...(this.#chance(0.06) && { timeLimit: this.#between(1, 12) }),
      ...(this.#chance(0.06) && { startWith: this.#one(['Hello', ' you', 'a', '漢字 ']) }),
      ...(this.#chance(0.1) && { speculation: true }),
      ...(this.#chance(0.1) && { temperature: 0.9, seed: this.#between(0, 1_000) }),
      ...(this.#chance(0.1) && { keepUnanswered: true }),
      ...(this.#chance(0.1) && { priority: this.#between(0, 3) }),
    }
  }

  #reading(): Reading {
    return {
      ...(this.#chance(0.4) && { leave: this.#leave() }),
      ...(this.#chance(0.06) && { slow: this.#between(0, 2) }),
      ...(this.#chance(0.06) && { double: true }),
    }
  }

  #leave(): Leave {
    return {
      way: this.#one(['break', 'return', 'throw', 'abort'] as const),
      after: this.#chance(0.3) ? this.#between(0, 1) : this.#between(1, 9),
      pause: this.#chance(0.7) ? 0 : this.#between(0, 3),
    }
  }

  #exchanges(count: number): ChatMessage[] {
    return Array.from({ length: count }, () => [this.#user(), { role: 'assistant', content: this.#text() }]).flat()
  }

  #user(): ChatMessage {
    return { role: 'user', content: this.#text() }
  }

  /** Mostly a few words, at times more than a window. */
  #text(): string {
    const length = this.#chance(0.93) ? this.#between(1, 5) : this.#between(6, 70)
    return Array.from({ length }, () => this.#one(words)).join('')
  }

  #newChat(): string {
    const name = `c${++this.#made}`
    this.#chats.push(name)
    return name
  }

  #file(again: number): string {
    if (this.#files.length > 0 && this.#chance(again)) return this.#one(this.#files)
    this.#files.push(`f${this.#files.length + 1}`)
    return this.#files.at(-1)!
  }

  #conversation(): string {
    if (this.#conversations.length < 3) this.#conversations.push(`s${this.#conversations.length + 1}`)
    return this.#one(this.#conversations)
  }

  #chance(probability: number): boolean {
    return this.#random.uniform() < probability
  }

  #between(min: number, max: number): number {
    return min + this.#random.integer(max - min + 1)
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#random.integer(list.length)]!
  }

  #weighted<Name extends string>(weights: Record<Name, number>): Name {
    const entries = Object.entries<number>(weights) as [Name, number][]
    let at = this.#random.uniform() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    return (entries.find(([, weight]) => (at -= weight) < 0) ?? entries[0]!)[0]
  }
}
