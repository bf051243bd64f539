import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
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

test('where the lock is lost, what the process that has it now is making is left alone', async () => {
  const target = join(folder, 'tool')
  const unfinished = `${target}.unfinished`
  const lock = `${target}.lock`
  /** Another process, for which the lock looked as if it were left behind. */
  const takeOver = () => {
    rmSync(lock, { recursive: true })
    mkdirSync(lock)
    rmSync(unfinished, { recursive: true })
    mkdirSync(unfinished)
  }
  /** It touches its lock, again and again: what held it before may just be touching it too, having looked before. */
  const touch = () => utimesSync(lock, new Date(), new Date(Date.now() + 5000))
  const wait = globalThis.setTimeout
  // What holds a lock looks at it every five seconds.
  const sooner = (act: () => void, ms?: number) => wait(act, ms === 5000 ? 1 : ms)
  globalThis.setTimeout = sooner as typeof setTimeout
  const lost: string[] = []
  const making = (heeds: boolean) =>
    madeOnce(target, async (path, signal) => {
      mkdirSync(path)
      takeOver()
      const touching = setInterval(touch, 20)
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      clearInterval(touching)
      lost.push(existsSync(target) ? 'finished' : 'unfinished')
      wait(() => {
        lost.push(existsSync(unfinished) ? 'left alone' : 'taken')
        writeFileSync(join(unfinished, 'whole'), '')
        renameSync(unfinished, target)
        rmSync(lock, { recursive: true })
      }, 50)
      if (heeds) throw signal.reason
    })
  try {
    for (const heeds of [true, false]) {
      await making(heeds)
      expect(readdirSync(folder)).toEqual(['tool'])
      expect(readdirSync(target)).toEqual(['whole'])
      rmSync(target, { recursive: true })
    }
  } finally {
    globalThis.setTimeout = wait
  }
  expect(lost).toEqual(['unfinished', 'left alone', 'unfinished', 'left alone'])
})
