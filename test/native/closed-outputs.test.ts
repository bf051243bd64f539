import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine, type Ended } from '../tools/command-line.js'
import { tinyModel } from '../tools/tiny-models.js'

const model = ['--model', tinyModel('llama', { endBias: -20 })]

let folder: string
let saved: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'closed-outputs-'))
  saved = path.join(folder, 'saved.chat')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A command with an output whose reader leaves at once. Its input ends where that is asked for only. */
const command = (
  args: string[],
  input: string,
  { left, ends }: { left: 'stdout' | 'stderr'; ends?: boolean },
): Promise<Ended> =>
  commandLine(args, {
    input,
    ends,
    env: { XDG_DATA_HOME: folder, LOCALAPPDATA: folder },
    begun: child => child[left]!.destroy(),
  })

const chat = ['chat', ...model, '--temperature', '0', '--max-tokens', '8']

describe('a reader who leaves', () => {
  test('ends a chat, which is saved, though its input goes on', async () => {
    expect(await command([...chat, '--save', saved], 'one\ntwo\n', { left: 'stdout', ends: false })).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    })
    expect(existsSync(saved)).toBe(true)
  })

  test('does not hide that the chat cannot be saved', async () => {
    const { code, stderr } = await command([...chat, '--save', path.join(folder, 'no', 'such', 'folder')], 'one\n', {
      left: 'stdout',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^the chat could not be saved to [^\n]*\n$/)
  })

  test('of what commands say, does not end the replies, and the chat is saved', async () => {
    const read = await command([...chat, '--commands', '--save', saved], 'one\n/stats\n/stats\n/cache\ntwo\n', {
      left: 'stderr',
    })
    expect(read.code).toBe(0)
    expect(read.stdout.trimEnd().split('\n').length).toBeGreaterThan(1)
    expect(existsSync(saved)).toBe(true)
  })

  test.each<[string, string[]]>([
    ['run', [...model, '--max-tokens', '20']],
    ['run', [...model, '--max-tokens', '20', '--json']],
    ['score', model],
    ['perplexity', model],
    ['perplexity', [...model, '--json']],
    ['inspect', [model[1]!]],
    ['models', []],
  ])('of %s is no failure', async (name, args) => {
    expect(await command([name, ...args], 'a few words, and some more', { left: 'stdout' })).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    })
  })

  test('of failures, changes nothing of how a command ends', async () => {
    expect(await command(['inspect', path.join(folder, 'absent.gguf')], '', { left: 'stderr' })).toMatchObject({
      code: 1,
    })
    expect(await command(['run', ...model, '--no-such-option'], '', { left: 'stderr' })).toMatchObject({ code: 1 })
  })
})

const whereItCanBeFull = existsSync('/dev/full') ? describe : describe.skip
whereItCanBeFull('stderr on a full disk', () => {
  /** Without its words; what it prints goes to a file. */
  async function onFullDisk(args: string[], input = ''): Promise<number | null> {
    const [full, out] = [openSync('/dev/full', 'w'), openSync(path.join(folder, 'out'), 'w')]
    return (await commandLine(args, { input, stdio: ['pipe', out, full] })).code
  }

  test('is a failure, at the end of the chat, which is saved', async () => {
    expect(await onFullDisk([...chat, '--commands', '--save', saved], 'one\n/stats\n/undo\n')).toBe(1)
    expect(existsSync(saved)).toBe(true)
  })

  test('leaves prompts from a file their replies', async () => {
    const prompts = path.join(folder, 'prompts.jsonl')
    writeFileSync(prompts, '{"turns":["one","two"]}\n')
    expect(await onFullDisk([...chat, '--prompts', prompts, '--save', saved])).toBe(1)
    expect(existsSync(saved)).toBe(true)
  })
})
