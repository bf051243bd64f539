import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { historyLine, keptHistory, withLineEnds } from '../../../lib/cli/line-history.js'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'history-'))
  file = path.join(folder, 'ours', 'history')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const open = (
  warn: (message: string) => void = message => {
    throw new Error(message)
  },
) => keptHistory(file, warn)

test('what one session adds the next one has, latest first', () => {
  const first = open()
  expect(first.lines).toEqual([])
  first.add('one')
  first.add('two')
  expect(first.lines).toEqual(['two', 'one'])
  expect(open().lines).toEqual(['two', 'one'])
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n')
})

const unlessWindows = process.platform === 'win32' ? test.skip : test
unlessWindows('only its owner may read it', () => {
  open().add('one')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700)
})

test('none is there twice in a row', () => {
  const history = open()
  for (const line of ['one', 'one', 'two', 'one']) history.add(line)
  expect(history.lines).toEqual(['one', 'two', 'one'])
  open().add('one')
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\none\n')
})

test('at most 1,000 are kept', () => {
  open().add('first')
  writeFileSync(file, Array.from({ length: 1200 }, (_, i) => `line ${i}\n`).join(''))
  const history = open()
  history.add('last')
  expect(history.lines).toHaveLength(1000)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect([lines.length, lines[0], lines.at(-1)]).toEqual([1000, 'line 201', 'last'])
})

test('two terminals do not lose what the other one adds', () => {
  const [one, other] = [open(), open()]
  one.add('a')
  other.add('b')
  one.add('c')
  expect(open().lines).toEqual(['c', 'b', 'a'])
})

test('a file that cannot be written is told once, and the lines are there for this session', () => {
  writeFileSync(path.join(folder, 'ours'), 'a file where the folder should be')
  const told: string[] = []
  const history = open(message => told.push(message))
  history.add('one')
  history.add('two')
  expect(told).toEqual([expect.stringMatching(/^The lines that you type are not kept, since .+ cannot be written: /)])
  expect(history.lines).toEqual(['two', 'one'])
  expect(existsSync(file)).toBe(false)
})

test('what could do things to the terminal is left out', () => {
  open().add('x')
  writeFileSync(file, 'a\x1b[2Jb\n\n')
  expect(open().lines).toEqual(['a[2Jb'])
})

test('a message is one line, and the same message again', () => {
  expect(historyLine({ text: 'a\nb', asIs: false })).toBe('a\u2424b')
  expect(withLineEnds('a\u2424b')).toBe('a\nb')
  expect(historyLine({ text: '/usr\n/bin', asIs: true })).toBe('//usr\u2424/bin')
  expect(historyLine({ text: '/undo', asIs: false })).toBe('/undo')
  expect(historyLine({ text: ' \n', asIs: true })).toBe(' \u2424')
  expect(historyLine({ text: 'x'.repeat(2001), asIs: false })).toBeUndefined()
})
