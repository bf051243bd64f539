import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is in that file. The outer part is as node-llama-cpp writes it. */
export interface BuildMetadata {
  buildOptions: {
    customCmakeOptions: Record<string, string>
    platform: string
    arch: string
    gpu: 'cuda' | 'vulkan' | 'metal' | false
    llamaCpp: {
      repo: string
      release: string
    }
  }
  /** Missing in the packages of prebuilt libraries. */
  streamingLLM?: {
    /** Which addon was built along with the libraries. */
    addon: string
    /** Where the source came from: a release, a git tag, or `local`. */
    source: string
  }
}

/** The file that says what the libraries of a folder are; it has this name in the packages of prebuilt ones, too. */
export const metadataFile = '_nlcBuildMetadata.json'
const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Identifies this package's addon: by the version, and by a hash of the sources if they are there, since they change
 * often in a clone. An addon with another name must not be loaded.
 */
export function addonFingerprint(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const hash = createHash('sha256')
  try {
    const folder = path.join(root, 'native')
    for (const name of readdirSync(folder)
      .filter(each => /\.(cpp|h)$/.test(each))
      .sort())
      hash.update(`\n${name}\n`).update(readFileSync(path.join(folder, name)))
  } catch {
    return version // bundled without them
  }
  return `${version} ${hash.digest('hex').slice(0, 16)}`
}

/** What is in a folder's file, or undefined where there is none that can be read. */
export function readMetadata(folder: string): BuildMetadata | undefined {
  try {
    const metadata = JSON.parse(readFileSync(path.join(folder, metadataFile), 'utf8')) as BuildMetadata | undefined
    return typeof metadata?.buildOptions?.llamaCpp?.release === 'string' ? metadata : undefined
  } catch {
    return undefined
  }
}
