import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { StreamingLLMError } from '../errors.js'
import { madeOnce } from '../hub/made-once.js'
import { userCacheFolder } from '../util/user-cache.js'
import { runNpm, runProgram } from './program.js'
import type { RunStep } from './steps.js'

export interface LlamaSource {
  folder: string
  /** `v0.4.0`, as its CMakeLists.txt says it. */
  release: string
  /** Stands in the build's name: the release, the tag, or `local`. */
  name: string
}

export interface SourceChoice {
  /** A folder with llama.cpp's source. */
  source?: string
  /** A tag of llama.cpp's git repository. */
  tag?: string
}

/** The package that the prebuilt libraries belong to. It carries the source that they were built from. */
export const sourcePackage = {
  version: '3.21.1',
  integrity: 'sha512-E3N0Ev2Va0wzydvXYFwM9Hvyo07PoWjt8T/9GMc43Cvt8YkV/NU/tYUgEMC1grTPv2o9PRjQi0G3Wb5P/awiMg==',
}
const bundleInPackage = 'package/llama/gitRelease.bundle'
const repository = 'https://github.com/ggml-org/llama.cpp'

/**
 * llama.cpp's source: the folder named, a tag cloned from its repository, or the one that the prebuilt libraries were
 * built from. What is fetched stays in the user's cache, and is fetched once for all processes.
 *
 * @throws {StreamingLLMError} BUILD_FAILED where it cannot be had; CHECKSUM_MISMATCH where the package is not the known
 * one
 */
export async function llamaSource(
  { source, tag }: SourceChoice,
  run: RunStep,
  say: (line: string) => void,
): Promise<LlamaSource> {
  if (source !== undefined)
    return { folder: path.resolve(source), release: await readRelease(path.resolve(source)), name: 'local' }
  if (tag !== undefined) {
    const folder = await fetched(tag, async unfinished => {
      say(`Fetching llama.cpp ${tag}`)
      await run(`llama.cpp's tag ${tag} could not be cloned`, options =>
        runProgram(
          'git',
          [
            '-c',
            'advice.detachedHead=false',
            'clone',
            '--quiet',
            '--depth',
            '1',
            '--branch',
            tag,
            repository,
            unfinished,
          ],
          options,
        ),
      )
    })
    return { folder, release: await readRelease(folder), name: tag }
  }
  const folder = await packagedSource(run, say)
  const release = await readRelease(folder)
  return { folder, release, name: release }
}

/**
 * The source that the prebuilt libraries were built from; out of `bundle`, where the package is on this machine
 * already.
 */
export function packagedSource(run: RunStep, say: (line: string) => void, bundle?: string): Promise<string> {
  return fetched(`node-llama-cpp-${sourcePackage.version}`, async unfinished => {
    const workshop = await mkdtemp(`${unfinished}-package-`)
    try {
      if (bundle === undefined) say("Fetching llama.cpp's source (37 MB)")
      const from = bundle ?? (await fetchBundle(workshop, run))
      await run('The source of llama.cpp could not be unpacked', options =>
        runProgram('git', ['-c', 'advice.detachedHead=false', 'clone', '--quiet', from, unfinished], options),
      )
    } finally {
      await rm(workshop, { recursive: true, force: true })
    }
  })
}

/** Takes the one file that is wanted out of the package. */
async function fetchBundle(workshop: string, run: RunStep): Promise<string> {
  const name = `node-llama-cpp@${sourcePackage.version}`
  await run(`npm could not fetch ${name}`, options =>
    runNpm('npm', ['pack', name, '--pack-destination', workshop, '--loglevel=error'], { ...options, cwd: workshop }),
  )
  const tarball = (await readdir(workshop)).find(file => file.endsWith('.tgz'))
  if (tarball === undefined) throw new StreamingLLMError('BUILD_FAILED', `npm pack ${name} left no package behind.`)
  const hash = createHash('sha512')
  await pipeline(createReadStream(path.join(workshop, tarball)), hash)
  const integrity = `sha512-${hash.digest('base64')}`
  if (integrity !== sourcePackage.integrity) {
    throw new StreamingLLMError(
      'CHECKSUM_MISMATCH',
      `${name} as npm fetched it is another file than the known one (${integrity}); is its registry to be trusted?`,
      { details: { integrity, expected: sourcePackage.integrity } },
    )
  }
  // cmake has a tar of its own, and it has to be there anyway.
  await run(`${name} could not be unpacked`, options =>
    runProgram('cmake', ['-E', 'tar', 'xzf', tarball, '--', bundleInPackage], { ...options, cwd: workshop }),
  )
  return path.join(workshop, ...bundleInPackage.split('/'))
}

async function fetched(name: string, fetch: (unfinished: string) => Promise<void>): Promise<string> {
  const folder = path.join(userCacheFolder('llama.cpp'), name.replaceAll(/[^\w.]+/g, '_'))
  return await madeOnce(folder, fetch)
}

/**
 * @throws {StreamingLLMError} BUILD_FAILED where a folder is no source of llama.cpp, or one too old to name its release
 */
export async function readRelease(folder: string): Promise<string> {
  const file = path.join(folder, 'CMakeLists.txt')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new StreamingLLMError('BUILD_FAILED', `${folder} is not the source of llama.cpp: ${file} cannot be read.`, {
      cause,
      details: { folder },
    })
  }
  const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
    part => new RegExp(`^set\\(LLAMA_VERSION_${part}\\s+(\\d+)\\)`, 'm').exec(text)?.[1],
  )
  if (numbers.includes(undefined)) {
    throw new StreamingLLMError(
      'BUILD_FAILED',
      `${file} names no release of llama.cpp, as those from v0.4.0 on do; use a newer one.`,
      { details: { folder } },
    )
  }
  return `v${numbers.join('.')}`
}
