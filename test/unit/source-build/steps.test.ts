import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { shareDone } from '../../../lib/source-build/build.js'
import { llamaSource, readRelease } from '../../../lib/source-build/llama-source.js'
import { canRun, runProgram } from '../../../lib/source-build/program.js'
import { stepRunner } from '../../../lib/source-build/steps.js'
import { deafSignal, held } from '../../tools/deaf-signal.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'source-build-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const node = (program: string): [string, string[]] => [process.execPath, ['-e', program]]

async function failure(promise: Promise<unknown>): Promise<StreamingLLMError> {
  const error = await promise.then(
    () => {
      throw new Error('It went well.')
    },
    (reason: unknown) => reason,
  )
  if (!StreamingLLMError.isInstance(error)) throw error
  return error
}

test('a step that goes well gives what the program said, and the log has it all', async () => {
  const logFile = path.join(folder, 'log')
  const result = await stepRunner(logFile)('It failed', options =>
    runProgram(...node('console.log("out"); console.error("err")'), options),
  )
  expect(result.stdout).toBe('out\n')
  const log = await readFile(logFile, 'utf8')
  expect(log).toMatch(/^> .*-e/)
  expect(log).toContain('out\n')
  expect(log).toContain('err\n')
})

test('a step that fails tells the last lines of the log, and what is missing', async () => {
  const logFile = path.join(folder, 'log')
  const program =
    'for (let i = 0; i < 100; i++) console.log("line", i); console.log("cc1plus: No space left on device"); process.exitCode = 3'
  const error = await failure(
    stepRunner(logFile)('llama.cpp could not be compiled', options =>
      runProgram(...node(program), { ...options, name: 'cmake' }),
    ),
  )
  expect(error.code).toBe('BUILD_FAILED')
  expect(error.message).toContain('llama.cpp could not be compiled: cmake ended with 3')
  expect(error.message).toContain('line 99\n')
  expect(error.message).not.toContain('line 50\n')
  expect(error.message).toMatch(/lacks:\n {2}- space on the disk$/)
  expect(error.details).toEqual({ missing: ['space on the disk'], logFile })
})

test('a program that is not there', async () => {
  const error = await failure(
    stepRunner(path.join(folder, 'log'))('It failed', options => runProgram('no-such-program', [], options)),
  )
  expect(error.message).toContain('no-such-program could not be started')
  expect(await canRun('no-such-program')).toBe(false)
  expect(await canRun(process.execPath)).toBe(true)
})

// A compiler that npx, cmake and make have started must not go on when the command is ended.
const unlessWindows = process.platform === 'win32' ? test.skip : test
unlessWindows('aborting ends what the program has started, too', async () => {
  const pidFile = path.join(folder, 'pid')
  const grandchild = `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000)`
  const program = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(grandchild)}], { stdio: "inherit" })`
  const controller = new AbortController()
  const running = runProgram(...node(program), { signal: controller.signal })
  const pid = await waitFor(async () => Number(await readFile(pidFile, 'utf8')) || undefined)
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(running).rejects.toBe(reason)
  await waitFor(async () => !isAlive(pid) || undefined)
})

test('what was aborted before does not start', async () => {
  await expect(runProgram('no-such-program', [], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
    'before',
  )
})

test.each([
  ['[  7%] Building CXX object a.o\n[ 12%] Building CXX object b.o\n', 0.12],
  ['[3/12] Building CXX object a.o\n', 0.25],
  ['[12/12] Linking\n', 1],
  ['-- Configuring done\n', undefined],
  ['see [3/12] in the text\n', undefined],
])('%j', (text, share) => {
  expect(shareDone(text)).toBe(share)
})

test('the release of a folder of source', async () => {
  const file = path.join(folder, 'CMakeLists.txt')
  writeFileSync(
    file,
    'project("llama.cpp" C CXX)\nset(LLAMA_VERSION_MAJOR 0)\nset(LLAMA_VERSION_MINOR 5)\nset(LLAMA_VERSION_PATCH 12)\n',
  )
  expect(await readRelease(folder)).toBe('v0.5.12')
  const never = () => {
    throw new Error('It must not run anything.')
  }
  expect(await llamaSource({ source: folder }, never, never)).toEqual({ folder, release: 'v0.5.12', name: 'local' })
})

test('a folder that is no source of llama.cpp, or of one too old', async () => {
  expect((await failure(readRelease(folder))).message).toContain('is not the source of llama.cpp')
  writeFileSync(path.join(folder, 'CMakeLists.txt'), 'project("llama.cpp" C CXX)\n')
  const error = await failure(readRelease(folder))
  expect(error.code).toBe('BUILD_FAILED')
  expect(error.message).toContain('names no release')
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function waitFor<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

test('a program whose signal cannot be listened to is not started', async () => {
  const before = held('ProcessWrap')
  const running = runProgram(...node('setInterval(() => {}, 1000)'), { signal: deafSignal() })
  await expect(running).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(held('ProcessWrap')).toEqual(before)
})
