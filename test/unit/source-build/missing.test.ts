import { missingByLog, missingPrograms } from '../../../lib/source-build/missing.js'

const has =
  (...programs: string[]) =>
  (program: string) =>
    Promise.resolve(programs.includes(program))
let compiler: string | undefined
beforeEach(() => {
  compiler = process.env['CXX']
  delete process.env['CXX']
})
afterEach(() => {
  if (compiler !== undefined) process.env['CXX'] = compiler
  else delete process.env['CXX']
})

test('nothing is missing where all of it is there', async () => {
  expect(await missingPrograms({ git: true }, has('git', 'cmake', 'g++', 'ninja'), 'linux')).toEqual([])
  expect(await missingPrograms({ git: false }, has('cmake', 'clang++', 'make'), 'darwin')).toEqual([])
})

test('all that is missing is told at once, with the command that brings it', async () => {
  const missing = await missingPrograms({ git: true }, has(), 'linux')
  expect(missing).toHaveLength(4)
  expect(missing.join('\n')).toMatch(
    /apt-get install git[\s\S]*apt-get install cmake[\s\S]*C\+\+20[\s\S]*apt-get install g\+\+[\s\S]*apt-get install make/,
  )
})

test('CXX names the one compiler that counts', async () => {
  process.env['CXX'] = 'my-compiler -m64'
  expect(await missingPrograms({ git: false }, has('cmake', 'g++', 'make'), 'linux')).toHaveLength(1)
  expect(await missingPrograms({ git: false }, has('cmake', 'my-compiler', 'make'), 'linux')).toEqual([])
})

test('on Windows the compiler is on no path, and cmake-js looks for it', async () => {
  expect(await missingPrograms({ git: true }, has('git', 'cmake'), 'win32')).toEqual([])
})

// Words of cmake, compilers, npm and git as they were seen.
test.each([
  ['CMake Error: Could NOT find CUDAToolkit\n-- CUDA Toolkit not found', 'CUDA toolkit'],
  ['  Failed to find nvcc.\n  Compiler requires the CUDA toolkit.', 'CUDA toolkit'],
  [
    'error: #error -- unsupported GNU version! gcc versions later than 13 are not supported!',
    'CMAKE_CUDA_HOST_COMPILER',
  ],
  ['Could NOT find Vulkan (missing: Vulkan_LIBRARY Vulkan_INCLUDE_DIR glslc)', 'glslc'],
  ['No CMAKE_CXX_COMPILER could be found.', 'C++20 compiler'],
  ["c++: error: unrecognized command-line option '-std=c++20'", 'a newer compiler'],
  ['CMake 3.19 or higher is required.  You are running version 3.16.3', 'a newer cmake'],
  ['npm error code ENOTFOUND\nnpm error network request failed', "npm's registry"],
  ["fatal: unable to access 'https://example.invalid/': Could not resolve host", 'the network'],
  ['fatal error: error writing to x.s: No space left on device', 'space on the disk'],
  ['c++: fatal error: Killed signal terminated program cc1plus', '--jobs 1'],
])('%j', (log, words) => {
  const missing = missingByLog(`-- Configuring\n${log}\n-- done`, 'linux')
  expect(missing).toHaveLength(1)
  expect(missing[0]).toContain(words)
})

test('a log of another failure names nothing', () => {
  expect(missingByLog("error: 'x' was not declared in this scope\nninja: build stopped: subcommand failed.")).toEqual(
    [],
  )
})
