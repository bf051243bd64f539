import { constants } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import { createHash, Hash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import { parseChatOptions } from '../../../lib/chat/parse-options.js'
import {
  encodeSavedChat,
  isOtherFile,
  readSavedChat,
  type SavedChat,
  writeSavedChat,
} from '../../../lib/chat/saved-chat.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-saved-chat-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const {
  messages: _,
  tools: __,
  ...options
} = parseChatOptions({ window: 100, evict: 'turn', temperature: 0.5, dry: { multiplier: 1 }, logitBias: [[1, false]] })
const chat: SavedChat = {
  model: 'a model',
  cache: 'a cache',
  system: 'Be brief.',
  options,
  sizes: {
    policy: 'streaming',
    sinks: 4,
    window: 100,
    reanchorEvery: 50,
    rebaseAfter: 131_072,
    byTurn: true,
    verify: false,
    firstPosition: 0,
  },
  mark: { template: 'a', told: 'b', opening: 'c', tokens: 9 },
  begun: true,
  skipped: 0,
  seenBefore: 0,
  counts: { seenTokens: 20, cachedTokens: 20, evictedTokens: 0 },
  log: {
    dropped: { count: 0, hash: '' },
    entries: [
      { message: { role: 'user', content: 'Hello' }, end: 9, left: false, digest: '' },
      {
        message: {
          role: 'assistant',
          content: '',
          toolCalls: [{ id: '1', name: 'look', arguments: { at: ['here'] } }],
          reasoning: 'so',
          raw: '<so>',
        },
        end: 20,
        left: false,
        digest: '',
      },
    ],
  },
  state: new Uint8Array([1, 2, 3]),
}

const file = join(folder, 'a.chat')

test('what is written is read again', async () => {
  await writeSavedChat(file, chat)
  const read = await readSavedChat(file)
  const without = ({ log, ...rest }: SavedChat) => ({
    ...rest,
    state: [...rest.state],
    log: { ...log, entries: log.entries.map(({ digest: _, ...entry }) => entry) },
  })
  expect(without(read)).toEqual(JSON.parse(JSON.stringify(without(chat))))
  expect(read.log.entries.map(({ digest }) => digest)).toEqual([
    expect.stringMatching(/^[0-9a-f]{64}$/),
    expect.stringMatching(/^[0-9a-f]{64}$/),
  ])
})

test.each<[string, (head: any) => unknown]>([
  ['null', () => null],
  ['an array', () => []],
  ['a number', () => 5],
  ['nothing', () => ({})],
  ['no log', ({ log: _, ...head }) => head],
  ['a log of another kind', head => ({ ...head, log: null })],
  ['entries of another kind', head => ({ ...head, log: { ...head.log, entries: 'many' } })],
  ['an entry of another kind', head => ({ ...head, log: { ...head.log, entries: [null] } })],
  [
    'a message without content',
    head => ({
      ...head,
      log: { ...head.log, entries: [{ end: 1, left: false, digest: '', message: { role: 'user' } }] },
    }),
  ],
  [
    'a message whose content is an object',
    head => ({
      ...head,
      log: { ...head.log, entries: [{ end: 1, left: false, digest: '', message: { role: 'user', content: {} } }] },
    }),
  ],
  [
    'calls of another kind',
    head => ({
      ...head,
      log: {
        ...head.log,
        entries: [{ end: 1, left: false, digest: '', message: { role: 'assistant', content: '', toolCalls: {} } }],
      },
    }),
  ],
  [
    'arguments of another kind',
    head => ({
      ...head,
      log: {
        ...head.log,
        entries: [
          {
            end: 1,
            left: false,
            digest: '',
            message: { role: 'assistant', content: '', toolCalls: [{ id: '', name: '', arguments: 'x' }] },
          },
        ],
      },
    }),
  ],
  [
    'messages that left after ones that did not',
    head => ({ ...head, log: { ...head.log, entries: [head.log.entries[0], { ...head.log.entries[1], left: true }] } }),
  ],
  [
    'an end that is no number',
    head => ({ ...head, log: { ...head.log, entries: [{ ...head.log.entries[0], end: '9' }] } }),
  ],
  ['a mark of another kind', head => ({ ...head, mark: { ...head.mark, tokens: '9' } })],
  ['a system prompt of another kind', head => ({ ...head, system: 7 })],
  ['options of another kind', head => ({ ...head, options: 'usual' })],
  ['an option that there is not', head => ({ ...head, options: { ...head.options, windows: 3 } })],
  ['an option of another kind', head => ({ ...head, options: { ...head.options, pinShare: 'all' } })],
  ['sampling of another kind', head => ({ ...head, options: { ...head.options, sampling: { temperature: 'hot' } } })],
  ['a window without tokens', head => ({ ...head, sizes: { ...head.sizes, window: 0 } })],
  ['a window that no memory has', head => ({ ...head, sizes: { ...head.sizes, window: 2 ** 31 } })],
  ['sinks below none', head => ({ ...head, sizes: { ...head.sizes, sinks: -1 } })],
  ['a policy that there is not', head => ({ ...head, sizes: { ...head.sizes, policy: 'hold' } })],
  ['a first position', head => ({ ...head, sizes: { ...head.sizes, firstPosition: 7 } })],
  [
    'counts that are no numbers',
    head => ({ ...head, counts: { seenTokens: null, cachedTokens: 1, evictedTokens: 1 } }),
  ],
  ['counts below none', head => ({ ...head, skipped: -1 })],
  ['fractions', head => ({ ...head, seenBefore: 0.5 })],
])('with a right checksum and %s it is refused', async (_name, change) => {
  const { state, ...head } = JSON.parse(JSON.stringify(chat))
  writeFileSync(
    file,
    Buffer.concat([
      ...encodeSavedChat({
        ...(change(head) as SavedChat),
        toJSON: () => change(head),
        state: new Uint8Array(3),
      } as unknown as SavedChat),
    ]),
  )
  await expect(readSavedChat(file)).rejects.toMatchObject({
    code: 'SAVED_CHAT_INVALID',
    message: expect.stringContaining(file),
  })
})

test('arguments nested without measure are refused', async () => {
  const head = JSON.stringify({
    ...chat,
    state: undefined,
    log: {
      ...chat.log,
      entries: [
        {
          ...chat.log.entries[1],
          message: { role: 'assistant', content: '', toolCalls: [{ id: '', name: '', arguments: { deep: 'HERE' } }] },
        },
      ],
    },
  })
  const deep = head.replace('"HERE"', '['.repeat(200_000) + ']'.repeat(200_000))
  writeFileSync(file, forged(deep))
  await expect(readSavedChat(file)).rejects.toMatchObject({ code: 'SAVED_CHAT_INVALID' })
  writeFileSync(file, forged('{"model": '))
  await expect(readSavedChat(file)).rejects.toMatchObject({ code: 'SAVED_CHAT_INVALID' })
})

/** A file with any text as its head. */
function forged(text: string): Buffer {
  const start = Buffer.alloc(16)
  start.write('SLLMCHAT')
  start.writeUInt32LE(1, 8)
  start.writeUInt32LE(Buffer.byteLength(text), 12)
  const body = Buffer.concat([start, Buffer.from(text)])
  return Buffer.concat([body, createHash('sha256').update(body).digest()])
}

test('a head that is longer than the file is refused', async () => {
  const bytes = forged('{}')
  bytes.writeUInt32LE(0xffff_ffff, 12)
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32)
  writeFileSync(file, bytes)
  await expect(readSavedChat(file)).rejects.toMatchObject({ code: 'SAVED_CHAT_INVALID' })
})

test('what cannot be written to is told with its path and the reason', async () => {
  for (const [path, reason] of [
    [join(file, 'below'), 'ENOTDIR'],
    [join(folder, 'n'.repeat(300)), 'ENAMETOOLONG'],
    ['a\0b', 'null bytes'],
    [folder, 'a folder'],
  ] as const) {
    await expect(writeSavedChat(path, chat)).rejects.toMatchObject({
      code: 'SAVE_FAILED',
      message: expect.stringContaining(reason),
      details: { path },
    })
  }
  const circle = { ...chat, system: 1n as unknown as string }
  await expect(writeSavedChat(join(folder, 'circle'), circle)).rejects.toMatchObject({ code: 'SAVE_FAILED' })
})

test('a file larger than the memory of this machine is not read', async () => {
  writeFileSync(file, Buffer.concat([...encodeSavedChat(chat)]).subarray(0, 16))
  truncateSync(file, 2 ** 43)
  await expect(readSavedChat(file)).rejects.toMatchObject({
    code: 'SAVED_CHAT_INVALID',
    message: expect.stringContaining('memory'),
  })
  // Of anything else no more than its beginning is looked at.
  writeFileSync(file, 'something else')
  truncateSync(file, 2 ** 43)
  await expect(readSavedChat(file)).rejects.toMatchObject({
    code: 'SAVED_CHAT_INVALID',
    message: expect.stringContaining('no saved chat'),
  })
  rmSync(file)
})

const onUnix = process.platform === 'win32' ? describe.skip : describe
onUnix('what is no file is refused at once', () => {
  test.each(['a pipe', 'a device', 'a folder', 'a file of the system', 'nothing'])('%s', async kind => {
    const path = join(folder, kind)
    if (kind === 'a pipe') execFileSync('mkfifo', [path])
    if (kind === 'a device') symlinkSync('/dev/zero', path)
    if (kind === 'a folder') symlinkSync(folder, path)
    if (kind === 'a file of the system')
      symlinkSync(process.platform === 'linux' ? '/proc/self/maps' : '/etc/hosts', path)
    await expect(readSavedChat(path)).rejects.toMatchObject({ code: 'SAVED_CHAT_INVALID', details: { path } })
    expect(await isOtherFile(path)).toBe(kind === 'a file of the system')
  })
})

test('the file is as large as what was given', async () => {
  await writeSavedChat(file, { ...chat, state: new Uint8Array(3_000_000).fill(7) })
  expect(readFileSync(file).length).toBeGreaterThan(3_000_000)
  expect((await readSavedChat(file)).state.every(byte => byte === 7)).toBe(true)
})

describe('a large chat', () => {
  const part = 1024 ** 2
  const large: SavedChat = { ...chat, state: new Uint8Array(12 * part + 5).fill(7) }

  /** How often the event loop comes round meanwhile. */
  async function rounds(work: () => Promise<unknown>): Promise<number> {
    let count = 0
    let over = false
    const round = (): void => {
      count++
      if (!over) setImmediate(round)
    }
    round()
    await work()
    over = true
    return count
  }

  test('is written and hashed in parts, to the same file', () => {
    const pieces = [...encodeSavedChat({ ...large, system: 'Be brief. '.repeat(part / 5) })]
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(part)
    const bytes = Buffer.concat(pieces)
    expect(createHash('sha256').update(bytes.subarray(0, -32)).digest()).toEqual(bytes.subarray(-32))
    expect(bytes.length).toBe(16 + bytes.readUInt32LE(12) + large.state.length + 32)
  })

  test('leaves the event loop free meanwhile', async () => {
    const hashed = jest.spyOn(Hash.prototype, 'update')
    const max = () => Math.max(...hashed.mock.calls.splice(0).map(([bytes]) => (bytes as unknown as Uint8Array).length))
    expect(await rounds(() => writeSavedChat(file, large))).toBeGreaterThan(12)
    expect(max()).toBe(part)
    expect(await rounds(() => readSavedChat(file))).toBeGreaterThan(12)
    expect(max()).toBe(part)
    hashed.mockRestore()
    expect(Buffer.compare((await readSavedChat(file)).state, large.state)).toBe(0)
  })

  const whereItMatters = constants.MAX_LENGTH < totalmem() ? test : test.skip // in later versions of Node.js it is more than any memory
  whereItMatters('that no buffer can hold is refused, with what to do', async () => {
    writeFileSync(file, Buffer.concat([...encodeSavedChat(chat)]).subarray(0, 16))
    truncateSync(file, constants.MAX_LENGTH + 16 + 32 + 1)
    await expect(readSavedChat(file)).rejects.toMatchObject({
      code: 'SAVED_CHAT_INVALID',
      message: expect.stringContaining('use Node.js 22 or later'),
    })
    rmSync(file)
  })
})
