import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { makeSwapFolder, removeSwapFolder } from '../../../lib/model/swap-folder.js'
import { processSpace } from '../../../lib/util/process-owner.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'swap-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const gone = 999_999_999 // more than any system gives
const space = processSpace()

test('a folder of its own, that goes with its files', async () => {
  const [one, two] = [await makeSwapFolder(folder), await makeSwapFolder(folder)]
  expect(readdirSync(folder).sort()).toEqual([basename(one), basename(two)].sort())
  expect(basename(one)).toMatch(new RegExp(`^streaming-llm-swap-${process.pid}-${space}-.{6}$`))
  writeFileSync(join(one, 'cells'), 'x')
  removeSwapFolder(one)
  removeSwapFolder(one)
  expect(readdirSync(folder)).toEqual([basename(two)])
})

test('those of processes that are gone go, with their files, and nothing else does', async () => {
  const left = [`streaming-llm-swap-${gone}-${space}-aB3dE6`, `streaming-llm-swap-${gone}-${space}-000000`]
  const others = [
    `streaming-llm-swap-${process.pid}-${space}-aB3dE6`,
    `streaming-llm-swap-${process.ppid}-${space}-aB3dE6`,
    `streaming-llm-swap-${gone}-00000000-aB3dE6`,
    `streaming-llm-swap-${gone}-${space}-aB3dE67`,
    `a-streaming-llm-swap-${gone}-${space}-aB3dE6`,
    `streaming-llm-swap-0-${space}-aB3dE6`,
    `streaming-llm-swap--1-${space}-aB3dE6`,
  ]
  for (const name of [...left, ...others]) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'cells'), 'x')
  }
  const file = `streaming-llm-swap-${gone}-${space}-fiLe00`
  writeFileSync(join(folder, file), 'x')
  const own = await Promise.all([makeSwapFolder(folder), makeSwapFolder(folder)]) // both at once
  expect(readdirSync(folder).sort()).toEqual([...others, file, ...own.map(each => basename(each))].sort())
})

const onUnix = process.platform === 'win32' ? test.skip : test
onUnix('a link in their place is not followed', async () => {
  mkdirSync(join(folder, 'far'))
  symlinkSync('far', join(folder, `streaming-llm-swap-${gone}-${space}-aB3dE6`))
  await makeSwapFolder(folder)
  expect(existsSync(join(folder, 'far'))).toBe(true)
  expect(existsSync(join(folder, `streaming-llm-swap-${gone}-${space}-aB3dE6`))).toBe(true)
})

test('without a place for it, it says what to do', async () => {
  await expect(makeSwapFolder(join(folder, 'absent'))).rejects.toMatchObject({
    code: 'MODEL_LOAD_FAILED',
    message: expect.stringContaining("or use 'memory'"),
  })
})
