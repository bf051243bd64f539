// Builds llama-server and llama-batched-bench for the benchmark: npm run bench:llama-cpp [-- --jobs N]
//
// From the source in node-llama-cpp's package, into the user's cache, on Linux and macOS. Broken off, it goes on where
// it was at the next call.

import { readdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { compilationProgress } from '../../../lib/cli/compilation-progress.js'
import { toNumber } from '../../../lib/cli/shared-options.js'
import { withFileLock } from '../../../lib/hub/file-lock.js'
import { shareDone } from '../../../lib/source-build/build.js'
import { packagedSource } from '../../../lib/source-build/llama-source.js'
import { runProgram } from '../../../lib/source-build/program.js'
import { stepRunner } from '../../../lib/source-build/steps.js'
import { runCommand } from '../../../scripts/command.js'
import { installNodeLlamaCpp, librariesOfNodeLlamaCpp } from '../node-llama-cpp/install.js'
import { isBuilt, llamaCppFolder, llamaCppPrograms } from './programs.js'

const build = path.join(llamaCppFolder, 'build')
const logFile = path.join(llamaCppFolder, 'build.log')

async function buildLlamaCpp(jobs: number): Promise<void> {
  if (process.platform === 'win32')
    throw new Error(
      'llama-server is built on Linux and macOS only: the package has nothing on Windows to link it with.',
    )
  const packageFolder = await installNodeLlamaCpp()
  await withFileLock(`${llamaCppFolder}.lock`, {}, async () => {
    if (isBuilt()) return
    await mkdir(llamaCppFolder, { recursive: true })
    await rm(logFile, { force: true })
    const run = stepRunner(logFile)
    const source = await packagedSource(run, console.error, path.join(packageFolder, 'llama', 'gitRelease.bundle'))
    const configure = [
      '-S',
      path.dirname(fileURLToPath(import.meta.url)),
      '-B',
      build,
      '-DCMAKE_BUILD_TYPE=Release',
      `-DLLAMA_CPP=${source}`,
      ...libraryDefinitions(),
    ]
    await run('llama-server could not be configured', options => runProgram('cmake', configure, options))
    console.error('Building llama-server')
    const progress = compilationProgress('Building llama-server')
    const read = (text: string): void => {
      const share = shareDone(text)
      if (share !== undefined) progress.show(share)
    }
    try {
      await run('llama-server could not be built', options =>
        runProgram(
          'cmake',
          ['--build', build, '--target', 'llama-server', 'llama-batched-bench', '--parallel', String(jobs)],
          { ...options, read },
        ),
      )
    } finally {
      progress.end()
    }
  })
  const { server, batchedBench } = llamaCppPrograms()
  console.error(`Built: ${server}\n       ${batchedBench}`)
}

function libraryDefinitions(): string[] {
  const { llama, ggml, ggmlBase, backendDirectory } = librariesOfNodeLlamaCpp()
  const common = readdirSync(backendDirectory).find(name => /^libllama-common\b.*\.(so|dylib)$/.test(name))
  if (common === undefined) throw new Error(`There is no llama-common library in ${backendDirectory}.`)
  return [
    `-DLLAMA_LIBRARY=${llama}`,
    `-DGGML_LIBRARY=${ggml}`,
    `-DGGML_BASE_LIBRARY=${ggmlBase}`,
    `-DLLAMA_COMMON_LIBRARY=${path.join(backendDirectory, common)}`,
  ]
}

const program = new Command('bench:llama-cpp')
  .description("Builds llama.cpp's own server and batched benchmark, to compare with, into the user's cache.")
  .option('--jobs <count>', 'compilers at once', toNumber, availableParallelism())
  .action(({ jobs }: { jobs: number }) => buildLlamaCpp(jobs))

await runCommand(program)
