import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { locateLibraries } from '../../lib/backend/locate.js'
import { library, typescript } from '../tools/child-program.js'
import { tinyModel } from '../tools/tiny-models.js'

// A process opens one set of libraries, so each set that is spoilt has a process of its own.
const { backendDirectory, llama, ggml, release } = locateLibraries()
const model = tinyModel('llama')

let folder: string
beforeEach(() => {
  // Links, but for what a test spoils: the loader takes its neighbours from where a library really lies, so all are
  // copied there.
  folder = mkdtempSync(path.join(os.tmpdir(), 'broken-'))
  for (const name of readdirSync(backendDirectory)) {
    if (/ggml-cpu|metadata/i.test(name)) symlinkSync(path.join(backendDirectory, name), path.join(folder, name))
    else if (/llama|ggml/.test(name) && !/addon|common/.test(name))
      copyFileSync(path.join(backendDirectory, name), path.join(folder, name))
  }
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** Loads a model on the folder's libraries; what it prints in the end. */
function outcome(options: object = {}): {
  code?: string
  message?: string
  tokens?: number
  warnings?: string[]
  device?: { backend: string }
  ended?: string
} {
  const program = `
    import { loadModel } from ${library}
    const warnings = []
    try {
      const model = await loadModel(${JSON.stringify(model)}, { libraries: ${JSON.stringify(folder)}, ...${JSON.stringify(options)}, onWarning: message => warnings.push(message) })
      let tokens = 0
      for await (const event of model.stream('Hello', { maxTokens: 5 })) if (event.type === 'finish') tokens = event.usage.completionTokens
      console.log(JSON.stringify({ tokens, warnings, device: model.device }))
      await model.close()
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }))
    }
  `
  const { stdout, signal, status, stderr } = spawnSync(
    process.execPath,
    [...typescript, '--input-type=module', '-e', program],
    { encoding: 'utf8', timeout: 500_000, killSignal: 'SIGKILL' },
  )
  const last = stdout.trim().split('\n').at(-1) ?? ''
  return last.startsWith('{')
    ? (JSON.parse(last) as ReturnType<typeof outcome>)
    : { ended: `${signal ?? status}: ${stderr}` }
}

const name = (file: string): string => path.basename(file)

test('sound ones work from any folder', () => {
  expect(outcome()).toMatchObject({ tokens: expect.any(Number) as number, device: { backend: 'CPU' }, warnings: [] })
})

test.each([
  ['llama', name(llama)],
  ['ggml', name(ggml)],
])('%s that is text', (_, file) => {
  writeFileSync(path.join(folder, file), 'This was to be a library.')
  expect(outcome()).toMatchObject({ code: 'LIBRARY_NOT_FOUND', message: expect.stringContaining(file) as string })
})

const onLinux = process.platform === 'linux' ? test : test.skip
onLinux('one that is cut off, which would end the process', () => {
  const file = path.join(folder, name(llama))
  truncateSync(file, Math.floor(readFileSync(file).length / 2))
  expect(outcome()).toMatchObject({
    code: 'LIBRARY_NOT_FOUND',
    message: expect.stringContaining('is cut off') as string,
  })
})

test('another library under its name', () => {
  copyFileSync(path.join(folder, name(ggml)), path.join(folder, name(llama)))
  expect(outcome()).toMatchObject({
    code: 'LIBRARY_MISMATCH',
    message: expect.stringContaining('another version of llama.cpp') as string,
  })
})

test('another release than it was made for', () => {
  rmSync(path.join(folder, '_nlcBuildMetadata.json'))
  writeFileSync(
    path.join(folder, '_nlcBuildMetadata.json'),
    readFileSync(path.join(backendDirectory, '_nlcBuildMetadata.json'), 'utf8').replace(release, 'v0.9.0'),
  )
  expect(outcome()).toMatchObject({
    code: 'LIBRARY_MISMATCH',
    message: expect.stringContaining('v0.9.0; wanted is v0.4.x or v0.5.x') as string,
  })
})

test('none for this processor', () => {
  for (const each of readdirSync(folder).filter(each => /ggml-cpu/.test(each))) rmSync(path.join(folder, each))
  expect(outcome()).toMatchObject({
    code: 'LIBRARY_NOT_FOUND',
    message: expect.stringContaining('npx streaming-llm build --native') as string,
  })
})

describe('a GPU back end that does not load', () => {
  const gpu = process.platform === 'win32' ? 'ggml-vulkan.dll' : 'libggml-vulkan.so'
  beforeEach(() => {
    writeFileSync(path.join(folder, gpu), 'This was to be a back end.')
  })

  test('by name it is an error', () => {
    expect(outcome({ gpu: 'vulkan' })).toMatchObject({
      code: 'GPU_UNAVAILABLE',
      message: expect.stringContaining("gpu: 'vulkan' does not work here") as string,
    })
  })

  test('else the CPU is used, and that is announced', () => {
    expect(outcome()).toMatchObject({
      tokens: expect.any(Number) as number,
      device: { backend: 'CPU' },
      warnings: [expect.stringContaining('The CPU is used')],
    })
  })

  test('unless no GPU is wanted', () => {
    expect(outcome({ gpu: false })).toMatchObject({ device: { backend: 'CPU' }, warnings: [] })
  })
})

onLinux('a GPU back end that ends the process ends the child that tries it', () => {
  copyFileSync(path.join(backendDirectory, name(llama)), path.join(folder, 'libggml-vulkan.so'))
  const file = path.join(folder, 'libggml-vulkan.so')
  truncateSync(file, Math.floor(readFileSync(file).length / 2))
  expect(outcome()).toMatchObject({ device: { backend: 'CPU' }, warnings: [expect.stringMatching(/was ended by SIG/)] })
})
