import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { madeOnce } from '../../lib/hub/made-once.js'
import { userCacheFolder } from '../../lib/util/user-cache.js'
import { downloadWheel } from '../pip-wheel.js'
import type { Architecture } from './targets.js'

const execute = promisify(execFile)

/** The compiler for all platforms: one download, no installation. Which wheel pip takes depends on this machine. */
const zig = {
  version: '0.16.0',
  sha256: { x64: '9fcda73f62b851dd72a54b710ad40a209896db14cfb13649e62191243556342b' } as Partial<
    Record<string, string>
  >,
}

/** GCC 12's C++ library: its headers and the two shared libraries to link with are needed. */
const debianPackages: Record<Architecture, string[]> = {
  x64: ['libstdc++-12-dev', 'libstdc++6', 'libgcc-s1'],
  arm64: ['libstdc++-12-dev-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross'],
}

const cache = userCacheFolder('prebuild')

/** Runs a program to its end and returns what it said; of one that fails the message has its last words. */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { maxBuffer: 1 << 28, ...options })
    return stdout
  } catch (error) {
    const {
      stderr = '',
      stdout = '',
      message,
      code,
    } = error as Error & { stderr?: string; stdout?: string; code?: unknown }
    if (code === 'ENOENT') throw new Error(`${program} is not on this machine${hints[program] ?? ''}`, { cause: error })
    throw new Error(
      `${program} ${args.slice(0, 3).join(' ')} ... failed:\n${(stderr || stdout || message).trim().split('\n').slice(-20).join('\n')}`,
      { cause: error },
    )
  }
}

const llvm = ' (apt-get install llvm)'
const hints: Record<string, string> = {
  'llvm-nm': llvm,
  'llvm-readobj': llvm,
  'llvm-objdump': llvm,
  'apt-get': ': prebuilding needs Debian or Ubuntu',
}

/** The compiler's program, fetched from PyPI where it is not in the cache yet. */
export async function zigProgram(): Promise<string> {
  const wanted = zig.sha256[process.arch]
  if (process.platform !== 'linux' || wanted === undefined) throw new Error('Prebuilding is done on Linux x64.')
  const folder = await once(`zig-${zig.version}-${process.arch}`, async unfinished => {
    console.error(`Fetching zig ${zig.version} (98 MB)`)
    const wheel = await downloadWheel(`ziglang==${zig.version}`, unfinished)
    const digest = createHash('sha256')
      .update(await readFile(wheel))
      .digest('hex')
    if (digest !== wanted)
      throw new Error(`${path.basename(wheel)} has the SHA-256 ${digest}, and ${wanted} was expected.`)
    await run('python3', ['-m', 'zipfile', '-e', wheel, unfinished])
    await rm(wheel)
    await chmod(path.join(unfinished, 'ziglang', 'zig'), 0o755) // zipfile forgets it
  })
  return path.join(folder, 'ziglang', 'zig')
}

/** Zig compiles libraries of its own at the first use of a target, for a minute or two, and keeps them. */
export function zigEnvironment(): NodeJS.ProcessEnv {
  const folder = path.join(cache, 'zig-cache')
  return { ...process.env, ZIG_GLOBAL_CACHE_DIR: folder, ZIG_LOCAL_CACHE_DIR: folder }
}

export interface CppLibrary {
  includes: string[]
  /** The shared libraries to link with, libstdc++ and libgcc_s. */
  libraries: string[]
}

export async function gccCppLibrary(architecture: Architecture): Promise<CppLibrary> {
  const folder = await once(`libstdc++-12-linux-${architecture}`, async unfinished => {
    console.error(`Fetching GCC 12's C++ library for ${architecture}`)
    // As another user apt could not write there, and it says so.
    await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...debianPackages[architecture]], {
      cwd: unfinished,
    })
    for (const name of (await readdir(unfinished)).filter(each => each.endsWith('.deb'))) {
      await run('dpkg-deb', ['-x', name, '.'], { cwd: unfinished })
      await rm(path.join(unfinished, name))
    }
  })
  const processor = { x64: 'x86_64', arm64: 'aarch64' }[architecture]
  const prefix = architecture === 'x64' ? 'usr' : 'usr/aarch64-linux-gnu'
  const libraryFolders = [`usr/lib/${processor}-linux-gnu`, `lib/${processor}-linux-gnu`, `${prefix}/lib`]
  const find = (candidates: string[]): string => {
    const found = candidates.map(each => path.join(folder, each)).find(each => existsSync(each))
    if (found === undefined) throw new Error(`${folder} has none of ${candidates.join(', ')}; delete it and try again.`)
    return found
  }
  return {
    includes: [
      find([`${prefix}/include/c++/12`]),
      find([`usr/include/${processor}-linux-gnu/c++/12`, `${prefix}/include/c++/12/${processor}-linux-gnu`]),
    ],
    libraries: ['libstdc++.so.6', 'libgcc_s.so.1'].map(name => find(libraryFolders.map(each => `${each}/${name}`))),
  }
}

/** A folder in the cache that is there as a whole or not at all. */
export function once(name: string, make: (unfinished: string) => Promise<void>): Promise<string> {
  return madeOnce(path.join(cache, name), async unfinished => {
    await mkdir(unfinished)
    await make(unfinished)
  })
}
