import { StreamingLLMError } from '../../../lib/errors.js'
import { buildName, checkBuildOptions, cmakeDefinitions } from '../../../lib/source-build/options.js'

const here = { platform: 'linux', arch: 'x64' }

test('what is not asked for is switched off by name, so that a folder that was configured otherwise is configured anew', () => {
  expect(cmakeDefinitions({})).toEqual({
    GGML_CUDA: 'OFF',
    GGML_METAL: 'OFF',
    GGML_VULKAN: 'OFF',
    GGML_RPC: 'OFF',
    STREAMING_LLM_NATIVE: 'OFF',
  })
  expect(cmakeDefinitions({ cuda: true, native: true })).toMatchObject({
    GGML_CUDA: 'ON',
    STREAMING_LLM_NATIVE: 'ON',
    GGML_RPC: 'OFF',
  })
})

test('definitions are passed on, and win', () => {
  expect(cmakeDefinitions({ definitions: ['CMAKE_CUDA_ARCHITECTURES=80;89', 'GGML_RPC=ON', 'A=b=c'] })).toMatchObject({
    CMAKE_CUDA_ARCHITECTURES: '80;89',
    GGML_RPC: 'ON',
    A: 'b=c',
  })
})

test('builds that differ have different names, which are folders of their own on every system', () => {
  const choices = [{}, { cuda: true }, { vulkan: true }, { rpc: true }, { native: true }, { rpc: true, native: true }]
  const names = ['v0.4.0', 'v0.5.0', 'local'].flatMap(source => choices.map(choice => buildName(source, choice, here)))
  expect(new Set(names).size).toBe(names.length)
  expect(names).toContain('v0.4.0-linux-x64-rpc-native')
  expect(names).toContain('v0.4.0-linux-x64-cpu')
  expect(buildName('feature/../x', {}, here)).toMatch(/^[\w.-]+$/)
})

test.each([
  [{ metal: true }, 'linux', '--metal is for Macs'],
  [{ cuda: true }, 'darwin', 'use --metal'],
  [{ source: 'a', tag: 'b' }, 'linux', 'give one of them'],
  [{ tag: '--upload-pack=x' }, 'linux', 'cannot be the name of a git tag'],
  [{ jobs: 0 }, 'linux', '--jobs must be a whole number'],
  [{ jobs: 1.5 }, 'linux', '--jobs must be a whole number'],
  [{ definitions: ['X'] }, 'linux', '--define takes NAME=VALUE'],
  [{ definitions: ['-DX=1'] }, 'linux', '--define takes NAME=VALUE'],
])('%j on %s is refused', (options, platform, words) => {
  try {
    checkBuildOptions(options, platform)
  } catch (error) {
    expect(StreamingLLMError.isInstance(error) && error.code).toBe('INVALID_OPTION')
    expect((error as Error).message).toContain(words)
    return
  }
  throw new Error('It was taken.')
})

test.each([
  [{ metal: true, rpc: true }, 'darwin'],
  [{ cuda: true, jobs: 3, tag: 'v0.4.0' }, 'win32'],
  [{ vulkan: true, source: 'x' }, 'linux'],
])('%j on %s is taken', (options, platform) => {
  expect(() => checkBuildOptions(options, platform)).not.toThrow()
})
