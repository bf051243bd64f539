import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { outsideArchive } from './asar.js'
import { isMusl } from './musl.js'

/** The libraries that the addon opens, as absolute paths. */
export interface LlamaLibraries {
  llama: string
  ggml: string
  ggmlBase: string
  /** ggml's back ends for different processors. The best fitting one is loaded. */
  cpuBackends: string[]
  /** More back ends that processors compute with. */
  accelerators: string[]
  /** The folder with all of them. */
  backendDirectory: string
  /** They are those of the package of prebuilt ones. */
  packaged?: boolean
  /** llama.cpp's release, such as `v0.4.0`. */
  release: string
}

type LibraryFiles = Pick<LlamaLibraries, 'llama' | 'ggml' | 'ggmlBase' | 'cpuBackends' | 'accelerators'>

/** What decides which libraries fit. */
export interface Host {
  platform: string
  arch: string
  /** True where the C library is musl instead of glibc. Asked on Linux only. */
  musl(): boolean
  /** The file that a package's name resolves to; throws where it is not installed. */
  resolve(packageName: string): string
}

// The version that package.json pins.
export const packageVersion = '3.21.1'

// v0.4.0 and v0.5.0 were tried: all functions and structs that the addon uses are the same in both.
export const acceptedReleases = /^v0\.[45]\.\d+$/
export const acceptedWords = 'v0.4.x or v0.5.x'

const sourceBuild =
  "Build them from source with npx streaming-llm build, and ask for them with libraries: 'built' or STREAMING_LLM_LIBRARIES=built."

const packageNames: Record<string, string> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
  'darwin-x64': 'mac-x64',
  'darwin-arm64': 'mac-arm64-metal',
}

const thisHost: Host = {
  platform: process.platform,
  arch: process.arch,
  musl: isMusl,
  resolve: name => outsideArchive(createRequire(import.meta.url).resolve(name)),
}

/**
 * Finds llama.cpp's libraries for this machine in the `@node-llama-cpp` package that npm installed for it.
 *
 * @throws {StreamingLLMError} LIBRARY_NOT_FOUND when there are none for this machine, or they are not installed;
 *   LIBRARY_MISMATCH when they are of a release that the addon does not know
 */
export function locateLibraries(host: Host = thisHost): LlamaLibraries {
  const { platform, arch } = host
  const key = `${platform}-${arch}`
  const short = Object.hasOwn(packageNames, key) ? packageNames[key] : undefined
  if (short === undefined) {
    const known = Object.keys(packageNames).join(', ')
    throw notFound(`There are no llama.cpp libraries for ${key}, only for ${known}. ${sourceBuild}`, { platform, arch })
  }
  if (platform === 'linux' && host.musl()) {
    throw notFound(
      `There are no llama.cpp libraries for Linux with musl (Alpine), only for Linux with glibc 2.34 or later (Debian 12, Ubuntu 22.04). ${sourceBuild}`,
      { platform, arch },
    )
  }
  const packageName = `@node-llama-cpp/${short}`
  const install = `npm install ${packageName}@${packageVersion}`
  let entry: string
  try {
    entry = host.resolve(packageName)
  } catch (cause) {
    throw notFound(
      `The llama.cpp libraries for this machine are not installed; run: ${install}`,
      { package: packageName, install },
      cause,
    )
  }
  // The entry is dist/index.js; the package exports nothing else that could be resolved.
  const folder = path.resolve(path.dirname(entry), '..', 'bins', short)
  const release = readRelease(path.join(folder, '_nlcBuildMetadata.json'), packageName, install)
  return { ...findLibraries(folder, release, packageName, install), backendDirectory: folder, release, packaged: true }
}

function readRelease(file: string, packageName: string, install: string): string {
  let release: unknown
  try {
    const metadata = JSON.parse(readFileSync(file, 'utf8')) as {
      buildOptions?: { llamaCpp?: { release?: unknown } }
    } | null
    release = metadata?.buildOptions?.llamaCpp?.release
  } catch (cause) {
    throw notFound(
      `The package ${packageName} is incomplete: ${file} cannot be read; run: ${install}`,
      { package: packageName, file, install },
      cause,
    )
  }
  if (typeof release === 'string' && acceptedReleases.test(release)) return release
  const found = typeof release === 'string' ? release : 'none'
  const message = `The llama.cpp libraries of ${packageName} do not fit: ${file} names release ${found}, wanted is ${acceptedWords}; run: ${install}`
  throw new StreamingLLMError('LIBRARY_MISMATCH', message, {
    details: { package: packageName, file, found, wanted: acceptedWords, install },
  })
}

function findLibraries(folder: string, release: string, packageName: string, install: string): LibraryFiles {
  return findLibraryFiles(folder, release, name => {
    const message = `The package ${packageName} is incomplete: there is no ${name} library of ${release} in ${folder}; run: ${install}`
    return notFound(message, { package: packageName, folder, library: name, install })
  })
}

/** The libraries of a release in a folder; `failure` makes the error for one that is not there. */
export function findLibraryFiles(
  folder: string,
  release: string,
  failure: (library: string) => StreamingLLMError,
): LibraryFiles {
  const names = readdirSync(folder)
  // libllama.v0.4.0.so, libllama.metal.v0.4.0.dylib, llama.v0.4.0.dll; ggml-base goes without release.
  const version = release.replaceAll('.', '\\.')
  const all = (pattern: RegExp): string[] =>
    names
      .filter(name => pattern.test(name))
      .sort()
      .map(name => path.join(folder, name))
  const find = (name: string, suffix: string) => {
    const pattern = new RegExp(`^(lib)?${name}${suffix}\\.(so|dylib|dll)$`)
    const found = names.find(each => pattern.test(each))
    if (found === undefined) throw failure(name)
    return path.join(folder, found)
  }
  return {
    llama: find('llama', `(\\.[a-z0-9]+)?\\.${version}`),
    ggml: find('ggml', `(\\.[a-z0-9]+)?\\.${version}`),
    ggmlBase: find('ggml-base', `(\\.[a-z0-9]+)?(\\.${version})?`),
    cpuBackends: all(/^(lib)?ggml-cpu(-[\w.]+)?\.(so|dylib|dll)$/),
    accelerators: all(/^(lib)?ggml-blas\.(so|dylib|dll)$/),
  }
}

function notFound(message: string, details: Record<string, unknown>, cause?: unknown): StreamingLLMError {
  return new StreamingLLMError('LIBRARY_NOT_FOUND', message, { details, cause })
}
