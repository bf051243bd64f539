import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type GpuHost, gpuBackends, gpuPackage } from '../../../lib/backend/gpu-backends.js'
import { vendorsOfCards } from '../../../lib/backend/hardware.js'

const modules = path.resolve('/modules')
const file = (name: string, ...parts: string[]): string => path.join(modules, '@node-llama-cpp', name, ...parts)
const packaged = {
  llama: '',
  ggml: '',
  ggmlBase: '',
  cpuBackends: [],
  accelerators: [],
  release: 'v0.4.0',
  packaged: true,
}

/** A machine with these packages, and these files in them or elsewhere. */
function host(platform: string, arch: string, packages: string[], files: string[]): GpuHost {
  return {
    platform,
    arch,
    resolve: name => {
      if (!packages.includes(name)) throw new Error(`Cannot find module '${name}'`)
      return path.join(modules, name, 'dist', 'index.js')
    },
    exists: each => files.includes(each),
  }
}

test('CUDA before Vulkan, and the second package of CUDA after the first', () => {
  const cuda = file('linux-x64-cuda', 'bins', 'linux-x64-cuda', 'libggml-cuda.so')
  const older = file('linux-x64-cuda-ext', 'bins', 'linux-x64-cuda', 'fallback', 'libggml-cuda.so')
  const vulkan = file('linux-x64-vulkan', 'bins', 'linux-x64-vulkan', 'libggml-vulkan.so')
  const machine = host(
    'linux',
    'x64',
    ['@node-llama-cpp/linux-x64-cuda', '@node-llama-cpp/linux-x64-cuda-ext', '@node-llama-cpp/linux-x64-vulkan'],
    [vulkan, older, cuda],
  )
  expect(gpuBackends({ ...packaged, backendDirectory: file('linux-x64', 'bins') }, machine)).toEqual([
    { kind: 'cuda', file: cuda, packageName: '@node-llama-cpp/linux-x64-cuda' },
    { kind: 'cuda', file: older, packageName: '@node-llama-cpp/linux-x64-cuda-ext' },
    { kind: 'vulkan', file: vulkan, packageName: '@node-llama-cpp/linux-x64-vulkan' },
  ])
})

test('Metal lies with the other libraries of a Mac', () => {
  const folder = file('mac-arm64-metal', 'bins', 'mac-arm64-metal')
  const metal = path.join(folder, 'libggml-metal.so')
  expect(gpuBackends({ ...packaged, backendDirectory: folder }, host('darwin', 'arm64', [], [metal]))).toEqual([
    { kind: 'metal', file: metal },
  ])
})

test('beside libraries that were built from source, packages are passed over: they are of another build', () => {
  const vulkan = path.join('/built', 'libggml-vulkan.so')
  const cuda = file('linux-x64-cuda', 'bins', 'linux-x64-cuda', 'libggml-cuda.so')
  const machine = host('linux', 'x64', ['@node-llama-cpp/linux-x64-cuda'], [vulkan, cuda])
  expect(gpuBackends({ ...packaged, packaged: undefined, backendDirectory: '/built' }, machine)).toEqual([
    { kind: 'vulkan', file: vulkan },
  ])
})

test('nothing is installed', () => {
  expect(gpuBackends({ ...packaged, backendDirectory: '/x' }, host('linux', 'x64', [], []))).toEqual([])
})

test.each([
  ['linux', 'x64', 'cuda', '@node-llama-cpp/linux-x64-cuda'],
  ['win32', 'x64', 'vulkan', '@node-llama-cpp/win-x64-vulkan'],
  ['linux', 'arm64', 'cuda', undefined],
  ['darwin', 'arm64', 'metal', undefined],
  ['darwin', 'x64', 'vulkan', undefined],
] as const)('the package for %s %s, %s', (platform, arch, kind, name) => {
  const found = gpuPackage(kind, { platform, arch })
  expect(found?.name).toBe(name)
  if (name !== undefined) expect(found?.install).toBe(`npm install ${name}@3.21.1`)
})

test('the makers of cards, by their numbers', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cards-'))
  const card = (name: string, vendor?: string): void => {
    mkdirSync(path.join(folder, name, 'device'), { recursive: true })
    if (vendor !== undefined) writeFileSync(path.join(folder, name, 'device', 'vendor'), `${vendor}\n`)
  }
  card('card0', '0x10de')
  card('card1', '0x1002')
  card('card2', '0x1234') // a virtual machine's
  card('card3')
  card('card0-HDMI-A-1', '0x8086')
  expect(vendorsOfCards(folder)).toEqual(['NVIDIA', 'AMD'])
  expect(vendorsOfCards(path.join(folder, 'nowhere'))).toEqual([])
  rmSync(folder, { recursive: true })
})
