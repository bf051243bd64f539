import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { nativeFiles, nativeSources } from '../native-sources.mjs'
import { systemCppLibrary } from './system-libcxx.js'
import { exported, partsOf, type TargetName, triple } from './targets.js'
import { gccCppLibrary, run, zigEnvironment, zigProgram } from './tools.js'

const require = createRequire(import.meta.url)
export const root = fileURLToPath(new URL('../../', import.meta.url))
const native = path.join(root, 'native')

// As binding.gyp has them.
const definitions = ['NAPI_VERSION=9', 'NODE_ADDON_API_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS']
const flags = ['-std=c++20', '-O3', '-fvisibility=hidden']

export function prebuiltFile(name: TargetName): string {
  return path.join(root, 'prebuilds', name, 'streaming_llm.node')
}

/** True where the prebuilt addon is of the sources as they are. */
export function isCurrent(name: TargetName): boolean {
  const stamp = stampFile(name)
  return existsSync(prebuiltFile(name)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sourcesFingerprint()
}

const builtHere = 'of this clone, by node-gyp'

/** True where the addon there is the one that was built for this clone, and may be replaced by another such. */
export function isBuiltHere(name: TargetName): boolean {
  const stamp = stampFile(name)
  return existsSync(prebuiltFile(name)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === builtHere
}

export function markBuiltHere(name: TargetName): void {
  mkdirSync(path.dirname(stampFile(name)), { recursive: true })
  writeFileSync(stampFile(name), builtHere)
}

/** Beside the objects, so that the package does not carry it. */
function stampFile(name: TargetName): string {
  return path.join(root, 'build', 'prebuild', `${name}.txt`)
}

function sourcesFingerprint(): string {
  const hash = createHash('sha256')
  const recipes = readdirSync(path.join(root, 'scripts', 'prebuild')).sort()
  for (const name of [...nativeFiles('.cpp', '.h'), ...recipes.map(file => `scripts/prebuild/${file}`)]) {
    hash.update(`\n${name}\n`).update(readFileSync(path.join(root, name)))
  }
  return hash.digest('hex')
}

/** Compiles the addon for a platform into prebuilds/, and returns the file. */
export async function prebuild(name: TargetName): Promise<string> {
  const fingerprint = sourcesFingerprint()
  const zig = await zigProgram()
  const work = path.join(root, 'build', 'prebuild', name)
  await rm(work, { recursive: true, force: true })
  await mkdir(work, { recursive: true })
  const { sources, compile, link } = await recipe(name, work)
  const common = [
    '-target',
    triple(name),
    ...flags,
    ...definitions.map(each => `-D${each}`),
    ...includes().map(each => `-I${each}`),
    ...compile,
  ]
  const objects = sources.map(source => path.join(work, `${path.basename(source, '.cpp')}.o`))
  const waiting = sources.map((source, i) => [source, objects[i] as string] as const)
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        await run(zig, ['c++', ...common, '-c', next[0], '-o', next[1]], { env: zigEnvironment() })
      }
    }),
  )
  const file = prebuiltFile(name)
  await mkdir(path.dirname(file), { recursive: true })
  await run(zig, ['c++', '-target', triple(name), '-shared', '-s', '-o', file, ...objects, ...(await link(objects))], {
    env: zigEnvironment(),
    cwd: work,
  })
  await rm(file.replace(/\.node$/, '.lib'), { force: true }) // Windows linkers leave one
  await writeFile(stampFile(name), fingerprint)
  return file
}

interface Recipe {
  sources: string[]
  /** Flags for each source. */
  compile: string[]
  /** Flags for linking the objects; run in the target's work folder. */
  link: (objects: string[]) => Promise<string[]>
}

async function recipe(name: TargetName, work: string): Promise<Recipe> {
  const { platform, architecture } = partsOf(name)
  const sources = nativeSources().map(file => path.join(root, file))
  if (platform === 'linux') return linuxRecipe(sources, work, await gccCppLibrary(architecture))
  return platform === 'darwin' ? macRecipe(sources, work) : await windowsRecipe(sources, work)
}

/**
 * The process's own libstdc++ and libgcc_s, by which llama.cpp's libraries throw: exceptions are caught with their
 * words.
 */
async function linuxRecipe(
  sources: string[],
  work: string,
  library: { includes: string[]; libraries: string[] },
): Promise<Recipe> {
  // Since GCC 12 this one function has a new version of the same meaning; with the old one GCC 11's library is enough.
  const wait = '_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE'
  await writeFile(path.join(work, 'older_symbols.h'), `__asm__(".symver ${wait}, ${wait}@GLIBCXX_3.4.11");\n`)
  await writeFile(path.join(work, 'exports.map'), `{ global: ${exported.join('; ')}; local: *; };\n`)
  return {
    sources,
    compile: [
      '-fPIC',
      '-nostdinc++',
      ...library.includes.map(each => `-I${each}`),
      '-include',
      path.join(work, 'older_symbols.h'),
    ],
    // By their files: what is asked for by -l, zig takes from itself.
    link: () => Promise.resolve(['-nostdlib++', ...library.libraries, '-Wl,--version-script=exports.map']),
  }
}

function macRecipe(sources: string[], work: string): Recipe {
  return {
    sources,
    // Without the availability marks the headers use what only newer systems have.
    compile: [
      '-fPIC',
      '-U_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS',
      '-D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1',
    ],
    link: async objects => {
      const undefinedSymbols = (await run('llvm-nm', ['--undefined-only', '--just-symbol-name', ...objects]))
        .split('\n')
        .map(line => line.trim())
      await writeFile(path.join(work, 'libsystem-libcxx.tbd'), systemCppLibrary(undefinedSymbols))
      // Node-API is the program's own, found when the addon is loaded.
      return [
        '-Wl,-install_name,@rpath/streaming_llm.node',
        '-nostdlib++',
        '-L.',
        '-lsystem-libcxx',
        '-Wl,-undefined,dynamic_lookup',
      ]
    },
  }
}

async function windowsRecipe(sources: string[], work: string): Promise<Recipe> {
  await writeFile(path.join(work, 'node_api_functions.h'), nodeApiFunctions(symbolsOfNodeApi()))
  return {
    sources: [...sources, path.join(native, 'windows', 'host_api.cpp')],
    // Node-API's functions are plain ones here, see native/windows/host_api.cpp. The extensions are for __try.
    compile: ['-DNOMINMAX', '-DWIN32_LEAN_AND_MEAN', '-DNAPI_EXTERN=', '-fms-extensions', `-I${work}`],
    link: () => Promise.resolve([]),
  }
}

/** The functions of Node-API 9. */
export function symbolsOfNodeApi(): string[] {
  const { v9 } = require('node-api-headers/symbols.js') as Record<
    'v9',
    { js_native_api_symbols: string[]; node_api_symbols: string[] }
  >
  return [...v9.js_native_api_symbols, ...v9.node_api_symbols].sort()
}

export function nodeApiFunctions(names: readonly string[]): string {
  return `#pragma once\n#define NODE_API_FUNCTIONS(X) \\\n${names.map(name => `  X(${name})`).join(' \\\n')}\n`
}

function includes(): string[] {
  return [
    path.join(native, 'include', 'llama.cpp'),
    native,
    path.dirname(require.resolve('node-addon-api/package.json')),
    path.join(path.dirname(require.resolve('node-api-headers/package.json')), 'include'),
  ]
}
