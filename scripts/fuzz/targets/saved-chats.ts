import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeSavedChat, readSavedChat, type SavedChat } from '../../../lib/chat/saved-chat.js'
import { type Chat, loadModel, type Model, StreamingLLMError } from '../../../lib/index.js'
import { type TinyKind, tinyModel } from '../../../test/tools/tiny-models.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { expect, type FuzzTarget } from '../target.js'

interface Place {
  model: Model
  saved: SavedChat[]
  /** Another chat of the model, and what it says next. */
  other: Chat
  says: string
}

interface Prepared {
  file: string
  places: Place[]
}

const kinds: TinyKind[] = ['llama', 'gemma3', 'jamba', 'mamba', 'gpt2', 'qwen2vl', 'deepseek2', 'lfm2']
const template =
  "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"

/** Saved chats that were changed anywhere, with the checksum that they then have, or another one. */
export const target: FuzzTarget = {
  description:
    'changed and forged saved chats: a typed error, or a chat that answers, while another chat of the model stays as it was',

  async prepare(): Promise<Prepared> {
    const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-fuzz-saved-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'forged.chat')
    const places: Place[] = []
    for (const kind of kinds) {
      const model = await loadModel(tinyModel(kind, { endBias: -20 }), {
        threads: 1,
        gpu: false,
        maxSequences: 3,
        chatTemplate: template,
        onWarning: () => {},
      })
      const saved: SavedChat[] = []
      for (const options of [
        { window: 60 },
        { window: 60, evict: 'turn' },
        { policy: 'dense', window: 400 },
        { policy: 'recompute', window: 30 },
        { window: 80, system: 'Be brief, and kind.', keepMessages: 'all' },
      ] as const) {
        const chat = model.createChat({ ...options, temperature: 0 })
        for (const said of ['Some words.', 'More words, so that tokens leave the window.', 'Go on'])
          await chat.ask(said, { maxTokens: 12 })
        await chat.save(file)
        saved.push(await readSavedChat(file))
        await chat.close()
      }
      const other = model.createChat({ window: 200, temperature: 0 })
      await other.ask('A chat of its own', { maxTokens: 4 })
      places.push({ model, saved, other, says: await next(other) })
    }
    return { file, places }
  },

  async attempt(random, prepared, { describe, count }) {
    const { file, places } = prepared as Prepared
    const { model, saved, other, says } = pick(random, places)
    const from = pick(random, saved)
    const how = pick(random, ways)
    const { bytes, told } = how.forge(random, from, saved)
    writeFileSync(file, bytes)
    describe(`${model.info.architecture}, ${how.name} changed, ${bytes.length} bytes: ${told}`)
    let outcome: string
    try {
      const chat = await model.restoreChat(file)
      outcome = `${how.name} from ${chat.restoredFrom!.what}`
      try {
        const before = random.integer(6)
        if (before === 0) await chat.undo(1 + random.integer(3))
        if (before === 1) await chat.setSystem(pick(random, [undefined, 'Be another.']))
        if (before === 2) await (await chat.fork()).close()
        if (before === 3) await drain(chat.regenerate({ maxTokens: 2 }))
        const { usage } = await chat.ask('Well?', { maxTokens: pick(random, [2, 2, 2, 40]) })
        expect(usage.cachedTokens >= 0 && usage.seenTokens >= usage.cachedTokens, `usage is ${JSON.stringify(usage)}`)
        if (random.integer(4) === 0) {
          // What it has become is a sound chat like any other.
          await chat.save(file)
          await (await model.restoreChat(file)).close()
        }
      } finally {
        await chat.close()
      }
    } catch (error) {
      if (!StreamingLLMError.isInstance(error)) throw error
      outcome = `${how.name} ${error.code}`
    }
    count(outcome)
    expect(random.integer(4) > 0 || (await next(other)) === says, 'another chat of the model says something else')
  },
}

interface Forged {
  bytes: Buffer
  /** What was changed, as far as it can be told. */
  told: string
}

const ways: { name: string; forge(random: SeededRandom, from: SavedChat, all: readonly SavedChat[]): Forged }[] = [
  { name: 'head', forge: (random, from) => forged(withHead(random, from)) },
  { name: 'state', forge: (random, from) => forged(withState(random, from), '') },
  { name: 'state', forge: (random, from) => forged(withState(random, from), '') },
  { name: 'both', forge: (random, from) => forged(withHead(random, withState(random, from))) },
  { name: 'state of another', forge: (random, from, all) => forged({ ...from, state: pick(random, all).state }, '') },
  { name: 'text', forge: (random, from) => withText(random, from) },
  {
    name: 'bytes',
    forge(random, from) {
      const { bytes } = forged(from)
      changeBytes(random, bytes, bytes.length, 1 + random.integer(4))
      return { bytes: random.integer(3) === 0 ? bytes.subarray(0, random.integer(bytes.length)) : bytes, told: '' }
    },
  },
]

function forged(chat: SavedChat, told = JSON.stringify({ ...chat, state: undefined })): Forged {
  return { bytes: Buffer.concat([...encodeSavedChat(chat)]), told }
}

const scraps = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  'null',
  '"__proto__":{"a":1},',
  '"constructor":1,',
  '1e999',
  '-0',
  '9'.repeat(400),
  '\\ud800',
  '\\u0000',
  '[[[['.repeat(5_000),
  '\uFFFD',
  '"log":',
  '"left":true,',
  '"end":-1,',
]

/** The head as text, with anything put in between or taken out, and a checksum that is right. */
function withText(random: SeededRandom, from: SavedChat): Forged {
  const bytes = Buffer.concat([...encodeSavedChat(from)])
  const start = bytes.subarray(0, 16)
  const { state } = from
  let text = bytes.subarray(start.length, -32 - state.length).toString()
  // Numbers and words are exchanged for others, or anything becomes anything.
  const like = pick(random, [/-?\d+/g, /-?\d+/g, /true|false/g, undefined])
  const places = like === undefined ? [] : [...text.matchAll(like)]
  if (places.length > 0) {
    const { 0: old, index } = pick(random, places)
    const fresh =
      old === 'true'
        ? 'false'
        : old === 'false'
          ? 'true'
          : String(
              pick(random, [
                Number(old) + 1,
                Number(old) - 1,
                0,
                1,
                2 ** 30,
                2 ** 31,
                2 ** 53 - 1,
                Number(old) * 2,
                '1e3',
                '-0',
                0.5,
              ]),
            )
    text = text.slice(0, index) + fresh + text.slice(index + old.length)
  } else
    for (let times = random.integer(3); times >= 0; times--) {
      const at = random.integer(text.length)
      text =
        text.slice(0, at) + (random.integer(4) === 0 ? '' : pick(random, scraps)) + text.slice(at + random.integer(12))
    }
  const changed = Buffer.from(text)
  start.writeUInt32LE(
    random.integer(8) === 0
      ? pick(random, [0, 1, changed.length - 1, changed.length + 1, 2 ** 32 - 1])
      : changed.length,
    start.length - 4,
  )
  const digest = createHash('sha256').update(start).update(changed).update(state).digest()
  return { bytes: Buffer.concat([start, changed, state, digest]), told: text }
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function next(chat: Chat): Promise<string> {
  const fork = await chat.fork()
  try {
    return (await fork.ask('Still there?', { maxTokens: 3 })).text
  } finally {
    await fork.close()
  }
}

const values = [
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  7,
  1e9,
  2 ** 31,
  2 ** 53,
  -(2 ** 31),
  '',
  'streaming',
  'x'.repeat(300),
  [],
  {},
  [[]],
  { a: 1 },
  '\uD800',
]

/** The head with some of its values exchanged, taken away or added, wherever they are. */
function withHead(random: SeededRandom, { state, ...head }: SavedChat): SavedChat {
  const changed = structuredClone(head) as unknown
  for (let i = 0; i <= random.integer(3); i++) {
    let at = changed as Record<string, unknown>
    for (;;) {
      const names = Object.keys(at)
      if (names.length === 0) break
      const name = pick(random, names)
      const inner = at[name]
      if (typeof inner === 'object' && inner !== null && random.integer(5) > 0) {
        at = inner as Record<string, unknown>
        continue
      }
      if (random.integer(8) === 0) delete at[name]
      else
        at[random.integer(12) === 0 ? 'another' : name] = structuredClone(
          typeof inner === 'number' && random.integer(2) === 0 ? inner + random.integer(5) - 2 : pick(random, values),
        )
      break
    }
  }
  return { ...(changed as Omit<SavedChat, 'state'>), state }
}

/**
 * The engine's state with some bytes or numbers exchanged, most of them in its bookkeeping, which comes first; or of
 * another length.
 */
function withState(random: SeededRandom, saved: SavedChat): SavedChat {
  if (random.integer(10) === 0) return { ...saved, state: saved.state.subarray(0, random.integer(saved.state.length)) }
  const state = Buffer.from(saved.state)
  const area = pick(random, [72, 400, 1500, 3000, state.length])
  if (random.integer(2) === 0) changeBytes(random, state, area, 1 + random.integer(4))
  else {
    for (let i = 0; i <= random.integer(3); i++) {
      const at = 4 * random.integer(Math.floor(Math.min(area, state.length) / 4))
      state.writeInt32LE(
        pick(random, [
          0,
          1,
          -1,
          2,
          5,
          60,
          100,
          0x7fff_ffff,
          -0x8000_0000,
          0x7f80_0000,
          0x7fc0_0000,
          (state.readInt32LE(at) + random.integer(3) - 1) | 0,
        ]),
        at,
      )
    }
  }
  return { ...saved, state }
}

function changeBytes(random: SeededRandom, bytes: Buffer, area: number, count: number): void {
  for (let i = 0; i < count; i++) bytes[random.integer(Math.min(area, bytes.length))] = random.integer(256)
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.integer(list.length)]!
}
