import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { StreamingLLMError } from '../errors.js'

const require = createRequire(import.meta.url)

/**
 * The native addon: the prebuilt one that came with the package, else the one built from source in a clone. Node keeps
 * what was loaded, so calling this again is cheap.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND with the reason of each file tried
 */
export function loadAddon(load: { prebuilt: () => unknown; built: () => unknown } = { prebuilt, built }): unknown {
  const reasons: string[] = []
  for (const attempt of [load.prebuilt, load.built]) {
    try {
      return attempt()
    } catch (error) {
      reasons.push(firstLine(error))
    }
  }
  const message = [
    `The native addon for ${process.platform}-${process.arch} could not be loaded:`,
    ...reasons.map(reason => `- ${reason}`),
    'In a clone of the repository, run npm run build:native. For an installed package, this platform may lack a prebuilt addon.',
  ].join('\n')
  throw new StreamingLLMError('ADDON_NOT_FOUND', message, { details: { platform: process.platform, arch: process.arch, reasons } })
}

/** The file of the addon, for another process to load. */
export function addonPath(): string {
  const candidates = [`../../prebuilds/${process.platform}-${process.arch}/streaming_llm.node`, '../../build/Release/streaming_llm.node']
  const found = candidates.map(candidate => fileURLToPath(new URL(candidate, import.meta.url))).find(candidate => existsSync(candidate))
  if (found === undefined) loadAddon() // says what is missing
  return found as string
}

// Each path is written out, so that packagers see which files belong to the program.
function prebuilt(): unknown {
  switch (`${process.platform}-${process.arch}`) {
    case 'linux-x64': return require('../../prebuilds/linux-x64/streaming_llm.node')
    case 'linux-arm64': return require('../../prebuilds/linux-arm64/streaming_llm.node')
    case 'win32-x64': return require('../../prebuilds/win32-x64/streaming_llm.node')
    case 'win32-arm64': return require('../../prebuilds/win32-arm64/streaming_llm.node')
    case 'darwin-x64': return require('../../prebuilds/darwin-x64/streaming_llm.node')
    case 'darwin-arm64': return require('../../prebuilds/darwin-arm64/streaming_llm.node')
    default: throw new Error(`none is prebuilt for ${process.platform}-${process.arch}`)
  }
}

function built(): unknown {
  return require('../../build/Release/streaming_llm.node')
}

/** Without the list of requiring modules that Node adds. */
function firstLine(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error).split('\n')[0] ?? ''
}
