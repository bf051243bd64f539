import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installNodeLlamaCpp } from './node-llama-cpp/install.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Bytes of the package as it is published, with the addon of this machine, and of the dependencies that it brings here.
 */
export async function ourSize(): Promise<number> {
  const { packages } = JSON.parse(await readFile(join(root, 'node_modules', '.package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>
  }
  const dependencies = Object.entries(packages)
    .filter(([, each]) => isBrought(each))
    .map(([name]) => join(root, name))
  // A dependency's own dependencies that lie inside its folder are listed by themselves.
  const outer = dependencies.filter(folder => !dependencies.some(other => folder.startsWith(`${other}/`)))
  const own = ['dist', 'prebuilds', 'README.md', 'LICENSE', 'package.json'].map(name => join(root, name))
  return await sizes([...own, join(root, 'build', 'Release', 'streaming_llm.node'), ...outer])
}

interface LockedPackage {
  dev?: boolean
  /** Both a development dependency and an optional one of something else. */
  devOptional?: boolean
  os?: string[]
  cpu?: string[]
}

/**
 * True for what an installation of this package gets on this machine; files for other machines may lie here for tests.
 */
function isBrought({ dev, devOptional, os, cpu }: LockedPackage): boolean {
  return !dev && !devOptional && (os?.includes(process.platform) ?? true) && (cpu?.includes(process.arch) ?? true)
}

/** Bytes of all that `installNodeLlamaCpp` installed. */
export async function nodeLlamaCppSize(): Promise<number> {
  const folder = await installNodeLlamaCpp()
  return await sizes([resolve(dirname(folder))])
}

async function sizes(paths: string[]): Promise<number> {
  let bytes = 0
  for (const path of paths) bytes += await sizeOf(path)
  return bytes
}

/** Bytes of a file, or of all files in a folder; 0 of what is not there. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.size
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath ?? entry.path, entry.name))
  const all = await Promise.all(files.map(file => stat(file)))
  return all.reduce((sum, { size }) => sum + size, 0)
}
