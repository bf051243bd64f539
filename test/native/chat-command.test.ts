import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine, commandLineProgram, type Ended } from '../tools/command-line.js'
import { tinyModel } from '../tools/tiny-models.js'

const tinyChat = ['chat', '--model', tinyModel('llama', { endBias: -20 }), '--temperature', '0', '--max-tokens', '8']

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'chat-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** `streaming-llm chat` with a tiny model and these lines piped in, its data in a folder of its own. */
const chat = (args: string[], ...lines: string[]): Promise<Ended> =>
  commandLine([...tinyChat, ...args], {
    input: lines.map(line => `${line}\n`).join(''),
    env: { XDG_DATA_HOME: folder, LOCALAPPDATA: folder, HOME: folder },
  })

test('commands in a pipe, with their words on stderr', async () => {
  const file = path.join(folder, 'saved.chat')
  const { code, stderr } = await chat(
    ['--commands'],
    '/system Be kind.',
    'Hello',
    '/stats',
    `/save ${file}`,
    '/undo',
    `/load ${file}`,
    '/regenerate',
    '/cache',
    '/exit',
    '/nonsense',
  )
  expect(code).toBe(0)
  expect(stderr).toContain('System prompt: Be kind.')
  expect(stderr).toContain('last reply  8 tokens')
  expect(stderr).toContain('Taken back: 2 messages. The chat begins anew.')
  expect(stderr).toContain(`Loaded ${file}: 2 messages, `)
  expect(stderr).toContain('2 messages are whole in the window, oldest first.\n  user       Hello\n')
  expect(stderr).not.toContain('nonsense')
})

test('without --commands no line is one, and nothing is kept', async () => {
  const { code, stdout, stderr } = await chat([], '/help', '/exit')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toBe('')
  expect(existsSync(path.join(folder, 'streaming-llm'))).toBe(false)
})

test('a chat that is saved at the end goes on where it was', async () => {
  const file = path.join(folder, 'saved.chat')
  const whole = await chat(['--evict', 'turn'], 'One', 'Two')
  const first = await chat(['--evict', 'turn', '--save', file], 'One')
  const second = await chat(['--load', file], 'Two')
  expect([first.code, second.code, second.stderr]).toEqual([0, 0, ''])
  expect(first.stdout + second.stdout).toBe(whole.stdout)
})

test('--save leaves a file alone that is no saved chat', async () => {
  const file = path.join(folder, 'thesis.txt')
  writeFileSync(file, 'years of work')
  const { code, stderr } = await chat(['--save', file], 'One')
  expect(code).toBe(1)
  expect(stderr).toContain('is no saved chat')
  expect(readFileSync(file, 'utf8')).toBe('years of work')
})

test.each([
  [['--commands'], '/undoo', 'did you mean /undo?'],
  [['--load', '/no/such/chat'], 'x', '/no/such/chat cannot be read'],
  [['--load', 'x', '--system', 'y'], 'x', "cannot be used with option '--system"],
])('%j ends with 1, and stderr says why', async (args, line, words) => {
  const { code, stdout, stderr } = await chat(args, line)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(words)
})

// A terminal for the program without a native dependency: that of util-linux. Others of that name take other arguments.
const hasTerminal =
  process.platform === 'linux' &&
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true
const onTerminal = hasTerminal ? test : test.skip
onTerminal(`a terminal${hasTerminal ? '' : ' (left out: there is no script(1) of util-linux)'}`, async () => {
  const quoted = [process.execPath, ...commandLineProgram, ...tinyChat].map(word => `'${word}'`).join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', quoted, '/dev/null'], {
    env: { ...process.env, XDG_DATA_HOME: folder, TERM: 'xterm' },
  })
  let shown = ''
  let from = 0
  const waiting: (() => void)[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    for (const look of waiting) look()
  })
  const closed = new Promise<number | null>(resolve => child.on('close', resolve))
  const late = setTimeout(() => child.kill(), 500_000) // before the test's own end, so that it does not stay behind
  /** Types, and waits for these words and a prompt after them. */
  const type = async (keys: string, words: string) => {
    child.stdin.write(keys)
    const ended = closed.then(() => {
      throw new Error(`It ended before '${words}' came:\n${shown}`)
    })
    const come = new Promise<void>(resolve => {
      waiting[0] = () => {
        const at = shown.indexOf(words, from)
        if (at < 0 || !/> (\x1b\[3G)?$/.test(shown)) return
        from = shown.length
        resolve()
      }
      waiting[0]()
    })
    await Promise.race([come, ended])
  }
  await type('', '/help lists the commands.')
  expect(shown).toContain('\x1b[?2004h')
  await type('/help\r', '/regenerate')
  await type('/sytem\r', 'did you mean /system?')
  await type('One\r', 'tokens/s')
  await type('\x1b[200~/two\r/three\r\x1b[201~\r', 'tokens/s')
  await type('/cache\r', 'user       /two /three')
  await type('\x1b[A\x1b[A\r', 'tokens/s')
  child.stdin.write('/exit\r')
  expect(await closed).toBe(0)
  clearTimeout(late)
  expect(shown).toContain('\x1b[?2004l')
  const history = path.join(folder, 'streaming-llm', 'history')
  expect(readFileSync(history, 'utf8')).toBe(
    '/help\n/sytem\nOne\n//two\u2424/three\n/cache\n//two\u2424/three\n/exit\n',
  )
  expect(statSync(history).mode & 0o777).toBe(0o600)
})
