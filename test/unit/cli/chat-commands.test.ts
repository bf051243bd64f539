import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { completions } from '../../../lib/cli/chat-commands.js'
import type { ChatSession } from '../../../lib/cli/chat-session.js'
import { passOn } from '../../../lib/cli/reply.js'
import { addSamplingOptions } from '../../../lib/cli/sampling-options.js'
import { FakeChat, fakeSession } from './fake-chat.js'

let folder: string
const dataHome = process.env['XDG_DATA_HOME']
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'commands-'))
  process.env['XDG_DATA_HOME'] = folder
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  if (dataHome === undefined) delete process.env['XDG_DATA_HOME']
  else process.env['XDG_DATA_HOME'] = dataHome
})

/** What a line makes the session say; replies are read to their end. */
async function type(session: ChatSession, text: string, asIs = false): Promise<string | undefined> {
  const { say, reply } = await session.take({ text, asIs }, 80)
  if (reply !== undefined) session.last = (await passOn(reply(), async () => {})).finish
  return say
}

test('what is no command is a message, and so is what begins with two slashes', async () => {
  const chat = new FakeChat()
  const session = fakeSession(chat, { maxTokens: 7 })
  for (const line of ['hello', '//x', '///x', ' /x', 'a\u2424b']) await type(session, line)
  await type(session, '/help\u2424', true)
  expect(chat.heard).toEqual(['hello', '/x', '//x', ' /x', 'a\nb', '/help\u2424'])
  expect(chat.options[0]).toMatchObject({ maxTokens: 7 })
})

test.each([
  ['/regenrate', 'There is no command /regenrate; did you mean /regenerate?'],
  ['/s', 'There is no command /s; did you mean /system, /save, /stats or /set?'],
  [
    '/usr/bin is a folder',
    'There is no command /usr/bin; /help lists the commands. A message that begins with a slash is written with two.',
  ],
  ['/', 'There is no command /; /help'],
  ['/HELP', 'There is no command /HELP; did you mean /help?'],
])('%j is refused and never sent', async (line, message) => {
  const chat = new FakeChat()
  await expect(type(fakeSession(chat), line)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(message) as string,
  })
  expect(chat.heard).toEqual([])
})

test('/help names all commands in lines that fit', async () => {
  const help = await type(fakeSession(), '/help')
  for (const name of ['help', 'system', 'regenerate', 'undo', 'save', 'load', 'stats', 'cache', 'set', 'exit'])
    expect(help).toContain(`/${name}`)
  expect(Math.max(...help!.split('\n').map(line => line.length))).toBeLessThan(90)
})

test('/exit ends', async () => {
  expect(await fakeSession().take({ text: '/exit', asIs: false }, 80)).toEqual({ ends: true })
})

test('/system shows, changes and takes away', async () => {
  const chat = new FakeChat()
  const session = fakeSession(chat)
  expect(await type(session, '/system')).toBe('There is no system prompt.')
  expect(await type(session, '/system Be short.\nAlways.')).toBe('System prompt: Be short.\nAlways.')
  expect(await type(session, '/system')).toBe('System prompt: Be short.\nAlways.')
  expect(await type(session, '/system none')).toBe('There is no system prompt.')
  expect(chat.system).toBeUndefined()
})

test('/regenerate has another seed each time', async () => {
  const chat = new FakeChat()
  const session = fakeSession(chat, { seed: 5 })
  for (const line of ['hello', '/regenerate', '/regenerate']) await type(session, line)
  expect(chat.heard).toEqual(['hello', 'hello', 'hello'])
  expect(chat.options.map(({ seed }) => seed)).toEqual([5, 6, 7])
  session.options = {}
  for (const line of ['/regenerate', '/regenerate']) await type(session, line)
  expect(chat.options[3]!.seed).not.toBe(chat.options[4]!.seed)
})

test('/undo says what is left', async () => {
  const chat = new FakeChat()
  const session = fakeSession(chat)
  for (const line of ['one', 'two', 'three', 'four']) await type(session, line)
  expect(await type(session, '/undo')).toBe('Taken back: 2 messages. The last one now: you said three')
  expect(await type(session, '/undo 3')).toBe('Taken back: 6 messages. The chat begins anew.')
  expect(await type(session, '/undo')).toBe('Nothing to take back is in the window.')
  for (const wrong of ['0', '1.5', 'x'])
    await expect(type(session, `/undo ${wrong}`)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

describe('/save and /load', () => {
  const usual = () => path.join(folder, 'streaming-llm', 'chats', 'tiny.chat')

  test('a file of the user is the default', async () => {
    const chat = new FakeChat()
    expect(await type(fakeSession(chat), '/save')).toBe(`Saved to ${usual()}`)
    expect(await type(fakeSession(chat), '/save ~/x')).toBe(`Saved to ${path.join(os.homedir(), 'x')}`)
    expect(chat.saved).toEqual([usual(), path.join(os.homedir(), 'x')])
  })

  test('a name in quotes is the name', async () => {
    const loaded = new FakeChat()
    const chat = new FakeChat()
    const session = fakeSession(chat, {}, { [path.join(folder, 'a b.chat')]: loaded })
    for (const name of [
      `"${folder}/a b"`,
      `'${folder}/a b'`,
      `"${folder}/a`,
      `${folder}/"a"`,
      `"${folder}/a'`,
      '"~/a b"',
      '"',
    ])
      await type(session, `/save ${name}`)
    expect(chat.saved).toEqual([
      `${folder}/a b`,
      `${folder}/a b`,
      `"${folder}/a`,
      `${folder}/"a"`,
      `"${folder}/a'`,
      path.join(os.homedir(), 'a b'),
      '"',
    ])
    await type(session, `/load "${path.join(folder, 'a b.chat')}"`)
    expect(session.chat).toBe(loaded)
  })

  test('a file that is something else is left as it is', async () => {
    const file = path.join(folder, 'thesis.txt')
    writeFileSync(file, 'years of work')
    const chat = new FakeChat()
    await expect(type(fakeSession(chat), `/save ${file}`)).rejects.toMatchObject({ code: 'SAVE_FAILED' })
    writeFileSync(file, '') // an empty one may have been made for it
    await type(fakeSession(chat), `/save ${file}`)
    writeFileSync(file, 'SLLMCHAT...')
    await type(fakeSession(chat), `/save ${file}`)
    expect(chat.saved).toEqual([file, file])
  })

  test.each([
    [{ what: 'cache' } as const, 'It goes on as if it had never stopped.'],
    [
      { what: 'tokens', reason: 'its cache is older' } as const,
      'Sinks and window are decoded again with the next message: its cache is older.',
    ],
    [
      { what: 'messages', reason: 'it was saved with another model' } as const,
      'The messages are decoded again with the next one: it was saved with another model.',
    ],
    [{ what: 'messages', reason: 'nothing of it had been decoded' } as const, 'Nothing of it has been decoded yet.'],
  ])('the loaded chat takes the place of the other: %j', async (restoredFrom, words) => {
    const loaded = Object.assign(new FakeChat(), { restoredFrom, messages: [{ role: 'user', content: 'x' }] })
    const before = new FakeChat()
    const session = fakeSession(before, {}, { [usual()]: loaded })
    await type(session, 'hello')
    expect(await type(session, '/load')).toBe(`Loaded ${usual()}: 1 message, 1,234 tokens seen. ${words}`)
    expect([session.chat, session.last, before.closed]).toEqual([loaded, undefined, true])
  })

  test('one that cannot be loaded changes nothing', async () => {
    const chat = new FakeChat()
    const session = fakeSession(chat)
    await expect(type(session, '/load nowhere')).rejects.toThrow('no chat in nowhere')
    expect([session.chat, chat.closed]).toEqual([chat, false])
  })
})

test('/stats', async () => {
  const session = fakeSession()
  expect(await type(session, '/stats')).toContain('last reply  none yet')
  await type(session, 'hello')
  expect((await type(session, '/stats'))!.split('\n')).toEqual([
    'tokens      1,234 seen, 64 in the cache, 1,170 evicted',
    'cache       streaming: 4 sinks, a window of 60, evicted by the token',
    'messages    2 in the window',
    'last reply  4 tokens, 40.0 a second; 3 of the prompt in 5 ms',
    expect.stringMatching(/^memory {6}\d+\.\d [MG]B resident$/),
    'model       Tiny, Q4_1, 1,234,567 parameters',
    'device      CPU: A processor',
  ])
})

test('/cache draws as wide as the screen', async () => {
  const { say } = await fakeSession().take({ text: '/cache', asIs: false }, 43)
  expect(say!.split('\n')[0]).toHaveLength(43)
})

describe('/set', () => {
  test('changes the options of the next replies', async () => {
    const chat = new FakeChat()
    const session = fakeSession(chat, { temperature: 1 })
    expect(await type(session, '/set')).toBe('temperature 1')
    expect(await type(session, '/set temperature 0.2')).toBe('temperature 0.2')
    expect(await type(session, '/set top-p 0.9')).toBe('temperature 0.2\ntopP 0.9')
    expect(await type(session, '/set penaltyTokens window')).toContain('penaltyTokens "window"')
    expect(await type(session, '/set dry {"multiplier": 1}')).toContain('dry {"multiplier":1}')
    await type(session, 'hello')
    expect(chat.options[0]).toMatchObject({
      temperature: 0.2,
      topP: 0.9,
      penaltyTokens: 'window',
      dry: { multiplier: 1 },
    })
    for (const name of ['temperature', 'topP', 'penaltyTokens']) await type(session, `/set ${name}`)
    expect(await type(session, '/set dry none')).toBe('No option is set.')
  })

  test.each([
    ['dry multiplier=1,base=2', { dry: { multiplier: 1, base: 2 } }],
    ['dry {"multiplier":1,"breakers":["x"]}', { dry: { multiplier: 1, breakers: ['x'] } }],
    ['xtc', { xtc: {} }],
    ['mirostat version=2,tau=4', { mirostat: { version: 2, tau: 4 } }],
    ['logit-bias 42=-5', { logitBias: [[42, -5]] }],
    [
      'logit-bias 42=-5 " hello=false" \'a b\'=1',
      {
        logitBias: [
          [42, -5],
          [' hello', false],
          ['a b', 1],
        ],
      },
    ],
    ['logit-bias [["x",false]]', { logitBias: [['x', false]] }],
    ['temperature .5', { temperature: 0.5 }],
    ['penalty-tokens window', { penaltyTokens: 'window' }],
    ['penalty-tokens 8', { penaltyTokens: 8 }],
    ['speculation', { speculation: true }],
    ['max-tokens 5', { maxTokens: 5 }],
  ])('takes what the flags take: %s', async (argument, options) => {
    const session = fakeSession()
    await type(session, `/set ${argument}`)
    expect(session.options).toEqual(options)
    const name = argument.split(' ')[0]
    expect(await type(session, `/set ${name} none`)).toBe('No option is set.')
  })

  test('and each flag of sampling', async () => {
    const flags = addSamplingOptions(new Command()).options.map(({ long }) => long!.slice(2))
    for (const flag of flags)
      await type(
        fakeSession(),
        `/set ${flag} ${flag === 'logit-bias' ? '42=-5' : ['dynamic-temperature', 'xtc', 'mirostat', 'adaptive-p', 'dry'].includes(flag) ? '' : '1'}`,
      )
  })

  test.each([
    ['dry strong', '/set: dry: It must be name=number, with commas between several.'],
    ['logit-bias 5', '/set: logitBias: It must be token=number or token=false.'],
  ])('%j is refused in the words of the flag', async (argument, message) => {
    const session = fakeSession(new FakeChat(), { seed: 1 })
    await expect(type(session, `/set ${argument}`)).rejects.toMatchObject({ code: 'INVALID_OPTION', message })
    expect(session.options).toEqual({ seed: 1 })
  })

  test.each([
    ['temprature 1', "did you mean 'temperature'?"],
    ['temprature', "did you mean 'temperature'?"],
    ['topK many', "'topK' must be a whole number"],
    ['signal 1', 'an AbortSignal'],
    ['grammar {"source": "root ::= [a-z]", "triggers": ["a", "never"]}', 'begins with its trigger "never"'],
  ])('%j is refused', async (argument, message) => {
    const session = fakeSession(new FakeChat(), { seed: 1 })
    await expect(type(session, `/set ${argument}`)).rejects.toThrow(message)
    expect(session.options).toEqual({ seed: 1 })
  })
})

test.each([
  ['/he', [['/help'], '/he']],
  ['/s', [['/system ', '/save ', '/stats', '/set '], '/s']],
  ['/set top', [['topK ', 'topP ', 'topNSigma '], 'top']],
  ['/set topK ', [[], '/set topK ']],
  ['hello /he', [[], 'hello /he']],
  ['//', [[], '//']],
])('Tab after %j', (line, completed) => {
  expect(completions(line)).toEqual(completed)
})

test('Tab after a command that takes a file', () => {
  for (const name of ['first.chat', 'second chat', '.hidden']) writeFileSync(path.join(folder, name), '')
  mkdirSync(path.join(folder, 'former'))
  const files = (typed: string) => completions(`/load ${folder}/${typed}`)[0].map(name => name.slice(folder.length + 1))
  expect(files('')).toEqual(['first.chat', 'former/', 'second chat'])
  expect(files('f')).toEqual(['first.chat', 'former/'])
  expect(files('second c')).toEqual(['second chat'])
  expect(files('.h')).toEqual(['.hidden'])
  expect(files('nowhere/')).toEqual([])
  expect(completions(`/save ${folder}/se`)).toEqual([[`${folder}/second chat`], `${folder}/se`])
})
