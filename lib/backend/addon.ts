import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { StreamingLLMError } from '../errors.js'
import { addonAdvice } from './addon-advice.js'
import { isMusl } from './musl.js'
import type { SelectedLibraries } from './select.js'

const require = createRequire(import.meta.url)

// For tests in a clone: the same, built in another way (npm run test:asan).
const builtFile = process.env['STREAMING_LLM_BUILT_ADDON'] || '../../build/Release/streaming_llm.node'

interface Loaders {
  prebuilt: () => unknown
  built: () => unknown
  /** True where there is one that was built, which is so in clones of the repository. */
  isBuilt: boolean
}

/**
 * The native addon: the one built from source in a clone, else the prebuilt one that came with the package. Node keeps
 * what was loaded, so calling this again is cheap.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND with the reason of each file tried, and what may help
 */
export function loadAddon(
  { prebuilt, built, isBuilt }: Loaders = {
    prebuilt: loadPrebuilt,
    built: loadBuilt,
    isBuilt: existsSync(new URL(builtFile, import.meta.url)),
  },
): unknown {
  const reasons: string[] = []
  // A clone may have prebuilt ones as well, of other sources than it has now.
  for (const attempt of isBuilt ? [built, prebuilt] : [prebuilt]) {
    try {
      return attempt()
    } catch (error) {
      reasons.push(firstLine(error))
    }
  }
  const message = [
    `The native addon for ${process.platform}-${process.arch} could not be loaded:`,
    ...reasons.map(reason => `- ${reason}`),
    ...['What may help:', ...addonAdvice(reasons), 'In a clone of the repository: npm run build:native.']
      .join('\n- ')
      .split('\n'),
  ].join('\n')
  throw new StreamingLLMError('ADDON_NOT_FOUND', message, {
    details: { platform: process.platform, arch: process.arch, reasons },
  })
}

/**
 * The addon to open these libraries with: the one that was built along with them, where there is one of this version.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND
 */
export function loadAddonFor(
  { addon, addonOutdated, backendDirectory }: Pick<SelectedLibraries, 'addon' | 'addonOutdated' | 'backendDirectory'>,
  load?: Loaders,
): unknown {
  try {
    return addon === undefined ? loadAddon(load) : require(addon)
  } catch (cause) {
    if (addonOutdated && StreamingLLMError.isInstance(cause)) {
      throw new StreamingLLMError(
        cause.code,
        `${cause.message}\nThe addon in ${backendDirectory} is of another version of this package: run the npx streaming-llm build that made it again.`,
        { cause, details: cause.details },
      )
    }
    if (addon === undefined) throw cause
    throw new StreamingLLMError(
      'ADDON_NOT_FOUND',
      `The addon that was built along with the libraries could not be loaded: ${firstLine(cause)}`,
      { cause, details: { addon } },
    )
  }
}

/** The file of the addon, for another process to load. */
export function addonPath({ addon }: { addon?: string } = {}): string {
  if (addon !== undefined) return addon
  const candidates = [builtFile, `../../prebuilds/${process.platform}-${process.arch}/streaming_llm.node`]
  const found = candidates
    .map(candidate => fileURLToPath(new URL(candidate, import.meta.url)))
    .find(candidate => existsSync(candidate))
  if (found === undefined) loadAddon() // says what is missing
  return found as string
}

// Each path is written out, so that packagers see which files belong to the program.
function loadPrebuilt(): unknown {
  // On musl the loader would only name a missing file of glibc, which does not say what to do.
  if (process.platform === 'linux' && isMusl())
    throw new Error('the prebuilt one is made for glibc, and this Linux has musl')
  switch (`${process.platform}-${process.arch}`) {
    case 'linux-x64':
      return require('../../prebuilds/linux-x64/streaming_llm.node')
    case 'linux-arm64':
      return require('../../prebuilds/linux-arm64/streaming_llm.node')
    case 'win32-x64':
      return require('../../prebuilds/win32-x64/streaming_llm.node')
    case 'win32-arm64':
      return require('../../prebuilds/win32-arm64/streaming_llm.node')
    case 'darwin-x64':
      return require('../../prebuilds/darwin-x64/streaming_llm.node')
    case 'darwin-arm64':
      return require('../../prebuilds/darwin-arm64/streaming_llm.node')
    default:
      throw new Error(`none is prebuilt for ${process.platform}-${process.arch}`)
  }
}

function loadBuilt(): unknown {
  return require(builtFile)
}

/** Without the list of requiring modules that Node adds. */
function firstLine(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error).split('\n')[0] ?? ''
}
