// ThreadSanitizer on the engine, without Node: npm run test:tsan [-- --source FOLDER --seed N --operations N --rounds
// N]
//
// Builds llama.cpp and the program of test/tsan from source under it, in build/tsan, and runs the program: broken off,
// the build goes on where it was at the next call. Linux, with a compiler that has the sanitizer (g++ has it).

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { compilationProgress } from '../../lib/cli/compilation-progress.js'
import { onInterrupt } from '../../lib/cli/failure.js'
import { toNumber } from '../../lib/cli/shared-options.js'
import { shareDone } from '../../lib/source-build/build.js'
import { llamaSource } from '../../lib/source-build/llama-source.js'
import { missingPrograms } from '../../lib/source-build/missing.js'
import { canRun, runProgram } from '../../lib/source-build/program.js'
import { buildFailure, stepRunner } from '../../lib/source-build/steps.js'
import { type TinyKind, tinyModel } from '../../test/tools/tiny-models.js'
import { calledFrom, runCommand } from '../command.js'

interface Options {
  source?: string
  jobs: number
  seed: number
  operations: number
  rounds: number
  models: TinyKind[]
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = path.join(root, 'build', 'tsan')
const suppressions = path.join(root, 'test', 'tsan', 'suppressions.txt')
const base = calledFrom('test:tsan')

async function build({ source, jobs }: Options, signal: AbortSignal): Promise<void> {
  if (process.platform !== 'linux') throw new Error('test:tsan is for Linux.')
  const missing = await missingPrograms({ git: source === undefined }, canRun)
  if (missing.length > 0) throw buildFailure('The program cannot be built here.', { missing })
  await mkdir(folder, { recursive: true })
  const logFile = path.join(folder, 'build.log')
  await rm(logFile, { force: true })
  const run = stepRunner(logFile, signal)
  const llama = await llamaSource(
    source === undefined ? {} : { source: path.resolve(base, source) },
    run,
    console.error,
  )
  const configure = ['-S', path.join(root, 'test', 'tsan'), '-B', folder, `-DLLAMA_CPP_SOURCE=${llama.folder}`]
  await run('The program could not be configured', options => runProgram('cmake', configure, options))
  const progress = compilationProgress('Compiling under ThreadSanitizer')
  const read = (text: string): void => {
    const share = shareDone(text)
    if (share !== undefined) progress.show(share)
  }
  try {
    await run(
      'The program could not be built (it needs the sanitizer of its compiler: libtsan comes with g++, clang has it in libclang-rt-dev)',
      options =>
        runProgram('cmake', ['--build', folder, '--target', 'engine-program', '--parallel', String(jobs)], {
          ...options,
          read,
        }),
    )
  } finally {
    progress.end()
  }
}

/** True where nothing was reported. */
async function runProgramOnce(seed: number, { operations, models }: Options, signal: AbortSignal): Promise<boolean> {
  const bin = path.join(folder, 'bin')
  const program = [
    path.join(bin, 'engine-program'),
    bin,
    String(seed),
    String(operations),
    ...models.map(kind => tinyModel(kind)),
  ]
  const settings = { halt_on_error: 0, second_deadlock_stack: 1, history_size: 4, exitcode: 66, suppressions }
  const TSAN_OPTIONS = Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(':')
  // Where addresses are chosen at random from all there are, older runtimes do not start.
  const child = spawn('setarch', ['--addr-no-randomize', ...program], {
    env: { ...process.env, TSAN_OPTIONS },
    stdio: 'inherit',
    signal,
  })
  const [code, killer] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...how) => resolve(how))
  })
  if (code === 0) return true
  console.error(
    `Seed ${seed}: ${killer ?? (code === 66 ? 'ThreadSanitizer has reported something' : `ended with ${code}`)}. Once more: npm run test:tsan -- --seed ${seed} --rounds 1 --operations ${operations} --models ${models.join(' ')}`,
  )
  return false
}

const program = new Command('test:tsan')
  .description('Builds the engine and llama.cpp under ThreadSanitizer and has random programs drive them.')
  .option('--source <folder>', "llama.cpp's source; by default that of the prebuilt libraries is fetched")
  .option('--jobs <count>', 'compilers at once', toNumber, availableParallelism())
  .option('--seed <number>', 'of the first round; each has the next', toNumber, 1)
  .option('--operations <count>', 'of each program in a round', toNumber, 500)
  .option('--rounds <count>', 'rounds, in a process each', toNumber, 4)
  .option('--models <kinds...>', 'tiny models, each driven on a thread of its own', [
    'llama',
    'gemma3',
    'jamba',
    'mamba',
  ])
  .action(async (options: Options) => {
    const interrupted = onInterrupt()
    try {
      await build(options, interrupted.signal)
      let sound = true
      for (let round = 0; round < options.rounds; round++) {
        sound = (await runProgramOnce(options.seed + round, options, interrupted.signal)) && sound
      }
      const known = readFileSync(suppressions, 'utf8')
        .split('\n')
        .filter(line => /^[a-z_]+:/.test(line)).length
      if (!sound) process.exitCode = 1
      else
        console.error(
          `${options.rounds} rounds of ${options.models.length} times ${options.operations} operations: nothing reported (${known} suppressions)`,
        )
    } finally {
      interrupted.release()
    }
  })

await runCommand(program)
