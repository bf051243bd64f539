import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { outsideArchive } from './asar.js'
import { type LlamaLibraries, packageVersion } from './locate.js'

/** The kinds of GPU back ends that this library drives, the better first. */
export const gpuKinds = ['metal', 'cuda', 'vulkan'] as const

export type GpuKind = (typeof gpuKinds)[number]

/** A back end that is on this machine's disk. Whether it works, only a trial tells. */
export interface GpuBackend {
  kind: GpuKind
  /** ggml's library for it. */
  file: string
  /** The package that it came with; undefined where it lies with the other libraries. */
  packageName?: string
}

export interface GpuHost {
  platform: string
  arch: string
  /** The file that a package's name resolves to; throws where it is not installed. */
  resolve(packageName: string): string
  exists(file: string): boolean
}

const thisHost: GpuHost = {
  platform: process.platform,
  arch: process.arch,
  resolve: name => outsideArchive(createRequire(import.meta.url).resolve(name)),
  exists: existsSync,
}

/** The package with a back end for this platform, or undefined where there is none. */
export function gpuPackage(
  kind: GpuKind,
  { platform, arch }: Pick<GpuHost, 'platform' | 'arch'> = thisHost,
): { name: string; install: string } | undefined {
  const system = { linux: 'linux', win32: 'win' }[platform as string]
  if (system === undefined || arch !== 'x64' || kind === 'metal') return undefined
  const name = `@node-llama-cpp/${system}-x64-${kind}`
  return { name, install: `npm install ${name}@${packageVersion}` }
}

/**
 * All that are there, the better first. Beside libraries that were built from source, only what was built with them.
 */
export function gpuBackends(
  { backendDirectory, packaged = false }: LlamaLibraries,
  host: GpuHost = thisHost,
): GpuBackend[] {
  return gpuKinds.flatMap(kind => {
    const here = libraryNames(kind)
      .map(name => path.join(backendDirectory, name))
      .filter(file => host.exists(file))
      .map((file): GpuBackend => ({ kind, file }))
    return packaged ? [...here, ...packagedBackends(kind, host)] : here
  })
}

function packagedBackends(kind: GpuKind, host: GpuHost): GpuBackend[] {
  const known = gpuPackage(kind, host)
  if (known === undefined) return []
  // Of CUDA there is a second package with a back end for older drivers and devices.
  return [known.name, ...(kind === 'cuda' ? [`${known.name}-ext`] : [])].flatMap(packageName => {
    let entry: string
    try {
      entry = host.resolve(packageName)
    } catch {
      return []
    }
    // The entry is dist/index.js; the package exports nothing else that could be resolved.
    const folder = path.resolve(path.dirname(entry), '..', 'bins', known.name.slice('@node-llama-cpp/'.length))
    const files = [folder, path.join(folder, 'fallback')].flatMap(each =>
      libraryNames(kind).map(name => path.join(each, name)),
    )
    return files.filter(file => host.exists(file)).map(file => ({ kind, file, packageName }))
  })
}

function libraryNames(kind: GpuKind): string[] {
  return [`libggml-${kind}.so`, `libggml-${kind}.dylib`, `ggml-${kind}.dll`]
}
