import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { userCacheFolder } from '../util/user-cache.js'
import { addonFingerprint, type BuildMetadata, metadataFile, readMetadata } from './build-metadata.js'
import { acceptedReleases, acceptedWords, findLibraryFiles, type LlamaLibraries, locateLibraries } from './locate.js'

/** Libraries, and the addon that was built along with them where it is this version's. */
export interface SelectedLibraries extends LlamaLibraries {
  addon?: string
  /** There is one, and it is of another version. */
  addonOutdated?: boolean
}

export const librariesVariable = 'STREAMING_LLM_LIBRARIES'

/** Where `streaming-llm build` puts what it builds. */
export function buildsFolder(): string {
  return userCacheFolder('builds')
}

/**
 * The libraries that are asked for: `'built'` means the latest that `streaming-llm build` has made on this machine for
 * it, another text the folder they are in. Not asked for by the option, STREAMING_LLM_LIBRARIES says it; without that,
 * they are the prebuilt ones.
 *
 * @throws {StreamingLLMError} LIBRARY_NOT_FOUND where there are none, or a build was not finished; LIBRARY_MISMATCH
 *   where they are of a release that the addon does not know, or for another machine
 */
export function selectLibraries(
  wanted: string | undefined = process.env[librariesVariable] || undefined,
): SelectedLibraries {
  if (wanted === undefined) return locateLibraries()
  return wanted === 'built' ? latestBuild() : librariesIn(path.resolve(wanted))
}

function latestBuild(): SelectedLibraries {
  const folder = buildsFolder()
  const names = existsSync(folder) ? readdirSync(folder) : []
  const builds = names
    .map(name => path.join(folder, name))
    .flatMap(each => {
      const metadata = readMetadata(each)
      if (metadata === undefined || !fits(metadata.buildOptions)) return []
      return [{ folder: each, time: statSync(path.join(each, metadataFile)).mtimeMs }]
    })
  const latest = builds.sort((a, b) => b.time - a.time)[0]
  if (latest !== undefined) return librariesIn(latest.folder)
  const message = `There are no libraries built from source for ${process.platform}-${process.arch} in ${folder}; build them with: npx streaming-llm build (see npx streaming-llm build --help)`
  throw new StreamingLLMError('LIBRARY_NOT_FOUND', message, { details: { folder } })
}

function fits({ llamaCpp, platform, arch }: BuildMetadata['buildOptions']): boolean {
  return acceptedReleases.test(llamaCpp.release) && samePlatform(platform) && arch === process.arch
}

/** node-llama-cpp says win and mac where Node says win32 and darwin. */
function samePlatform(platform: string): boolean {
  return (({ win: 'win32', mac: 'darwin' } as Record<string, string>)[platform] ?? platform) === process.platform
}

function librariesIn(folder: string): SelectedLibraries {
  const metadata = readMetadata(folder)
  if (metadata === undefined) {
    const message = `There are no finished llama.cpp libraries in ${folder}: it has no ${metadataFile}. A build that was broken off goes on with the same npx streaming-llm build as before.`
    throw new StreamingLLMError('LIBRARY_NOT_FOUND', message, { details: { folder } })
  }
  const { release } = metadata.buildOptions.llamaCpp
  const { platform, arch } = metadata.buildOptions
  if (!acceptedReleases.test(release)) {
    throw new StreamingLLMError(
      'LIBRARY_MISMATCH',
      `The libraries in ${folder} are of llama.cpp ${release}; wanted is ${acceptedWords}.`,
      { details: { folder, found: release, wanted: acceptedWords } },
    )
  }
  if (!fits(metadata.buildOptions)) {
    throw new StreamingLLMError(
      'LIBRARY_MISMATCH',
      `The libraries in ${folder} are for ${platform}-${arch}, and this is ${process.platform}-${process.arch}.`,
      { details: { folder, platform, arch } },
    )
  }
  const files = findLibraryFiles(
    folder,
    release,
    library =>
      new StreamingLLMError(
        'LIBRARY_NOT_FOUND',
        `The libraries in ${folder} are incomplete: there is no ${library} library of ${release}; build them again.`,
        { details: { folder, library } },
      ),
  )
  const found = { ...files, backendDirectory: folder, release }
  const addon = path.join(folder, 'streaming_llm.node')
  if (metadata.streamingLLM === undefined || !existsSync(addon)) return found
  return metadata.streamingLLM.addon === addonFingerprint() ? { ...found, addon } : { ...found, addonOutdated: true }
}
