// Builds llama-server and llama-batched-bench for the benchmark: npm run bench:llama-cpp [-- --jobs N]
//
// From the source in node-llama-cpp's package, into the user's cache, on Linux and macOS. Broken off, it goes on where it
// was at the next call.

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { progressLine } from '../../../lib/cli/bar.js'
import { reportFailure } from '../../../lib/cli/failure.js'
import { toNumber } from '../../../lib/cli/shared-options.js'
import { withFileLock } from '../../../lib/models/file-lock.js'
import { installNodeLlamaCpp, librariesOfNodeLlamaCpp } from '../node-llama-cpp/install.js'
import { isBuilt, llamaCppFolder, llamaCppPrograms } from './programs.js'

const logLinesShown = 40
const source = path.join(llamaCppFolder, 'source')
const build = path.join(llamaCppFolder, 'build')
const logFile = path.join(llamaCppFolder, 'build.log')

async function buildLlamaCpp(jobs: number): Promise<void> {
  if (process.platform === 'win32') throw new Error('llama-server is built on Linux and macOS only: the package has nothing on Windows to link it with.')
  const packageFolder = await installNodeLlamaCpp()
  await withFileLock(`${llamaCppFolder}.lock`, {}, async () => {
    if (isBuilt()) return
    await mkdir(llamaCppFolder, { recursive: true })
    if (!existsSync(source)) await clone(path.join(packageFolder, 'llama', 'gitRelease.bundle'))
    await run('cmake', ['-S', path.dirname(fileURLToPath(import.meta.url)), '-B', build, '-DCMAKE_BUILD_TYPE=Release', `-DLLAMA_CPP=${source}`, ...libraryDefinitions()])
    const progress = progressOfMake()
    try {
      await run('cmake', ['--build', build, '--target', 'llama-server', 'llama-batched-bench', '--parallel', String(jobs)], progress.read)
    } finally {
      progress.end()
    }
  })
  const { server, batchedBench } = llamaCppPrograms()
  console.error(`Built: ${server}\n       ${batchedBench}`)
}

async function clone(bundle: string): Promise<void> {
  const unfinished = `${source}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  await run('git', ['-c', 'advice.detachedHead=false', 'clone', '--quiet', bundle, unfinished])
  renameSync(unfinished, source)
}

function libraryDefinitions(): string[] {
  const { llama, ggml, ggmlBase, backendDirectory } = librariesOfNodeLlamaCpp()
  const common = readdirSync(backendDirectory).find(name => /^libllama-common\b.*\.(so|dylib)$/.test(name))
  if (common === undefined) throw new Error(`There is no llama-common library in ${backendDirectory}.`)
  return [`-DLLAMA_LIBRARY=${llama}`, `-DGGML_LIBRARY=${ggml}`, `-DGGML_BASE_LIBRARY=${ggmlBase}`, `-DLLAMA_COMMON_LIBRARY=${path.join(backendDirectory, common)}`]
}

/** Runs a program to its end; of one that fails the last lines are told, and all of them are in the log. */
async function run(program: string, args: string[], read: (text: string) => void = () => undefined): Promise<void> {
  let log = ''
  const code = await new Promise<number | string | null>((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text
        read(text)
      })
    }
    child.on('error', cause => reject(new Error(`${program} could not be started (${cause.message}). To build llama-server there must be git, cmake and a C++17 compiler.`, { cause })))
    child.on('close', (code, signal) => resolve(signal ?? code))
  })
  if (code === 0) return
  await writeFile(logFile, log)
  throw new Error(`${program} ended with ${code}. The last lines of ${logFile}:\n\n${log.trimEnd().split('\n').slice(-logLinesShown).join('\n')}`)
}

/** A bar on a terminal, elsewhere a line at each tenth, after the percentages that make writes. */
function progressOfMake(): { read: (text: string) => void; end: () => void } {
  const bar = process.stderr.isTTY ? progressLine('Building llama-server {bar} {percentage} %') : undefined
  if (bar) bar.start(100, 0)
  else console.error('Building llama-server')
  let said = 0
  return {
    read: text => {
      const percent = Number(text.match(/^\[ *(\d+)%\]/m)?.[1] ?? 0)
      if (percent < said + (bar ? 1 : 10)) return
      said = percent
      if (bar) bar.update(percent)
      else console.error(`  ${percent} %`)
    },
    end: () => bar?.stop(),
  }
}

const program = new Command('bench:llama-cpp')
  .description("Builds llama.cpp's own server and batched benchmark, to compare with, into the user's cache.")
  .option('--jobs <count>', 'compilers at once', toNumber, availableParallelism())
  .action(({ jobs }: { jobs: number }) => buildLlamaCpp(jobs))

try {
  await program.parseAsync()
} catch (error) {
  reportFailure(error)
}
