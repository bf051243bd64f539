import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { commandLine, type Ended } from '../tools/command-line.js'
import { tinyModel } from '../tools/tiny-models.js'

const model = tinyModel('llama', { endBias: -20 })

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'unreadable-input-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const command = (args: string[], input: number): Promise<Ended> => commandLine(args, { stdio: [input, 'pipe', 'pipe'] })

const onUnix = process.platform === 'win32' ? describe.skip : describe
onUnix('an input that cannot be read is told, and nothing is saved', () => {
  test.each([['chat'], ['run'], ['score'], ['perplexity']])('%s: a folder', async name => {
    const saved = path.join(folder, 'saved.chat')
    const { code, stdout, stderr } = await command(
      [name, '--model', model, ...(name === 'chat' ? ['--save', saved] : [])],
      openSync(folder, 'r'),
    )
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `${name}: stdin cannot be read: it is a folder\n`,
    })
    expect(existsSync(saved)).toBe(false)
  })

  test('a file that is open for writing alone', async () => {
    const { code, stderr } = await command(['chat', '--model', model], openSync(path.join(folder, 'out'), 'w'))
    expect(code).toBe(1)
    expect(stderr).toMatch(/^chat: stdin cannot be read: EBADF[^\n]*\n$/)
  })

  test('and one that can be read is read from its beginning', async () => {
    const file = path.join(folder, 'text')
    writeFileSync(file, 'a few words, and some more')
    const { code, stderr } = await command(['score', '--model', model], openSync(file, 'r'))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})
