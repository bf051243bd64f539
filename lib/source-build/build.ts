import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { addonFingerprint, type BuildMetadata, metadataFile, readMetadata } from '../backend/build-metadata.js'
import { acceptedReleases, acceptedWords } from '../backend/locate.js'
import { buildsFolder } from '../backend/select.js'
import { StreamingLLMError } from '../errors.js'
import { withFileLock } from '../hub/file-lock.js'
import { userCacheFolder } from '../util/user-cache.js'
import { type LlamaSource, llamaSource } from './llama-source.js'
import { missingPrograms } from './missing.js'
import { type BuildOptions, buildName, checkBuildOptions, cmakeDefinitions } from './options.js'
import { canRun, type ProgramOptions, type ProgramResult, runNpm, runProgram } from './program.js'
import { buildFailure, type RunStep, stepRunner } from './steps.js'

export interface BuildRequest extends BuildOptions {
  /** A folder with llama.cpp's source. Default: the source of the prebuilt libraries, fetched from npm's registry. */
  source?: string
  /** A git tag of llama.cpp, cloned from its repository. */
  tag?: string
  /**
   * Where the libraries go. Default: a folder of their own in the user's cache, where `libraries: 'built'` finds them.
   */
  out?: string
  /** Compilers at once. Default: as many as there are processors. */
  jobs?: number
  signal?: AbortSignal
  /** Gets a line at each step. */
  say?: (line: string) => void
  /** Gets how much has been compiled, from 0 to 1. */
  onProgress?: (share: number) => void
}

export interface BuildResult {
  /** The folder with the libraries and the addon. */
  folder: string
  release: string
  /** False where they were there already. */
  built: boolean
}

/** What npx fetches at the first build; the package itself carries neither. */
const tools = { cmakeJs: 'cmake-js@8.0.0', nodeAddonApi: 'node-addon-api@8.9.2' }
const packageRoot = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Builds llama.cpp's libraries and the addon. What was compiled stays when it is broken off, and the next call goes on
 * from there; the folder of libraries appears at the end, as a whole.
 *
 * @throws {StreamingLLMError} INVALID_OPTION; BUILD_FAILED with the last lines of the log and what is missing;
 *   LIBRARY_MISMATCH where the source is of a release that the addon does not know; CHECKSUM_MISMATCH
 */
export async function buildLibraries(request: BuildRequest): Promise<BuildResult> {
  checkBuildOptions(request)
  const { signal, say = () => {} } = request
  const missing = await missingPrograms({ git: request.source === undefined }, canRun)
  if (missing.length > 0) throw buildFailure('llama.cpp cannot be built here.', { missing })
  const logs = userCacheFolder('build-logs')
  await mkdir(logs, { recursive: true })
  const fetchLog = path.join(logs, 'source.log')
  await rm(fetchLog, { force: true })
  const source = await llamaSource(request, stepRunner(fetchLog, signal), say)
  if (!acceptedReleases.test(source.release)) {
    throw new StreamingLLMError(
      'LIBRARY_MISMATCH',
      `The source is llama.cpp ${source.release}; this package was made for ${acceptedWords}.`,
      { details: { found: source.release, wanted: acceptedWords } },
    )
  }
  const name = buildName(source.name, request)
  const folder = path.resolve(request.out ?? path.join(buildsFolder(), name))
  const metadata = metadataOf(source, request)
  // A folder of source may have changed since; what was fetched has not.
  const isCurrent = (): boolean =>
    request.source === undefined && JSON.stringify(readMetadata(folder)) === JSON.stringify(metadata)
  if (isCurrent()) return { folder, release: source.release, built: false }
  needOwnFolder(folder)
  const work = path.join(userCacheFolder('build-work'), name)
  const built = await withFileLock(
    `${work}.lock`,
    { signal, onWait: once(() => say('Waiting for another process that builds the same')) },
    async lockSignal => {
      if (isCurrent()) return false
      await mkdir(work, { recursive: true })
      const logFile = path.join(logs, `${name}.log`)
      await rm(logFile, { force: true })
      await compile(source, request, work, { logFile, signal: lockSignal })
      await install(work, folder, metadata, stepRunner(logFile, lockSignal))
      return true
    },
  )
  return { folder, release: source.release, built }
}

async function compile(
  source: LlamaSource,
  request: BuildRequest,
  work: string,
  { logFile, signal }: { logFile: string; signal: AbortSignal },
): Promise<void> {
  const { say = () => {}, onProgress = () => {}, jobs = availableParallelism() } = request
  const run = stepRunner(logFile, signal)
  const definitions = {
    ...cmakeDefinitions(request),
    LLAMA_CPP_SOURCE: source.folder.replaceAll('\\', '/'),
    LLAMA_CPP_RELEASE: source.release,
  }
  const cmakeJs =
    (command: string[], read: (text: string) => void = () => {}) =>
    (options: ProgramOptions): Promise<ProgramResult> =>
      runNpm(
        'npx',
        [
          '--yes',
          '-p',
          tools.cmakeJs,
          '-p',
          tools.nodeAddonApi,
          '--',
          'cmake-js',
          ...command,
          '--directory',
          packageRoot,
          '--out',
          work,
          '--config',
          'Release',
          ...Object.entries(definitions).map(([key, value]) => `--CD${key}=${value}`),
        ],
        { ...options, name: 'cmake-js', cwd: work, read },
      )
  await forgetOtherAddon(work)
  await forgetOtherPackage(work)
  say(`Configuring llama.cpp ${source.release} (${describe(request)})`)
  await run('llama.cpp could not be configured', cmakeJs(['configure']))
  say('Compiling; broken off, it goes on from there at the next call')
  await run(
    'llama.cpp could not be compiled',
    cmakeJs(['build', '--target', 'streaming-llm', '--parallel', String(jobs)], text => {
      const share = shareDone(text)
      if (share !== undefined) onProgress(share)
    }),
  )
}

/**
 * What was compiled stays, so that after an update of this package the addon alone is compiled again. That must be seen
 * to here: npm gives all files the same old date, by which nothing looks new.
 */
async function forgetOtherAddon(work: string): Promise<void> {
  const stamp = path.join(work, 'addon.txt')
  if ((await readFile(stamp, 'utf8').catch(() => '')) === addonFingerprint()) return
  for (const folder of ['CMakeFiles/streaming_llm.dir', 'streaming_llm.dir'])
    await rm(path.join(work, folder), { recursive: true, force: true })
  await writeFile(stamp, addonFingerprint())
}

/** Two projects of a user share what is compiled, and cmake insists that its own settings come from one folder. */
async function forgetOtherPackage(work: string): Promise<void> {
  const cache = path.join(work, 'CMakeCache.txt')
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(await readFile(cache, 'utf8').catch(() => ''))?.[1]
  if (home !== undefined && path.resolve(home) !== path.resolve(packageRoot)) await rm(cache)
}

/** Puts the libraries beside their place first, so that the folder is there as a whole or not at all. */
async function install(work: string, folder: string, metadata: BuildMetadata, run: RunStep): Promise<void> {
  const unfinished = `${folder}.unfinished`
  try {
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished, { recursive: true })
  } catch (cause) {
    throw notInPlace(folder, cause)
  }
  await run('The libraries could not be put in place', options =>
    runProgram(
      'cmake',
      ['--install', work, '--config', 'Release', '--component', 'streaming-llm', '--prefix', unfinished],
      options,
    ),
  )
  try {
    await writeFile(path.join(unfinished, metadataFile), JSON.stringify(metadata))
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
  } catch (cause) {
    throw notInPlace(folder, cause)
  }
}

/** On Windows, libraries that a process has opened cannot be replaced. */
function notInPlace(folder: string, cause: unknown): StreamingLLMError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StreamingLLMError(
    'BUILD_FAILED',
    `The libraries are built, and could not be put into ${folder}: ${reason}. Make room for them, or close the programs that use the old ones, and run the same command again.`,
    { cause, details: { folder } },
  )
}

/** The percentages of make, and the counts of ninja. */
export function shareDone(text: string): number | undefined {
  const [last] = [...text.matchAll(/^\[ *(\d+)(?:%|\/(\d+))\]/gm)].slice(-1)
  if (last === undefined) return undefined
  return Number(last[1]) / Number(last[2] ?? 100)
}

function metadataOf(source: LlamaSource, request: BuildRequest): BuildMetadata {
  return {
    buildOptions: {
      customCmakeOptions: cmakeDefinitions(request),
      platform: process.platform,
      arch: process.arch,
      gpu: request.cuda ? 'cuda' : request.vulkan ? 'vulkan' : request.metal ? 'metal' : false,
      llamaCpp: { repo: 'ggml-org/llama.cpp', release: source.release },
    },
    streamingLLM: { addon: addonFingerprint(), source: source.name },
  }
}

/** The folder is replaced as a whole, so it must be ours. */
function needOwnFolder(folder: string): void {
  if (!existsSync(folder) || readdirSync(folder).length === 0 || readMetadata(folder)?.streamingLLM !== undefined)
    return
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `--out: ${folder} has other files; name a folder that is empty, or not there yet.`,
    { details: { option: 'out', folder } },
  )
}

function describe(request: BuildRequest): string {
  const chosen = [
    request.cuda && 'CUDA',
    request.metal && 'Metal',
    request.vulkan && 'Vulkan',
    request.rpc && 'RPC',
  ].filter(Boolean)
  return ['CPU', ...chosen].join(', ') + (request.native ? ", for this machine's processor" : '')
}

function once(action: () => void): () => void {
  let done = false
  return () => {
    if (!done) action()
    done = true
  }
}
