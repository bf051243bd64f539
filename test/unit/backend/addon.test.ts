import { loadAddon } from '../../../lib/backend/addon.js'
import { addonAdvice } from '../../../lib/backend/addon-advice.js'
import { StreamingLLMError } from '../../../lib/errors.js'

const missing = (text: string) => () => {
  throw new Error(text)
}

test('in a clone the addon that was built from its sources comes first, elsewhere the prebuilt one', () => {
  expect(loadAddon({ prebuilt: () => 'prebuilt', built: () => 'built', isBuilt: true })).toBe('built')
  expect(loadAddon({ prebuilt: () => 'prebuilt', built: missing('broken'), isBuilt: true })).toBe('prebuilt')
  expect(loadAddon({ prebuilt: () => 'prebuilt', built: missing('never tried'), isBuilt: false })).toBe('prebuilt')
})

function failure(load: Parameters<typeof loadAddon>[0]): StreamingLLMError {
  try {
    loadAddon(load)
  } catch (error) {
    if (StreamingLLMError.isInstance(error)) return error
    throw error
  }
  throw new Error('It was loaded.')
}

test('where neither loads, both reasons are told, and what to do', () => {
  const error = failure({
    prebuilt: missing('no prebuilt\nRequire stack:\n- somewhere'),
    built: missing("version `GLIBC_2.34' not found"),
    isBuilt: true,
  })
  expect(error.code).toBe('ADDON_NOT_FOUND')
  expect(error.details.reasons).toEqual(["version `GLIBC_2.34' not found", 'no prebuilt'])
  expect(error.message).toMatch(
    /:\n- version `GLIBC_2\.34' not found\n- no prebuilt\nWhat may help:\n- This Linux is older/,
  )
  expect(error.message).toContain('npm run build:native')
})

test('of an installed package only the prebuilt one is spoken of', () => {
  expect(
    failure({ prebuilt: missing('no prebuilt'), built: missing('never tried'), isBuilt: false }).details.reasons,
  ).toEqual(['no prebuilt'])
})

// Words of the loaders of three systems.
test.each([
  ['the prebuilt one is made for glibc, and this Linux has musl', 'linux', 'npx streaming-llm build'],
  [
    "/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by x.node)",
    'linux',
    'This Linux is older',
  ],
  ['libstdc++.so.6: cannot open shared object file: No such file or directory', 'linux', 'apt-get install libstdc++6'],
  ['The specified module could not be found.', 'win32', 'Redistributable'],
  ['/x/streaming_llm.node is not a valid Win32 application.', 'win32', 'another processor or system'],
  ['/x/streaming_llm.node: invalid ELF header', 'linux', 'copied from another machine'],
  [
    "dlopen(x.node): tried: 'x.node' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
    'darwin',
    'copied from another machine',
  ],
  ['none is prebuilt for linux-riscv64', 'linux', 'npx streaming-llm build'],
  ["Cannot find module '../../prebuilds/linux-x64/streaming_llm.node'", 'linux', 'external: streaming-llm'],
])('%s', (reason, platform, words) => {
  const advice = addonAdvice([reason], { platform, arch: 'x64' })
  expect(advice).toHaveLength(1)
  expect(advice[0]).toContain(words)
})

test('an unknown reason has no advice', () => {
  expect(addonAdvice(['something else'], { platform: 'linux', arch: 'x64' })).toEqual([])
})
