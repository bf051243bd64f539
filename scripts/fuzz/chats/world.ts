import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { NativeSequenceOptions } from '../../../lib/engine/native.js'
import { type Chat, type ChatMessage, loadModel, type Model } from '../../../lib/index.js'
import { tinyModel } from '../../../test/tools/tiny-models.js'
import type { ExpectedChat } from './expected-chat.js'
import type { Setup } from './program.js'

/** A chat, and what it may hold: more than one where its caller cannot know until it is looked at. */
export interface LiveChat {
  chat: Chat
  possible: ExpectedChat[]
}

/** All that a program works on. */
export class World {
  readonly chats = new Map<string, LiveChat>()
  /** What the chats held that were saved. */
  readonly files = new Map<string, ExpectedChat[]>()
  /** Histories that are held outside, for streamChat. */
  readonly conversations = new Map<string, ChatMessage[]>()
  /** The file of its model. */
  readonly path: string
  readonly #folder: string
  #model: Model | undefined

  private constructor(readonly setup: Setup) {
    const { memory, layers } = setup
    this.path = tinyModel(memory, { layers, width: 64 })
    this.#folder = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-fuzz-chats-'))
  }

  static async open(setup: Setup): Promise<World> {
    const world = new World(setup)
    await world.load()
    return world
  }

  get model(): Model {
    return this.#model!
  }

  /** The text of the token that prompts begin with. */
  get bosText(): string {
    const { bosToken, bosText } = this.model.nativeInfo
    return bosToken === undefined ? '' : bosText
  }

  /** Texts of control tokens that no reply is to have. */
  get controls(): string[] {
    const { specialTokens, eosText } = this.model.nativeInfo
    return specialTokens.filter(
      text => text !== eosText && text !== '<|im_end|>' && this.model.tokenize(text, { special: true }).length === 1,
    )
  }

  file(name: string): string {
    return path.join(this.#folder, name)
  }

  async load(): Promise<void> {
    const { batchSize, maxSequences, whenFull, swap, unloadAfter, cacheTokens } = this.setup
    const model = await loadModel(this.path, {
      gpu: false,
      threads: 1,
      kvType: 'f32',
      flashAttention: 'off',
      onWarning: () => {},
      batchSize,
      maxSequences,
      whenFull,
      swap,
      unloadAfter,
      cacheTokens,
    })
    verified(model)
    this.#model = model
  }

  /** Everything ends, also what is in flight. */
  async close(): Promise<void> {
    this.chats.clear()
    await this.model.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** All sequences of the model check their invariants after each step. */
function verified(model: Model): void {
  const { sequences } = model
  const open = sequences.open.bind(sequences)
  sequences.open = (limits: NativeSequenceOptions) => open({ ...limits, verify: true })
}
