import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine, type Ended } from '../tools/command-line.js'
import { tinyModel } from '../tools/tiny-models.js'

const model = tinyModel('llama', { endBias: -20 })

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'full-disk-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A command whose output goes to a disk that is full, or to another one. */
const onFullDisk = (args: string[], input = '', output = '/dev/full'): Promise<Ended> =>
  commandLine(args, { input, stdio: ['pipe', openSync(output, 'w'), 'pipe'] })

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
