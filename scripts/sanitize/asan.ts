// AddressSanitizer and UndefinedBehaviorSanitizer on the addon: npm run test:asan [-- what jest is to be told]
//
// Builds the addon under both in test/asan/build and runs the native tier of the tests on it, or what is named.
// llama.cpp's prebuilt libraries are not instrumented, but what they take and free is watched. Linux, with g++ or clang
// (CXX says which). Each file of tests has a process of its own. All processes write what is reported into build/asan,
// also those that tests start; where there is anything of the addon's or llama.cpp's, it is shown, and this fails.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { buildNative } from '../build-native.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const reports = path.join(root, 'build', 'asan')

/** Files of tests, and single tests by their names, that cannot say anything here, and why. */
const leftOut = new Map([
  ['test/native/no-memory.test.ts', 'it limits the address space, of which AddressSanitizer itself takes terabytes'],
])
const testsLeftOut = new Map([
  [
    'a GPU back end that ends the process ends the child that tries it',
    'the signal that ends the child is what AddressSanitizer reports',
  ],
])

/** The library that must be there before anything else in a process, as the compiler has it. */
function runtime(): string {
  const [compiler = 'g++', ...more] = (process.env['CXX'] ?? 'g++').split(' ').filter(word => word !== 'ccache')
  const isClang = compiler.includes('clang')
  const name = isClang ? `libclang_rt.asan-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so` : 'libasan.so'
  let file = ''
  try {
    file = execFileSync(compiler, [...more, `-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  } catch (error) {
    throw new Error(
      `${compiler} cannot be run (${(error as Error).message}); on Debian and Ubuntu: apt-get install g++, or set CXX`,
    )
  }
  if (!path.isAbsolute(file) || !existsSync(file)) {
    throw new Error(
      `${compiler} has no ${name}; on Debian and Ubuntu: apt-get install ${isClang ? 'libclang-rt-dev' : 'g++'}`,
    )
  }
  return realpathSync(file)
}

function nativeTests(): string[] {
  const all = readdirSync(path.join(root, 'test', 'native'))
    .filter(name => name.endsWith('.test.ts'))
    .sort()
    .map(name => `test/native/${name}`)
  for (const [what, why] of [...leftOut, ...testsLeftOut]) console.error(`Left out: ${what} (${why})`)
  return all.filter(file => !leftOut.has(file))
}

function passes(file: string, options: readonly string[], preloaded: string): boolean {
  const report = path.join(reports, 'report')
  const { status } = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      '--rootDir',
      root,
      '--runInBand',
      ...options,
      file,
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        LD_PRELOAD: preloaded,
        STREAMING_LLM_BUILT_ADDON: path.join(root, 'test', 'asan', 'build', 'Release', 'streaming_llm.node'),
        // Memory is given back to the system as without, or tests that measure it see what waits to be used again.
        ASAN_OPTIONS: settings({
          log_path: report,
          detect_leaks: 1,
          quarantine_size_mb: 16,
          detect_stack_use_after_return: 1,
          abort_on_error: 0,
          exitcode: 99,
        }),
        UBSAN_OPTIONS: settings({ log_path: report, print_stacktrace: 1 }),
        // A process is not ended by what it leaves behind: whose it was is seen by the report.
        LSAN_OPTIONS: settings({
          log_path: report,
          exitcode: 0,
          max_leaks: 0,
          suppressions: path.join(root, 'test', 'asan', 'leaks.txt'),
          print_suppressions: 0,
        }),
      },
    },
  )
  return status === 0
}

/**
 * What a process has reported, without what Node and other programs leave behind at their ends (a shell, a compiler:
 * tests start some, and Node frees nothing of its heap): the first frame outside of libraries says whose memory it was.
 */
function ourReports(text: string): string {
  // It looks at a process that may be in the midst of its end, and now and then falls over that itself.
  if (/^Tracer caught signal|LeakSanitizer has encountered a fatal error/m.test(text)) return ''
  if (!text.includes('ERROR: LeakSanitizer')) return text.trim()
  return text
    .split('\n\n')
    .filter(each => /^(Direct|Indirect) leak/.test(each.trim()) && isOurs(each))
    .join('\n\n')
}

function isOurs(leak: string): boolean {
  const whose =
    /\/native\/[\w/]+\.(?:cpp|h)|streaming_llm\.node|libllama|libggml|\/node\+0x|\.node\+0x|\/usr\/(?:lib\/gcc|bin)\//
  const frame = leak
    .split('\n')
    .slice(2)
    .map(line => whose.exec(line)?.[0])
    .find(found => found !== undefined)
  return frame !== undefined && /native|streaming_llm|libllama|libggml/.test(frame)
}

function settings(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(':')
}

// Help alone is taken here: all else is for jest, in the order in which it was given.
new Command('test:asan')
  .description('Runs the native tier of the tests on an addon under AddressSanitizer and UndefinedBehaviorSanitizer.')
  .argument('[files...]', 'files of tests (default: all of test/native)')
  .usage('[files...] [options of jest]')
  .allowUnknownOption()
  .parse()

try {
  if (process.platform !== 'linux') throw new Error('test:asan is for Linux.')
  const preloaded = runtime()
  await buildNative({ say: line => console.error(line), sanitized: true })
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  const given = process.argv.slice(2)
  const named = given.filter(each => existsSync(path.resolve(root, each)))
  const options = given.filter(each => !named.includes(each))
  if (!options.some(each => each.startsWith('-t') || each.startsWith('--testNamePattern')))
    options.push(`--testNamePattern=^(?!.*(${[...testsLeftOut.keys()].join('|')}))`)
  const files = named.length > 0 ? named : nativeTests()
  const failed: string[] = []
  for (const [at, file] of files.entries()) {
    console.error(`\n${file} (${at + 1} of ${files.length})`)
    if (!passes(file, options, preloaded)) failed.push(file)
  }
  let shown = 0
  for (const name of readdirSync(reports)) {
    const text = ourReports(readFileSync(path.join(reports, name), 'utf8'))
    if (text === '') continue
    console.error(`\n${path.join(reports, name)}:\n${text}`)
    shown++
  }
  if (shown > 0) console.error(`\n${shown} processes have reported something.`)
  else console.error('\nThe sanitizers have reported nothing.')
  if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`)
  process.exitCode = failed.length > 0 || shown > 0 ? 1 : 0
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
