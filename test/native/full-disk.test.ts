import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { tinyModel } from '../tools/tiny-models.js'

const program = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const model = tinyModel('llama', { endBias: -20 })

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'full-disk-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A command whose output goes to a disk that is full, or to another one. */
function onFullDisk(
  args: string[],
  input = '',
  output = '/dev/full',
): Promise<{ code: number | null; stderr: string }> {
  const full = openSync(output, 'w')
  const child = spawn(process.execPath, ['--import', tsx, program, ...args], { stdio: ['pipe', full, 'pipe'] })
  closeSync(full)
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin!.on('error', () => {}).end(input)
  return new Promise(resolve => child.on('close', code => resolve({ code, stderr })))
}

const whereThereIsOne = existsSync('/dev/full') ? describe : describe.skip
whereThereIsOne('an output that takes nothing is told in a line', () => {
  const file = () => path.join(folder, 'text.txt')
  beforeEach(() => writeFileSync(file(), 'a few words, and some more'))

  test.each([
    ['run', () => ['--prompt', 'Hello', '--max-tokens', '20']],
    ['run', () => ['--prompt', 'Hello', '--max-tokens', '20', '--json']],
    ['chat', () => ['--max-tokens', '8']],
    ['score', () => ['--text-file', file()]],
    ['perplexity', () => [file()]],
    ['perplexity', () => [file(), '--json']],
  ])('%s', async (command, args) => {
    const { code, stderr } = await onFullDisk([command, '--model', model, ...args()], 'Hello\n')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^The output cannot be written: ENOSPC[^\n]*\n$/)
  })

  test('the help', async () => {
    const { code, stderr } = await onFullDisk(['run', '--help'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^The output cannot be written: ENOSPC[^\n]*\n$/)
  })

  test('and the chat is saved all the same', async () => {
    const saved = path.join(folder, 'saved.chat')
    const { code } = await onFullDisk(['chat', '--model', model, '--max-tokens', '8', '--save', saved], 'Hello\n')
    expect(code).toBe(1)
    expect(existsSync(saved)).toBe(true)
  })
})

whereThereIsOne('a file that takes nothing is told with its option and its name', () => {
  test.each([
    ['chat', '--json-stats', ['--max-tokens', '8']],
    ['perplexity', '--curve', []],
  ])('%s %s', async (command, option, args) => {
    const saved = path.join(folder, 'saved.chat')
    const save = command === 'chat' ? ['--save', saved] : []
    const { code, stderr } = await onFullDisk(
      [command, '--model', model, option, '/dev/full', ...args, ...save],
      'Hello there\n',
      '/dev/null',
    )
    expect({ code, saved: existsSync(saved) }).toEqual({ code: 1, saved: command === 'chat' })
    expect(stderr).toBe(`${option}: /dev/full cannot be written: ENOSPC: no space left on device, write\n`)
  })
})
