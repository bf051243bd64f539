import { chooseGpu, type GpuEnvironment } from '../../../lib/backend/choose.js'
import type { GpuBackend, GpuKind } from '../../../lib/backend/gpu-backends.js'
import type { Trial } from '../../../lib/backend/trial.js'
import type { NativeDevice } from '../../../lib/engine/native.js'
import { StreamingLLMError } from '../../../lib/errors.js'

const device = (name: string, type: NativeDevice['type'] = 'gpu'): NativeDevice => ({
  name,
  type,
  description: `the ${name}`,
  backend: 'B',
  memoryFree: 1e9,
  memoryTotal: 2e9,
})
const cuda: GpuBackend = { kind: 'cuda', file: '/c/libggml-cuda.so', packageName: '@node-llama-cpp/linux-x64-cuda' }
const older: GpuBackend = {
  kind: 'cuda',
  file: '/e/libggml-cuda.so',
  packageName: '@node-llama-cpp/linux-x64-cuda-ext',
}
const vulkan: GpuBackend = {
  kind: 'vulkan',
  file: '/v/libggml-vulkan.so',
  packageName: '@node-llama-cpp/linux-x64-vulkan',
}

/** A machine where these back ends work, with these devices, and all others do not. */
function machine(
  backends: GpuBackend[],
  working: [GpuBackend, ...NativeDevice[]][],
  more: Partial<GpuEnvironment> = {},
): GpuEnvironment & { tried: GpuBackend[] } {
  const tried: GpuBackend[] = []
  return {
    backends,
    hardware: [],
    platform: { platform: 'linux', arch: 'x64' },
    packaged: true,
    tried,
    trial: backend => {
      tried.push(backend)
      const found = working.find(([each]) => each === backend)
      const outcome: Trial =
        found === undefined
          ? { works: false, reason: `no driver for ${backend.kind}`, devices: [], milliseconds: 1 }
          : { works: true, devices: found.slice(1) as NativeDevice[], milliseconds: 1 }
      return Promise.resolve(outcome)
    },
    ...more,
  }
}

async function failure(wanted: GpuKind, environment: GpuEnvironment): Promise<StreamingLLMError> {
  const error = await chooseGpu(wanted, environment).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!StreamingLLMError.isInstance(error)) throw error ?? new Error('It was chosen.')
  expect(error.code).toBe('GPU_UNAVAILABLE')
  return error
}

test('the first that works, and what comes after it is not even tried', async () => {
  const here = machine(
    [cuda, older, vulkan],
    [
      [older, device('CUDA0')],
      [vulkan, device('Vulkan0')],
    ],
  )
  expect(await chooseGpu('auto', here)).toEqual({ backend: older, devices: [device('CUDA0')], notices: [] })
  expect(here.tried).toEqual([cuda, older])
})

test('a kind by name passes over the others', async () => {
  const here = machine(
    [cuda, vulkan],
    [
      [cuda, device('CUDA0')],
      [vulkan, device('Vulkan0')],
    ],
  )
  expect((await chooseGpu('vulkan', here)).backend).toBe(vulkan)
  expect(here.tried).toEqual([vulkan])
})

test('integrated devices are used where there are no others', async () => {
  const both = machine([vulkan], [[vulkan, device('Vulkan0', 'igpu'), device('Vulkan1')]])
  expect((await chooseGpu('auto', both)).devices.map(({ name }) => name)).toEqual(['Vulkan1'])
  const integrated = machine([vulkan], [[vulkan, device('Vulkan0', 'igpu')]])
  expect((await chooseGpu('auto', integrated)).devices.map(({ name }) => name)).toEqual(['Vulkan0'])
})

test('the CPU is never taken in silence where a back end is installed', async () => {
  const { backend, devices, notices } = await chooseGpu('auto', machine([cuda, vulkan], []))
  expect(backend).toBeUndefined()
  expect(devices).toEqual([])
  expect(notices.join('\n')).toMatch(
    /cuda \(@node-llama-cpp\/linux-x64-cuda\): no driver for cuda\n- vulkan .*: no driver for vulkan/,
  )
})

test('nor where the system shows a GPU; and the notice says how to use it', async () => {
  const { notices } = await chooseGpu('auto', machine([], [], { hardware: [{ maker: 'NVIDIA' }, { maker: 'Intel' }] }))
  expect(notices).toEqual([expect.stringContaining('npm install @node-llama-cpp/linux-x64-cuda@3.21.1')])
  expect((await chooseGpu('auto', machine([], [], { hardware: [{ maker: 'AMD' }] }))).notices[0]).toContain(
    'linux-x64-vulkan',
  )
  expect((await chooseGpu('auto', machine([], []))).notices).toEqual([])
})

test('a kind by name that does not work is an error with the reason', async () => {
  const error = await failure('cuda', machine([cuda, older, vulkan], [[vulkan, device('Vulkan0')]]))
  expect(error.message).toContain(
    "gpu: 'cuda' does not work here:\n- cuda (@node-llama-cpp/linux-x64-cuda): no driver for cuda\n- cuda (@node-llama-cpp/linux-x64-cuda-ext)",
  )
})

test('a kind by name that is not installed is an error with the command that brings it', async () => {
  const error = await failure('vulkan', machine([cuda], []))
  expect(error.message).toContain('npm install @node-llama-cpp/linux-x64-vulkan@3.21.1')
  expect(error.details['install']).toBe('npm install @node-llama-cpp/linux-x64-vulkan@3.21.1')
})

test('a kind that there is none of for the platform', async () => {
  expect((await failure('metal', machine([], []))).message).toContain('for Macs with Apple silicon')
  expect(
    (await failure('cuda', machine([], [], { platform: { platform: 'linux', arch: 'arm64' } }))).message,
  ).toContain('npx streaming-llm build --cuda')
})

test('beside libraries that were built from source, a package would not help', async () => {
  const built = machine([], [], { packaged: false, hardware: [{ maker: 'NVIDIA' }] })
  expect((await failure('cuda', built)).message).toContain('run: npx streaming-llm build --cuda')
  expect((await chooseGpu('auto', built)).notices).toEqual([
    expect.stringContaining('To use it: npx streaming-llm build --cuda'),
  ])
})

test('CUDA is not for Macs', async () => {
  expect(
    (await failure('cuda', machine([], [], { platform: { platform: 'darwin', arch: 'arm64' } }))).message,
  ).toContain('for NVIDIA GPUs on Linux and Windows')
})
