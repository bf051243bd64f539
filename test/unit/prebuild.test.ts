import { readFileSync } from 'node:fs'
import { type Addons, prepareAddons } from '../../scripts/package/addons.js'
import { nodeApiFunctions, symbolsOfNodeApi } from '../../scripts/prebuild/compile.js'
import { type AddonFacts, compareVersions, faults } from '../../scripts/prebuild/inspect.js'
import { isOfCppRuntime, systemCppLibrary } from '../../scripts/prebuild/system-libcxx.js'
import { exported, parseTargets, type TargetName, targetNames, triple } from '../../scripts/prebuild/targets.js'

test('the loader and the packages of libraries know every target, and no other', () => {
  const loader = readFileSync(new URL('../../lib/backend/addon.ts', import.meta.url), 'utf8')
  const cases = [
    ...loader.matchAll(/case '([\w-]+)':\s+return require\('\.\.\/\.\.\/prebuilds\/([\w-]+)\/streaming_llm\.node'\)/g),
  ]
  expect(cases.map(([, name]) => name).sort()).toEqual([...targetNames].sort())
  for (const [, name, folder] of cases) expect(folder).toBe(name)
  const locate = readFileSync(new URL('../../lib/backend/locate.ts', import.meta.url), 'utf8')
  for (const name of targetNames) expect(locate).toContain(`'${name}': `)
})

test('targets by name', () => {
  expect(parseTargets(['linux-x64', 'win32-arm64'])).toEqual(['linux-x64', 'win32-arm64'])
  expect(() => parseTargets(['linux-riscv64'])).toThrow('There is no target linux-riscv64')
  expect(new Set(targetNames.map(triple)).size).toBe(targetNames.length)
  expect(triple('linux-arm64')).toBe('aarch64-linux-gnu.2.34')
})

test.each([
  '__ZNSt3__16thread4joinEv',
  '__ZNKSt9exception4whatEv',
  '__ZTISt12out_of_range',
  '__ZTVN10__cxxabiv117__class_type_infoE',
  '__ZSt9terminatev',
  '__Znwm',
  '__ZdlPvm',
  '___cxa_throw',
  '___gxx_personality_v0',
])('%s is of C++', symbol => {
  expect(isOfCppRuntime(symbol)).toBe(true)
})

test.each([
  '_napi_create_object',
  '_malloc',
  '__Unwind_Resume',
  '__ZN9streaming5ModelD1Ev',
  '_dlopen',
  '__tlv_atexit',
  '___cxa_throw_more'.slice(1),
])('%s is not', symbol => {
  expect(isOfCppRuntime(symbol)).toBe(false)
})

test("the description of the Mac's C++ library has what is needed of it, once", () => {
  const text = systemCppLibrary(['_malloc', '___cxa_throw', '__Znwm', '___cxa_throw', '_napi_call_function', ''])
  expect(text).toContain("symbols: [ '__Znwm', '___cxa_throw' ]")
  expect(text).toContain("install-name: '/usr/lib/libc++.1.dylib'")
})

test('the functions of Node-API, as the jumps for Windows are made from them', () => {
  const names = symbolsOfNodeApi()
  expect(names).toContain('napi_create_threadsafe_function')
  expect(names.length).toBeGreaterThan(120)
  expect(new Set(names).size).toBe(names.length)
  expect(nodeApiFunctions(['a', 'b'])).toBe('#pragma once\n#define NODE_API_FUNCTIONS(X) \\\n  X(a) \\\n  X(b)\n')
})

test('versions are compared by their numbers', () => {
  expect(compareVersions('2.9', '2.34')).toBeLessThan(0)
  expect(compareVersions('3.4.30', '3.4.29')).toBeGreaterThan(0)
  expect(compareVersions('2.34', '2.34')).toBe(0)
  expect(compareVersions('2.34.1', '2.34')).toBeGreaterThan(0)
})

const sound: Record<string, AddonFacts> = {
  'linux-x64': {
    architecture: 'x86_64',
    exports: exported,
    libraries: ['libstdc++.so.6', 'libgcc_s.so.1', 'libc.so.6', 'ld-linux-x86-64.so.2'],
    imports: ['napi_call_function', 'dlopen@GLIBC_2.34', '_ZSt9terminatev@GLIBCXX_3.4'],
  },
  'darwin-arm64': {
    architecture: 'aarch64',
    exports: [...exported, '__mh_dylib_header'],
    libraries: ['/usr/lib/libc++.1.dylib', '/usr/lib/libSystem.B.dylib'],
    imports: ['_napi_call_function', '___cxa_throw', '_dlopen', 'dyld_stub_binder'],
    oldestSystem: '14.0',
    signed: true,
  },
  'win32-x64': {
    architecture: 'x86_64',
    exports: exported,
    libraries: ['KERNEL32.dll', 'api-ms-win-crt-heap-l1-1-0.dll'],
    imports: ['LoadLibraryExW', 'malloc'],
  },
}

test.each(Object.entries(sound))('a sound addon for %s', (name, facts) => {
  expect(faults(name as TargetName, facts, ['napi_call_function'])).toEqual([])
})

test.each<[TargetName, Partial<AddonFacts>, string]>([
  ['linux-x64', { architecture: 'aarch64' }, 'its processor is aarch64, not x86_64'],
  ['linux-x64', { exports: ['napi_register_module_v1'] }, 'it does not export node_api_module_get_api_version_v1'],
  ['linux-x64', { exports: [...exported, '_ZSt9terminatev'] }, 'it exports more than it should'],
  ['linux-x64', { imports: ['x@GLIBC_2.35'] }, 'x@GLIBC_2.35 is newer than 2.34'],
  ['linux-x64', { imports: ['x@@GLIBCXX_3.4.30'] }, 'is newer than 3.4.29'],
  ['linux-x64', { libraries: ['libstdc++.so.6', 'libc.so.6'] }, 'it does not share the unwinder'],
  ['linux-x64', { libraries: ['libgcc_s.so.1', 'libllama.so'] }, 'it needs libllama.so'],
  ['darwin-arm64', { signed: false }, 'it is not signed'],
  ['darwin-arm64', { imports: ['__ZN9streaming5ModelD1Ev'] }, 'it lacks __ZN9streaming5ModelD1Ev'],
  ['darwin-arm64', { oldestSystem: '15.0' }, 'it is for macOS 15.0'],
  ['darwin-arm64', { libraries: ['/usr/lib/libSystem.B.dylib'] }, 'it does not share the C++ library'],
  ['win32-x64', { libraries: ['NODE.EXE'] }, 'it needs NODE.EXE'],
  ['win32-x64', { imports: ['napi_call_function'] }, 'it takes Node-API from a program of a fixed name'],
])('a fault of %s is found: %j', (name, change, words) => {
  const found = faults(name, { ...(sound[name] as AddonFacts), ...change }, ['napi_call_function'])
  expect(found.join('\n')).toContain(words)
})

describe('the addons of a package that is packed', () => {
  /** prebuilds/ with what is there of each platform. */
  function place(there: Partial<Record<TargetName, 'current' | 'outdated' | 'built here'>>): {
    addons: Addons
    built: () => number
    said: string[]
  } {
    let built = 0
    const said: string[] = []
    const addons: Addons = {
      here: 'linux-x64',
      all: targetNames,
      isThere: name => there[name] !== undefined,
      isCurrent: name => there[name] === 'current',
      isBuiltHere: name => there[name] === 'built here',
      buildHere: async () => {
        built++
        there['linux-x64'] = 'built here'
      },
      say: line => said.push(line),
    }
    return { addons, built: () => built, said }
  }

  test('in a clone are built as often as it is packed', async () => {
    const { addons, built } = place({})
    for (let i = 1; i <= 3; i++) {
      await prepareAddons(addons)
      expect(built()).toBe(i)
    }
  })

  test('are the prebuilt ones where these are of the sources', async () => {
    const { addons, built, said } = place({ 'linux-x64': 'current', 'darwin-arm64': 'current' })
    await prepareAddons(addons)
    expect(built()).toBe(0)
    expect(said.join()).toContain('no addon for')
    await expect(prepareAddons(place({ 'linux-x64': 'outdated' }).addons)).rejects.toThrow('not of the sources')
    await expect(prepareAddons(place({ 'linux-x64': 'built here', 'darwin-arm64': 'current' }).addons)).rejects.toThrow(
      'linux-x64',
    )
  })
})
