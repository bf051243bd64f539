import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { madeOnce } from '../../../lib/hub/made-once.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'made-once-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('what is there is not made again, also where several want it at the same time', async () => {
  const target = join(folder, 'cache', 'file')
  let times = 0
  const make = async (unfinished: string): Promise<void> => {
    times++
    writeFileSync(unfinished, 'all of it')
  }
  expect(await Promise.all([1, 2, 3].map(() => madeOnce(target, make)))).toEqual([target, target, target])
  expect(times).toBe(1)
  expect(readFileSync(target, 'utf8')).toBe('all of it')
  expect(readdirSync(join(folder, 'cache'))).toEqual(['file'])
})

test('what fails, or what a killed process has left, is not there', async () => {
  const target = join(folder, 'tool')
  const failing = madeOnce(target, async unfinished => {
    mkdirSync(unfinished)
    throw new Error('no network')
  })
  await expect(failing).rejects.toThrow('no network')
  expect(readdirSync(folder)).toEqual([])
  mkdirSync(`${target}.unfinished`)
  writeFileSync(join(`${target}.unfinished`, 'half'), '')
  await madeOnce(target, async unfinished => mkdirSync(unfinished))
  expect(readdirSync(target)).toEqual([])
  expect(existsSync(`${target}.unfinished`)).toBe(false)
})
