import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { putInPlace, replaceFile, replaceFileSync } from '../../../lib/util/replace-file.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'streaming-llm-replace-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const text = (content: string) => [Buffer.from(content)]
const onUnix = process.platform === 'win32' ? describe.skip : describe

test('a file is made, and replaced, with nothing beside it', async () => {
  const file = join(folder, 'a.chat')
  await replaceFile(file, text('one'))
  await replaceFile(file, [...text('two'), ...text(' and three')])
  expect(readFileSync(file, 'utf8')).toBe('two and three')
  expect(readdirSync(folder)).toEqual(['a.chat'])
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a name may be as long as the system takes, and no longer', async () => {
  const name = `${'n'.repeat(250)}.chat`
  await replaceFile(join(folder, name), text('long'))
  expect(readFileSync(join(folder, name), 'utf8')).toBe('long')
  await expect(replaceFile(join(folder, 'n'.repeat(256)), text('x'))).rejects.toThrow('ENAMETOOLONG')
  await expect(replaceFile(join(folder, 'a\0b'), text('x'))).rejects.toThrow()
  await expect(replaceFile(join(folder, name, 'below a file'), text('x'))).rejects.toThrow('ENOTDIR')
  await expect(replaceFile(join(folder, 'no such folder', 'x'), text('x'))).rejects.toThrow('ENOENT')
  await expect(replaceFile(`${join(folder, 'x')}/`, text('x'))).rejects.toThrow('names a folder')
  expect(readdirSync(folder)).toEqual([name])
})

test('at once, for what is small', () => {
  const file = join(folder, 'history')
  replaceFileSync(file, 'one')
  replaceFileSync(file, 'two')
  expect(readFileSync(file, 'utf8')).toBe('two')
  expect(readdirSync(folder)).toEqual(['history'])
  expect(() => replaceFileSync(folder, 'x')).toThrow('it is a folder')
  expect(() => replaceFileSync(join(folder, 'n'.repeat(256)), 'x')).toThrow('ENAMETOOLONG')
  expect(readdirSync(folder)).toEqual(['history'])
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a folder stays', async () => {
  mkdirSync(join(folder, 'inner'))
  await expect(replaceFile(join(folder, 'inner'), text('x'))).rejects.toThrow('it is a folder')
})

onUnix('what is no file', () => {
  test('links are followed to their file, there or not', async () => {
    mkdirSync(join(folder, 'far'))
    writeFileSync(join(folder, 'far', 'real'), 'old')
    symlinkSync('far/real', join(folder, 'link'))
    symlinkSync('link', join(folder, 'link to link'))
    symlinkSync('far/new', join(folder, 'dangling'))
    await replaceFile(join(folder, 'link to link'), text('new'))
    await replaceFile(join(folder, 'dangling'), text('made'))
    expect(readFileSync(join(folder, 'far', 'real'), 'utf8')).toBe('new')
    expect(readFileSync(join(folder, 'far', 'new'), 'utf8')).toBe('made')
    expect(readlinkSync(join(folder, 'link'))).toBe('far/real')
    expect(lstatSync(join(folder, 'link to link')).isSymbolicLink()).toBe(true)
    symlinkSync('circle', join(folder, 'circle'))
    await expect(replaceFile(join(folder, 'circle'), text('x'))).rejects.toThrow('leads to itself')
    expect(readdirSync(folder).sort()).toEqual(['circle', 'dangling', 'far', 'link', 'link to link'])
  })

  test('a pipe, a socket and a device stay what they are', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    await expect(replaceFile(pipe, text('x'))).rejects.toThrow('it is a pipe')
    expect(lstatSync(pipe).isFIFO()).toBe(true)
    const server = createServer().listen(join(folder, 'socket'))
    await new Promise(resolve => server.once('listening', resolve))
    await expect(replaceFile(join(folder, 'socket'), text('x'))).rejects.toThrow('it is a socket')
    server.close()
    symlinkSync('/dev/null', join(folder, 'null'))
    await expect(replaceFile(join(folder, 'null'), text('x'))).rejects.toThrow('it is a device')
    await expect(replaceFile('/dev/null', text('x'))).rejects.toThrow('it is a device')
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  test("what was left behind by a process that is gone goes, another machine's stays", async () => {
    const file = join(folder, 'a.chat')
    await replaceFile(file, text('one'))
    const prefix = await partPrefix(file)
    writeFileSync(join(folder, `${prefix}999999999-00000000.part`), '')
    writeFileSync(join(folder, '.0123456789abcdef.999999999-00000000.part'), '')
    await replaceFile(file, text('two'))
    expect(readdirSync(folder).sort()).toEqual(['.0123456789abcdef.999999999-00000000.part', 'a.chat'])
    writeFileSync(join(folder, `${prefix}999999999-00000000.part`), '')
    replaceFileSync(file, 'three')
    expect(readdirSync(folder).sort()).toEqual(['.0123456789abcdef.999999999-00000000.part', 'a.chat'])
  })

  test("what was left behind and cannot be removed is in nothing's way", async () => {
    const file = join(folder, 'a.chat')
    const leftOver = `${await partPrefix(file)}999999999-00000000.part`
    mkdirSync(join(folder, leftOver))
    await replaceFile(file, text('one'))
    expect(readFileSync(file, 'utf8')).toBe('one')
    replaceFileSync(file, 'two')
    expect(readFileSync(file, 'utf8')).toBe('two')
    expect(readdirSync(folder).sort()).toEqual([leftOver, 'a.chat'])
  })

  test('what others may read they may, as far as the process lets them', async () => {
    const umask = process.umask()
    const file = join(folder, 'shared')
    await putInPlace(file, text('x'), { mode: 0o666 })
    expect(statSync(file).mode & 0o777).toBe(0o666 & ~umask)
  })

  const asUser = process.getuid?.() === 0 ? test.skip : test // root is refused nothing
  asUser('a file that may not be written to stays', async () => {
    const file = join(folder, 'kept')
    writeFileSync(file, 'old')
    chmodSync(file, 0o400)
    await expect(replaceFile(file, text('x'))).rejects.toThrow('EACCES')
    expect(existsSync(file)).toBe(true)
  })

  asUser('a folder that may be written to and not listed takes files', async () => {
    const inner = join(folder, 'inner')
    mkdirSync(inner, { mode: 0o300 })
    await replaceFile(join(inner, 'a.chat'), text('one'))
    replaceFileSync(join(inner, 'a.chat'), 'two')
    expect(readFileSync(join(inner, 'a.chat'), 'utf8')).toBe('two')
    chmodSync(inner, 0o700)
  })
})

/** How the names of unfinished files of a file begin: seen while one is written. */
async function partPrefix(file: string): Promise<string> {
  const writing = replaceFile(file, [Buffer.alloc(8 * 1024 ** 2)])
  for (;;) {
    const name = readdirSync(folder).find(each => each.endsWith('.part'))
    if (name !== undefined) {
      await writing
      return name.slice(0, name.indexOf('.', 1) + 1)
    }
    await new Promise(resolve => setImmediate(resolve))
  }
}
