import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { StreamingLLMError } from '../../../lib/errors.js'
import { userCacheFolder } from '../../../lib/util/user-cache.js'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
// The addon's own opening of llama.cpp's libraries and its threads, so that the floor runs on exactly what the addon
// runs on.
const sources = [
  'research/bench/floor/floor.cpp',
  'native/llama/assertions.cpp',
  'native/llama/backends.cpp',
  'native/llama/llama_library.cpp',
  'native/llama/shared_library.cpp',
  'native/llama/thread_pool.cpp',
]
const headers = [
  'native/llama/argmax.h',
  'native/llama/assertions.h',
  'native/llama/backends.h',
  'native/llama/catch_exceptions.h',
  'native/llama/llama_library.h',
  'native/llama/shared_library.h',
  'native/llama/thread_pool.h',
  'native/support/failure.h',
  ...readdirSync(path.join(root, 'native/include/llama.cpp'))
    .filter(name => name.endsWith('.h'))
    .map(name => `native/include/llama.cpp/${name}`),
]
const flags = ['-std=c++20', '-O3', '-Inative', '-Inative/include/llama.cpp']
const libraries = process.platform === 'linux' ? ['-ldl', '-pthread'] : []

/**
 * The path of the floor's program, compiled when its sources are not those of an earlier time. One command of the
 * system's C++ compiler (or of CXX), as it is one program of a few files; Linux and macOS.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND when there is no compiler, or it fails
 */
export function buildFloor(): string {
  if (process.platform === 'win32') throw failure('The floor is built on Linux and macOS only.')
  const compilers = process.env['CXX'] ? [process.env['CXX']] : ['c++', 'g++', 'clang++']
  // Not the compiler: which one made it changes nothing about a loop that waits for llama.cpp.
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, flags, libraries]))
  for (const name of [...sources, ...headers]) hash.update(`\n${name}\n`).update(readFileSync(path.join(root, name)))
  const folder = userCacheFolder('bench')
  const program = path.join(folder, `floor-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  // Another process may build it, too: the last one replaces a program by the same one.
  const unfinished = `${program}.${process.pid}`
  for (const compiler of compilers) {
    const [command = '', ...own] = compiler.split(' ')
    const { error, status, stderr } = spawnSync(
      command,
      [...own, ...flags, ...sources, ...libraries, '-o', unfinished],
      { cwd: root, encoding: 'utf8' },
    )
    if (error) continue
    if (status !== 0)
      throw failure(`${compiler} could not compile the floor:\n${stderr.trimEnd().split('\n').slice(-20).join('\n')}`)
    renameSync(unfinished, program)
    return program
  }
  throw failure(
    `The floor could not be compiled: none of ${compilers.join(', ')} is there. Install a C++20 compiler, or set CXX to one.`,
  )
}

function failure(message: string): StreamingLLMError {
  return new StreamingLLMError('ADDON_NOT_FOUND', message)
}
