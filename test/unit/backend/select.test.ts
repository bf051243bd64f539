import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { loadAddonFor } from '../../../lib/backend/addon.js'
import { addonFingerprint, metadataFile } from '../../../lib/backend/build-metadata.js'
import { locateLibraries } from '../../../lib/backend/locate.js'
import { librariesVariable, selectLibraries } from '../../../lib/backend/select.js'
import { StreamingLLMError } from '../../../lib/errors.js'

const saved = [librariesVariable, 'XDG_CACHE_HOME'].map(name => [name, process.env[name]] as const)
let cache: string
beforeEach(() => {
  cache = mkdtempSync(path.join(os.tmpdir(), 'select-'))
  process.env['XDG_CACHE_HOME'] = cache
  delete process.env[librariesVariable]
})
afterEach(() => {
  for (const [name, value] of saved) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  rmSync(cache, { recursive: true })
})

interface Build {
  release?: string
  platform?: string
  arch?: string
  files?: string[]
  /** Which addon was built along; none if undefined. */
  addon?: string
  /** Seconds since 1970. */
  time?: number
}

/** A folder as `streaming-llm build` leaves it, with nothing in its files. */
function build(
  name: string,
  {
    release = 'v0.4.0',
    platform = process.platform,
    arch = process.arch,
    files = ['libllama.built.v0.4.0.so', 'libggml.built.v0.4.0.so', 'libggml-base.built.v0.4.0.so'],
    addon,
    time,
  }: Build = {},
): string {
  const folder = path.join(cache, 'streaming-llm', 'builds', name)
  mkdirSync(folder, { recursive: true })
  for (const file of files) writeFileSync(path.join(folder, file), '')
  if (addon !== undefined) writeFileSync(path.join(folder, 'streaming_llm.node'), '')
  const metadata = path.join(folder, metadataFile)
  writeFileSync(
    metadata,
    JSON.stringify({
      buildOptions: { customCmakeOptions: {}, platform, arch, gpu: false, llamaCpp: { repo: 'r', release } },
      ...(addon === undefined ? {} : { streamingLLM: { addon, source: release } }),
    }),
  )
  if (time !== undefined) utimesSync(metadata, time, time)
  return folder
}

function failure(action: () => unknown): StreamingLLMError {
  try {
    action()
  } catch (error) {
    if (StreamingLLMError.isInstance(error)) return error
    throw error
  }
  throw new Error('It went well.')
}

test('without a wish they are the prebuilt ones', () => {
  build('one')
  expect(selectLibraries()).toEqual(locateLibraries())
})

test("'built' is the latest build that fits this machine and this package", () => {
  build('old', { time: 1_000 })
  const latest = build('latest', { time: 2_000 })
  build('other-machine', { arch: 'riscv64', time: 3_000 })
  build('other-release', { release: 'v9.9.9', time: 4_000 })
  mkdirSync(path.join(cache, 'streaming-llm', 'builds', 'unfinished'))
  expect(selectLibraries('built')).toEqual({
    llama: path.join(latest, 'libllama.built.v0.4.0.so'),
    ggml: path.join(latest, 'libggml.built.v0.4.0.so'),
    ggmlBase: path.join(latest, 'libggml-base.built.v0.4.0.so'),
    cpuBackends: [],
    accelerators: [],
    backendDirectory: latest,
    release: 'v0.4.0',
  })
})

test('the environment variable says it where the option does not', () => {
  const first = build('first', { time: 1_000 })
  const second = build('second', { time: 2_000 })
  process.env[librariesVariable] = 'built'
  expect(selectLibraries().backendDirectory).toBe(second)
  expect(selectLibraries(first).backendDirectory).toBe(first)
  process.env[librariesVariable] = first
  expect(selectLibraries().backendDirectory).toBe(first)
  process.env[librariesVariable] = '' // as shells unset it
  expect(selectLibraries()).toEqual(locateLibraries())
})

test('the addon that was built along comes with them where it is of this version of the package', () => {
  const current = build('current', { addon: addonFingerprint() })
  expect(selectLibraries(current).addon).toBe(path.join(current, 'streaming_llm.node'))
  const outdated = selectLibraries(build('outdated', { addon: '0.0.1 0123' }))
  expect(outdated.addon).toBeUndefined()
  expect(outdated.addonOutdated).toBe(true)
})

test('an addon that is of another version is told of where the own one cannot be loaded', () => {
  const none = () => {
    throw new Error('not here')
  }
  const libraries = { addonOutdated: true, backendDirectory: 'THE-FOLDER' }
  const error = failure(() => loadAddonFor(libraries, { prebuilt: none, built: none, isBuilt: true }))
  expect(error.code).toBe('ADDON_NOT_FOUND')
  expect(error.message).toContain('The addon in THE-FOLDER is of another version')
  expect(loadAddonFor(libraries, { prebuilt: () => 'the own one', built: none, isBuilt: false })).toBe('the own one')
})

test('an addon that was built along and is broken', () => {
  const folder = build('broken', { addon: addonFingerprint() })
  const error = failure(() => loadAddonFor(selectLibraries(folder)))
  expect(error.code).toBe('ADDON_NOT_FOUND')
  expect(error.message).toContain('built along with the libraries')
})

test.each<[string, () => unknown, StreamingLLMError['code'], string]>([
  ['no build at all', () => selectLibraries('built'), 'LIBRARY_NOT_FOUND', 'npx streaming-llm build'],
  [
    'a folder that is not there',
    () => selectLibraries(path.join(cache, 'nowhere')),
    'LIBRARY_NOT_FOUND',
    'no finished llama.cpp libraries',
  ],
  [
    'another release',
    () => selectLibraries(build('a', { release: 'v9.9.9' })),
    'LIBRARY_MISMATCH',
    'v9.9.9; wanted is v0.4.x',
  ],
  [
    'another machine',
    () => selectLibraries(build('b', { platform: 'plan9' })),
    'LIBRARY_MISMATCH',
    `for plan9-${process.arch}`,
  ],
  [
    'a library that is gone',
    () => selectLibraries(build('c', { files: ['libllama.built.v0.4.0.so', 'libggml-base.built.v0.4.0.so'] })),
    'LIBRARY_NOT_FOUND',
    'no ggml library of v0.4.0',
  ],
])('%s', (_, action, code, words) => {
  const error = failure(action)
  expect(error.code).toBe(code)
  expect(error.message).toContain(words)
})

test('node-llama-cpp calls two platforms by other names', () => {
  const names: Record<string, string> = { win32: 'win', darwin: 'mac' }
  const folder = build('named', { platform: (names[process.platform] ?? process.platform) as NodeJS.Platform })
  expect(selectLibraries(folder).backendDirectory).toBe(folder)
})
