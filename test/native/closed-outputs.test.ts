import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { tinyModel } from '../tools/tiny-models.js'

const program = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
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

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** A command of whose output nobody reads one part: the reader of it leaves at once. Its input ends where that is asked for only. */
function command(
  args: string[],
  input: string,
  { left, ends = true }: { left: 'stdout' | 'stderr'; ends?: boolean },
): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', tsx, program, ...args], {
    env: { ...process.env, XDG_DATA_HOME: folder, LOCALAPPDATA: folder },
  })
  const said = { stdout: '', stderr: '' }
  for (const output of ['stdout', 'stderr'] as const)
    child[output].setEncoding('utf8').on('data', (text: string) => {
      said[output] += text
    })
  child[left].destroy()
  child.stdin.on('error', () => {}).write(input)
  if (ends) child.stdin.end()
  return new Promise(resolve =>
    child.on('exit', code => {
      child.stdin.destroy()
      child.on('close', () => resolve({ code, ...said }))
    }),
  )
}

const chat = ['chat', ...model, '--temperature', '0', '--max-tokens', '8']

describe('a reader who leaves', () => {
  test('ends a chat, which is saved, though its input goes on', async () => {
    expect(await command([...chat, '--save', saved], 'one\ntwo\n', { left: 'stdout', ends: false })).toEqual({
      code: 0,
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
  function onFullDisk(args: string[], input = ''): Promise<number | null> {
    const [full, out] = [openSync('/dev/full', 'w'), openSync(path.join(folder, 'out'), 'w')]
    const child = spawn(process.execPath, ['--import', tsx, program, ...args], { stdio: ['pipe', out, full] })
    closeSync(full)
    closeSync(out)
    child.stdin!.on('error', () => {}).end(input)
    return new Promise(resolve => child.on('close', resolve))
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
