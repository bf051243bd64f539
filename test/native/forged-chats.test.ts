import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeSavedChat, readSavedChat, type SavedChat } from '../../lib/chat/saved-chat.js'
import { type Chat, loadModel, type Model, type ModelOptions, StreamingLLMError } from '../../lib/index.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-forged-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const template =
  "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
const exact: ModelOptions = { threads: 1, gpu: false, chatTemplate: template, onWarning: () => {} }
const go = { maxTokens: 4 } as const

/** A saved chat with its checksum, whatever is in it. */
function forge(saved: SavedChat): string {
  const file = join(folder, 'forged.chat')
  writeFileSync(file, Buffer.concat([...encodeSavedChat(saved)]))
  return file
}

async function genuine(model: Model, options: object = {}): Promise<SavedChat> {
  const chat = model.createChat({ window: 60, temperature: 0, ...options })
  for (const input of [
    'Some words to begin with.',
    'And some more, so that the window is full and tokens leave.',
    'Go on',
  ])
    await chat.ask(input, { maxTokens: 20 })
  await chat.save(join(folder, 'genuine.chat'))
  await chat.close()
  return readSavedChat(join(folder, 'genuine.chat'))
}

/** Where llama.cpp's cells begin in the engine's state: behind their length, which is that of all that is left. */
function cellsAt(state: Buffer): number {
  for (let at = 8; at < state.length; at++) if (Number(state.readBigUInt64LE(at - 8)) === state.length - at) return at
  throw new Error('there are no cells')
}

const changed = (saved: SavedChat, change: (state: Buffer, cells: number) => void): SavedChat => {
  const state = Buffer.from(saved.state)
  change(state, cellsAt(state))
  return { ...saved, state }
}

/**
 * Whatever became of it, it can be asked something, and so can another chat of the model, which says what it said
 * before.
 */
async function isHarmless(model: Model, other: Chat, expected: string, forged: SavedChat): Promise<string> {
  let outcome: string
  try {
    const chat = await model.restoreChat(forge(forged))
    outcome = chat.restoredFrom!.what
    await chat.ask('Well?', go).catch(refused)
    await chat.close()
  } catch (error) {
    outcome = refused(error)
  }
  const again = await (await other.fork()).ask('Still there?', go)
  expect(again.text).toBe(expected)
  return outcome
}

function refused(error: unknown): string {
  if (!StreamingLLMError.isInstance(error)) throw error
  return error.code
}

describe.each<[TinyKind, ModelOptions]>([
  ['llama', {}],
  ['llama', { kvType: 'f32', flashAttention: 'off' }],
  ['llama', { kvType: 'q8_0' }],
  ['gemma3', {}],
  ['jamba', {}],
  ['mamba', {}],
  ['qwen2vl', {}],
  ['deepseek2', {}],
  ['gpt2', {}],
])('a forged chat of a %s model (%j)', (kind, options) => {
  let model: Model
  let saved: SavedChat
  let other: Chat
  let expected: string
  beforeAll(async () => {
    model = await loadModel(tinyModel(kind, { endBias: -20 }), { ...exact, maxSequences: 4, ...options })
    saved = await genuine(model)
    other = model.createChat({ window: 200, temperature: 0 })
    await other.ask('A chat of its own', go)
    expected = (await (await other.fork()).ask('Still there?', go)).text
  })
  afterAll(() => model.close())

  test('as it is, goes on', async () => {
    expect(await isHarmless(model, other, expected, saved)).toBe('cache')
  })

  const attention = kind !== 'mamba'
  const first = attention ? 16 : 12 // where the first cell's position is
  test.each<[string, (state: Buffer, cells: number) => void]>([
    ['more cells than there is memory', (state, cells) => state.writeUInt32LE(0xffff_fff0, cells + first - 4)],
    [
      'one cell more',
      (state, cells) => state.writeUInt32LE(state.readUInt32LE(cells + first - 4) + 1, cells + first - 4),
    ],
    ['a position below the first', (state, cells) => state.writeInt32LE(-1, cells + first)],
    ['a position beyond the last', (state, cells) => state.writeInt32LE(2 ** 31 - 1, cells + first)],
    ['several sequences in a cell', (state, cells) => state.writeUInt32LE(7, cells + first + 4)],
    ['numbers that are none', (state, cells) => state.fill(0xff, Math.max(cells + 40, state.length - 4_000))],
    ['cells cut off', (state, cells) => state.fill(0, cells)],
    ...(attention
      ? [
          [
            'the same position twice',
            (state: Buffer, cells: number) =>
              state.copy(
                state,
                cells + first,
                cells + first + (kind === 'qwen2vl' ? 24 : 12),
                cells + first + (kind === 'qwen2vl' ? 28 : 16),
              ),
          ] as [string, (state: Buffer, cells: number) => void],
        ]
      : []),
  ])('with %s, is decoded again', async (_name, change) => {
    expect(await isHarmless(model, other, expected, changed(saved, change))).toMatch(/^(tokens|messages)$/)
  })

  test('with bookkeeping that contradicts itself, does no harm', async () => {
    for (let at = 4; at < 72; at += 8) {
      const forged = changed(saved, state => state.writeInt32LE(at % 16 === 4 ? -1 : 2 ** 31 - 1, at))
      expect(await isHarmless(model, other, expected, forged)).toMatch(/^(cache|tokens|messages)$/)
    }
  })
})

describe('a count of tokens that is not that of the tokens', () => {
  const seenAt = 32
  const loaded = loadModel(tinyModel('llama', { endBias: -20 }), exact)
  afterAll(async () => (await loaded).close())

  test.each<[string, object]>([
    ['streaming', {}],
    ['dense', { policy: 'dense', window: 400 }],
    ['recompute', { policy: 'recompute', window: 30 }],
  ])('of a chat with the policy %s: goes on from its messages, also after undo', async (_name, options) => {
    const model = await loaded
    const saved = await genuine(model, options)
    for (const more of [1n, -1n, 2n ** 32n - 200n, 2n ** 32n - 5n, 2n ** 40n]) {
      const forged = changed(saved, state => state.writeBigInt64LE(state.readBigInt64LE(seenAt) + more, seenAt))
      await using chat = await model.restoreChat(forge(forged))
      expect(chat.restoredFrom?.what).toBe('messages')
      await chat.undo()
      await chat.ask('Well?', go)
    }
  })
})

describe('a head that fits no state', () => {
  const loaded = loadModel(tinyModel('llama', { endBias: -20 }), exact)
  afterAll(async () => (await loaded).close())

  test.each<[string, (saved: SavedChat) => Partial<SavedChat>]>([
    ['sizes that the model cannot have', ({ sizes }) => ({ sizes: { ...sizes, window: 1_000_000 } })],
    [
      'sinks that fill all of what the model was trained on',
      ({ sizes }) => ({ sizes: { ...sizes, sinks: 2_000, window: 48 } }),
    ],
    ['positions that are brought back at each token', ({ sizes }) => ({ sizes: { ...sizes, rebaseAfter: 1 } })],
    ['another policy', ({ sizes }) => ({ sizes: { ...sizes, policy: 'recompute', sinks: 0 } })],
    ['another window', ({ sizes }) => ({ sizes: { ...sizes, window: sizes.window + 1 } })],
    [
      'messages beyond its tokens',
      ({ log }) => ({ log: { ...log, entries: log.entries.map(entry => ({ ...entry, end: entry.end + 1_000_000 })) } }),
    ],
    ['messages in another order', ({ log }) => ({ log: { ...log, entries: [...log.entries].reverse() } })],
    ['no state', () => ({ state: new Uint8Array() })],
    ['a state of nothing', () => ({ state: new Uint8Array(500) })],
  ])('%s: goes on from its messages', async (_name, change) => {
    const model = await loaded
    const saved = await genuine(model)
    await using chat = await model.restoreChat(forge({ ...saved, ...change(saved) }))
    expect(chat.restoredFrom?.what).toBe('messages')
    expect(chat.messages.length).toBe(saved.log.entries.length)
    expect((await chat.ask('Well?', go)).text).not.toBe('')
  })

  test('a chat with a system prompt that was changed is saved and restored with its cache', async () => {
    const model = await loaded
    const chat = model.createChat({
      system: 'Be as brief as you can be, and then a bit more brief.',
      window: 200,
      temperature: 0,
    })
    await chat.ask('Hello', go)
    await chat.setSystem('Be long.')
    await chat.ask('And on', go)
    await chat.save(join(folder, 'system.chat'))
    const restored = await model.restoreChat(join(folder, 'system.chat'))
    expect(restored.restoredFrom).toEqual({ what: 'cache' })
    expect((await restored.ask('Go', go)).text).toBe((await chat.ask('Go', go)).text)
    await Promise.all([chat.close(), restored.close()])
  })

  test('cells from a file are not shared', async () => {
    const model = await loaded
    const system = 'A system prompt that is long enough to be worth sharing between chats.'
    const first = model.createChat({ system, window: 200, temperature: 0 })
    await first.ask('Hello', go)
    await first.save(join(folder, 'shared.chat'))
    await first.close()
    await using restored = await model.restoreChat(join(folder, 'shared.chat'))
    expect(restored.restoredFrom).toEqual({ what: 'cache' })
    await using fresh = model.createChat({ system, window: 200, temperature: 0 })
    expect((await fresh.ask('Hello', go)).usage.reusedTokens).toBe(0)
    await using second = model.createChat({ system, window: 200, temperature: 0 })
    expect((await second.ask('Hello', go)).usage.reusedTokens).toBeGreaterThan(0)
  })
})
