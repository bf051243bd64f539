// `npm run test:source`: builds llama.cpp from source as a user does, and tests on what was built: the model tier on a
// build for this processor, then a model spread over two RPC servers. Minutes to half an hour; with --from-nothing
// neither source nor compiled files of earlier builds are used.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'

const root = fileURLToPath(new URL('..', import.meta.url))
const typescript = ['--import', import.meta.resolve('tsx')]
const { fromNothing } = new Command('test:source')
  .description(
    'Builds llama.cpp from source as a user does, and tests on what was built: the model tier on a build for this ' +
      "machine's processor, then a model spread over two RPC servers. Takes minutes to half an hour.",
  )
  .option('--from-nothing', 'use neither source nor compiled files of earlier builds')
  .parse()
  .opts<{ fromNothing?: true }>()
const cache = fromNothing ? mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-source-')) : undefined
const model = run([...typescript, path.join(root, 'scripts', 'fetch-default-model.ts')])

try {
  test(build('--native'), 'test/model')
  test(build('--native', '--rpc'), 'test/source')
} finally {
  if (cache !== undefined) rmSync(cache, { recursive: true, force: true })
}

/** The folder of libraries that the command line prints. */
function build(...options: string[]): string {
  const began = performance.now()
  const folder = run(
    [...typescript, path.join(root, 'lib', 'cli', 'main.ts'), 'build', ...options],
    cache === undefined ? {} : { XDG_CACHE_HOME: cache },
  )
  console.error(`streaming-llm build ${options.join(' ')}: ${((performance.now() - began) / 1000).toFixed(0)} s`)
  return folder
}

function test(libraries: string, tests: string): void {
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js')
  const environment = { STREAMING_LLM_LIBRARIES: libraries, STREAMING_LLM_TEST_MODEL: model }
  run(
    [
      '--experimental-vm-modules',
      jest,
      '--rootDir',
      root,
      '--runInBand',
      '--testPathIgnorePatterns',
      '/node_modules/',
      '--testPathPatterns',
      tests,
    ],
    environment,
  )
}

/** Runs Node to its end, ends as it did where that was not well, and returns what it wrote to stdout. */
function run(nodeArguments: string[], environment: Record<string, string> = {}): string {
  const { status, stdout } = spawnSync(process.execPath, nodeArguments, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (status !== 0) process.exit(status ?? 1)
  return stdout.trim()
}
