import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { locateLibraries } from '../../../lib/backend/locate.js'
import { type Trial, tryBackend } from '../../../lib/backend/trial.js'
import { trialOf } from '../../../lib/backend/trial-cache.js'

const libraries = locateLibraries()
const variables = ['XDG_CACHE_HOME', 'CUDA_VISIBLE_DEVICES', 'STREAMING_LLM_TRIAL'] as const
const saved = variables.map(name => [name, process.env[name]] as const)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'trial-'))
  process.env['XDG_CACHE_HOME'] = folder
})
afterEach(() => {
  for (const [name, value] of saved) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  rmSync(folder, { recursive: true })
})

/** A program that stands for the child process. */
function child(script: string): string {
  const file = path.join(folder, 'child')
  writeFileSync(file, `#!${process.execPath}\n${script}\n`)
  chmodSync(file, 0o755)
  return file
}

const backend = { kind: 'cuda', file: '/x/libggml-cuda.so' } as const
const unlessWindows = process.platform === 'win32' ? test.skip : test

unlessWindows('a driver that crashes takes the child, and no more', async () => {
  const { works, reason } = await tryBackend(libraries, backend, {
    child: child('console.error("driver: lost"); process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000)'),
  })
  expect(works).toBe(false)
  expect(reason).toMatch(/was ended by SIGSEGV/)
})

unlessWindows('a driver that hangs is waited for for a while', async () => {
  const { works, reason, milliseconds } = await tryBackend(libraries, backend, {
    patience: 300,
    child: child('setInterval(() => {}, 1000)'),
  })
  expect(works).toBe(false)
  expect(reason).toContain('did not answer within 0.3 s')
  expect(milliseconds).toBeLessThan(20_000)
})

unlessWindows('what drivers print besides is passed over', async () => {
  const device = { name: 'CUDA0', description: 'd', backend: 'CUDA', type: 'gpu', memoryFree: 1, memoryTotal: 2 }
  const answer = JSON.stringify({ devices: [device] })
  expect(
    await tryBackend(libraries, backend, {
      child: child(`console.log("{ not json"); console.log(${JSON.stringify(answer)}); console.log("bye")`),
    }),
  ).toMatchObject({ works: true, devices: [device] })
})

unlessWindows("the loader's reason comes without the file, which the notice names anyway", async () => {
  const answer = JSON.stringify({
    reason: `load_backend: failed to load ${backend.file}: libcudart.so.13: cannot open shared object file`,
  })
  expect(
    (await tryBackend(libraries, backend, { child: child(`console.log(${JSON.stringify(answer)})`) })).reason,
  ).toBe('libcudart.so.13: cannot open shared object file')
})

test('a program that a trial has started tries nothing, or there would be no end of them', async () => {
  process.env['STREAMING_LLM_TRIAL'] = '{}'
  expect(await tryBackend(libraries, backend, { child: path.join(folder, 'nowhere') })).toMatchObject({
    works: false,
    reason: expect.stringContaining('tries no other') as string,
  })
})

test('a program that cannot be started', async () => {
  expect(await tryBackend(libraries, backend, { child: path.join(folder, 'nowhere') })).toMatchObject({
    works: false,
    reason: expect.stringContaining('ENOENT') as string,
  })
})

const outcome = (works: boolean): Trial => ({
  works,
  devices: [],
  milliseconds: 1,
  ...(works ? {} : { reason: 'no driver' }),
})

/** How often a trial is made of some calls. */
function counted(works: boolean): { attempt: typeof tryBackend; times: () => number } {
  let times = 0
  return {
    attempt: async () => {
      times++
      return outcome(works)
    },
    times: () => times,
  }
}

test('a trial is made once for the same libraries, driver and environment', async () => {
  const { attempt, times } = counted(true)
  expect(await trialOf(libraries, backend, { attempt })).toEqual(outcome(true))
  expect(await trialOf(libraries, backend, { attempt })).toEqual(outcome(true))
  expect(times()).toBe(1)
  process.env['CUDA_VISIBLE_DEVICES'] = '3'
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(2)
  await trialOf(libraries, { ...backend, file: '/y/libggml-cuda.so' }, { attempt })
  expect(times()).toBe(3)
  await trialOf(libraries, backend, { attempt, fresh: true })
  expect(times()).toBe(4)
})

test('what failed is tried again after ten minutes, what works after a month, and what is spoilt at once', async () => {
  const { attempt, times } = counted(false)
  await trialOf(libraries, backend, { attempt })
  const cache = path.join(folder, 'streaming-llm', 'devices')
  const file = path.join(cache, readdirSync(cache)[0] as string)
  const aged = (minutes: number, works: boolean): void =>
    writeFileSync(file, JSON.stringify({ at: Date.now() - minutes * 60_000, trial: outcome(works) }))
  aged(5, false)
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(1)
  aged(11, false)
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(2)
  aged(29 * 24 * 60, true)
  expect((await trialOf(libraries, backend, { attempt })).works).toBe(true)
  aged(31 * 24 * 60, true)
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(3)
  writeFileSync(file, '{')
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(4)
})

test('where nothing can be kept, each process tries for itself', async () => {
  writeFileSync(path.join(folder, 'streaming-llm'), 'a file where the folder would be')
  const { attempt, times } = counted(true)
  await trialOf(libraries, backend, { attempt })
  await trialOf(libraries, backend, { attempt })
  expect(times()).toBe(2)
})
