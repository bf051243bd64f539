import type { Examination } from '../../../lib/backend/examine.js'
import { doctorText } from '../../../lib/cli/doctor.js'

const llama = {
  release: 'v0.4.0',
  folder: '/libraries',
  packaged: true,
  processor: 'A processor',
  backend: 'libggml-cpu-zen4.so',
  threads: 8,
  memoryBytes: 32e9,
}
const device = {
  name: 'CUDA0',
  type: 'gpu',
  description: 'A card',
  backend: 'CUDA',
  memoryFree: 20e9,
  memoryTotal: 24e9,
} as const

test('what is there, what would be used, and the command for more', () => {
  const found: Examination = {
    system: 'Node 24.0.0, linux x64',
    llama,
    gpus: ['NVIDIA'],
    notices: [],
    backends: [
      { kind: 'metal', state: 'foreign', devices: [] },
      {
        kind: 'cuda',
        state: 'works',
        packageName: '@node-llama-cpp/linux-x64-cuda',
        devices: [device],
        milliseconds: 1234,
      },
      { kind: 'vulkan', state: 'missing', install: 'npm install vulkan', devices: [] },
    ],
    choice: { kind: 'cuda', name: 'A card' },
  }
  const text = doctorText('1.2.3', found)
  expect(text).toContain('streaming-llm 1.2.3, Node 24.0.0, linux x64')
  expect(text).toContain('A processor, 8 threads, 32.0 GB of memory; libggml-cpu-zen4.so')
  expect(text).toMatch(
    /^cuda +works \(@node-llama-cpp\/linux-x64-cuda\), tried in 1\.2 s: A card, 20\.0 GB of 24\.0 GB free$/m,
  )
  expect(text).toMatch(/^vulkan +not there; .*npm install vulkan$/m)
  expect(text).toContain('Used by default: cuda, A card.')
  expect(text).not.toContain('metal')
})

test('a back end that fails says why, once', () => {
  const text = doctorText('1.2.3', {
    system: 's',
    llama,
    gpus: [],
    notices: ['The CPU is used: no driver'],
    choice: { kind: 'cpu', name: 'A processor' },
    backends: [{ kind: 'cuda', state: 'fails', reason: 'no driver', devices: [] }],
  })
  expect(text.match(/no driver/g)).toHaveLength(1)
  expect(text).toContain('Used by default: the CPU, A processor.')
})

test('where nothing runs, it says so', () => {
  expect(
    doctorText('1.2.3', {
      system: 's',
      gpus: [],
      backends: [],
      notices: [],
      failure: 'LIBRARY_NOT_FOUND: they are not there',
    }),
  ).toContain('Models cannot be run here.\nLIBRARY_NOT_FOUND: they are not there')
})
