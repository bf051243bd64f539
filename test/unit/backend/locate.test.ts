import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Host, locateLibraries } from '../../../lib/backend/locate.js'
import { StreamingLLMError } from '../../../lib/errors.js'

let modules: string
beforeEach(() => {
  modules = mkdtempSync(path.join(os.tmpdir(), 'locate-'))
})
afterEach(() => {
  rmSync(modules, { recursive: true })
})

function host(platform: string, arch: string, musl = false): Host {
  return {
    platform,
    arch,
    musl: () => musl,
    resolve: name => {
      const entry = path.join(modules, name, 'dist', 'index.js')
      if (!existsSync(entry)) throw new Error(`Cannot find module '${name}'`)
      return entry
    },
  }
}

/** The files of a package as npm lays them down, with nothing in them. */
function install(short: string, names: string[], metadata: string): string {
  const folder = path.join(modules, '@node-llama-cpp', short)
  const bins = path.join(folder, 'bins', short)
  mkdirSync(bins, { recursive: true })
  mkdirSync(path.join(folder, 'dist'))
  writeFileSync(path.join(folder, 'dist', 'index.js'), '')
  writeFileSync(path.join(bins, '_nlcBuildMetadata.json'), metadata)
  for (const name of names) writeFileSync(path.join(bins, name), '')
  return bins
}

const metadata = (release: unknown) => JSON.stringify({ buildOptions: { llamaCpp: { release } } })

function failure(action: () => unknown): StreamingLLMError {
  try {
    action()
  } catch (error) {
    if (StreamingLLMError.isInstance(error)) return error
    throw error
  }
  throw new Error('it did not throw')
}

/** The names in the packages of 3.21.1. */
const packages: Record<string, { short: string; names: string[] }> = {
  'linux-x64': {
    short: 'linux-x64',
    names: [
      'libggml-base.so',
      'libggml-cpu-haswell.so',
      'libggml-cpu-x64.so',
      'libggml.v0.4.0.so',
      'libllama-common.so',
      'libllama.v0.4.0.so',
      'llama-addon.node',
    ],
  },
  'linux-arm64': {
    short: 'linux-arm64',
    names: [
      'libggml-base.so',
      'libggml-cpu-armv8.0_1.so',
      'libggml-cpu-armv9.2_2.so',
      'libggml.v0.4.0.so',
      'libllama-common.so',
      'libllama.v0.4.0.so',
      'llama-addon.node',
    ],
  },
  'win32-x64': {
    short: 'win-x64',
    names: [
      'ggml-base.dll',
      'ggml-cpu-x64.dll',
      'ggml.v0.4.0.dll',
      'llama-addon.lib',
      'llama-addon.node',
      'llama-common.dll',
      'llama.v0.4.0.dll',
    ],
  },
  'win32-arm64': {
    short: 'win-arm64',
    names: [
      'ggml-base.dll',
      'ggml-cpu.dll',
      'ggml.v0.4.0.dll',
      'llama-addon.lib',
      'llama-addon.node',
      'llama-common.dll',
      'llama.v0.4.0.dll',
    ],
  },
  'darwin-x64': {
    short: 'mac-x64',
    names: [
      'libggml-base.dylib',
      'libggml-blas.so',
      'libggml-cpu-haswell.so',
      'libggml.v0.4.0.dylib',
      'libllama-common.dylib',
      'libllama.v0.4.0.dylib',
    ],
  },
  'darwin-arm64': {
    short: 'mac-arm64-metal',
    names: [
      'libggml-base.dylib',
      'libggml-blas.so',
      'libggml-cpu-apple_m1.so',
      'libggml-cpu-apple_m2_m3.so',
      'libggml-metal.so',
      'libggml.metal.v0.4.0.dylib',
      'libllama-common.dylib',
      'libllama.metal.v0.4.0.dylib',
    ],
  },
}

test.each(Object.entries(packages))('%s', (key, { short, names }) => {
  const bins = install(short, names, metadata('v0.4.0'))
  const [platform = '', arch = ''] = key.split('-')
  const found = locateLibraries(host(platform, arch))
  const base = (file: string) => path.relative(bins, file)
  expect(found).toMatchObject({ backendDirectory: bins, release: 'v0.4.0' })
  expect(base(found.llama)).toMatch(/^(lib)?llama(\.metal)?\.v0\.4\.0\.(so|dylib|dll)$/)
  expect(base(found.ggml)).toMatch(/^(lib)?ggml(\.metal)?\.v0\.4\.0\.(so|dylib|dll)$/)
  expect(found.cpuBackends.map(base)).toEqual(names.filter(name => name.includes('ggml-cpu')))
  expect(found.cpuBackends.length).toBeGreaterThan(0)
  expect(base(found.ggmlBase)).toMatch(/^(lib)?ggml-base\.(so|dylib|dll)$/)
})

test('the packages installed here', () => {
  const found = locateLibraries()
  for (const file of [found.llama, found.ggml, found.ggmlBase, found.backendDirectory])
    expect(existsSync(file)).toBe(true)
})

test.each(['v0.4.0', 'v0.4.12', 'v0.5.1'])('release %s is accepted', release => {
  install('linux-x64', ['libggml-base.so', `libggml.${release}.so`, `libllama.${release}.so`], metadata(release))
  expect(locateLibraries(host('linux', 'x64')).release).toBe(release)
})

test.each(['v0.3.9', 'v0.6.0', 'v1.4.0', 'b4000', 'v0.4.0-rc', undefined, 5])('release %p is refused', release => {
  const bins = install('linux-x64', packages['linux-x64']!.names, metadata(release))
  const error = failure(() => locateLibraries(host('linux', 'x64')))
  expect(error.code).toBe('LIBRARY_MISMATCH')
  expect(error.message).toContain(path.join(bins, '_nlcBuildMetadata.json'))
  expect(error.message).toContain(
    `names release ${typeof release === 'string' ? release : 'none'}, wanted is v0.4.x or v0.5.x`,
  )
})

test('not installed: the command that installs it', () => {
  const error = failure(() => locateLibraries(host('darwin', 'arm64')))
  expect(error.code).toBe('LIBRARY_NOT_FOUND')
  expect(error.message).toContain('npm install @node-llama-cpp/mac-arm64-metal@3.21.1')
})

test('musl has none, whatever is installed', () => {
  install('linux-x64', packages['linux-x64']!.names, metadata('v0.4.0'))
  const error = failure(() => locateLibraries(host('linux', 'x64', true)))
  expect(error.code).toBe('LIBRARY_NOT_FOUND')
  expect(error.message).toContain('musl')
})

test.each([
  ['freebsd', 'x64'],
  ['linux', 'ia32'],
  ['constructor', ''],
])('%s %s has none', (platform, arch) => {
  const error = failure(() => locateLibraries(host(platform, arch)))
  expect(error.code).toBe('LIBRARY_NOT_FOUND')
  expect(error.message).toContain(`${platform}-${arch}`)
})

test.each(['libllama.v0.4.0.so', 'libggml.v0.4.0.so', 'libggml-base.so'])(
  'without %s the package is incomplete',
  name => {
    install(
      'linux-x64',
      packages['linux-x64']!.names.filter(each => each !== name),
      metadata('v0.4.0'),
    )
    const error = failure(() => locateLibraries(host('linux', 'x64')))
    expect(error.code).toBe('LIBRARY_NOT_FOUND')
    expect(error.message).toContain('incomplete')
  },
)

test.each(['', '{', 'null'])('metadata %j', text => {
  install('linux-x64', packages['linux-x64']!.names, text)
  expect(failure(() => locateLibraries(host('linux', 'x64'))).code).toMatch(/^LIBRARY_/)
})
