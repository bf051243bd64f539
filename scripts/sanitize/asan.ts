// AddressSanitizer and UndefinedBehaviorSanitizer on the addon: npm run test:asan [-- what jest is to be told]
//
// Builds the addon under both in test/asan/build and runs the native tier of the tests on it, or what is named. llama.cpp's
// prebuilt libraries are not instrumented, but what they take and free is watched. Linux, with g++ or clang (CXX says
// which). Each process writes what is reported into build/asan; where there is anything, it is shown, and this fails.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildNative } from '../build-native.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const reports = path.join(root, 'build', 'asan')

/** The library that must be there before anything else in a process, as the compiler has it. */
function runtime(): string {
  const [compiler = 'g++', ...more] = (process.env['CXX'] ?? 'g++').split(' ').filter(word => word !== 'ccache')
  const isClang = compiler.includes('clang')
  const name = isClang ? `libclang_rt.asan-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so` : 'libasan.so'
  let file = ''
  try {
    file = execFileSync(compiler, [...more, `-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  } catch (error) {
    throw new Error(`${compiler} cannot be run (${(error as Error).message}); on Debian and Ubuntu: apt-get install g++, or set CXX`)
  }
  if (!path.isAbsolute(file) || !existsSync(file)) {
    throw new Error(`${compiler} has no ${name}; on Debian and Ubuntu: apt-get install ${isClang ? 'libclang-rt-dev' : 'g++'}`)
  }
  return realpathSync(file)
}

function settings(values: Record<string, string | number>): string {
  return Object.entries(values).map(([name, value]) => `${name}=${value}`).join(':')
}

try {
  if (process.platform !== 'linux') throw new Error('test:asan is for Linux.')
  const preloaded = runtime()
  await buildNative({ say: line => console.error(line), sanitized: true })
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  const report = path.join(reports, 'report')
  const given = process.argv.slice(2)
  const { status, signal } = spawnSync(process.execPath, [
    '--experimental-vm-modules', path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'), '--rootDir', root, '--runInBand',
    ...(given.some(each => !each.startsWith('-')) ? given : ['test/native', ...given]),
  ], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: preloaded,
      STREAMING_LLM_BUILT_ADDON: path.join(root, 'test', 'asan', 'build', 'Release', 'streaming_llm.node'),
      // Memory is given back to the system as without, or tests that measure it see what waits to be used again.
      ASAN_OPTIONS: settings({ log_path: report, detect_leaks: 1, quarantine_size_mb: 16, detect_stack_use_after_return: 1, abort_on_error: 0, exitcode: 99 }),
      UBSAN_OPTIONS: settings({ log_path: report, print_stacktrace: 1 }),
      // A process is not ended by what it leaves behind: whose it was is seen below.
      LSAN_OPTIONS: settings({ log_path: report, exitcode: 0, max_leaks: 0, suppressions: path.join(root, 'test', 'asan', 'leaks.txt'), print_suppressions: 0 }),
    },
  })
  let shown = 0
  for (const name of readdirSync(reports)) {
    const text = readFileSync(path.join(reports, name), 'utf8')
    console.error(`\n${path.join(reports, name)}:\n${text.trimEnd()}`)
    shown++
  }
  if (shown > 0) console.error(`\n${shown} processes have reported something.`)
  else console.error('\nThe sanitizers have reported nothing.')
  process.exitCode = signal !== null || status !== 0 || shown > 0 ? 1 : 0
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
