import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { locateLibraries } from '../../../lib/backend/locate.js'
import type { NativeLoadOptions } from '../../../lib/engine/native.js'
import { probeModel } from '../../../lib/model/load-in-child.js'

const libraries = locateLibraries()
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'load-in-child-'))
})
afterEach(() => {
  delete process.env['STREAMING_LLM_TRIAL']
  rmSync(folder, { recursive: true })
})

/** Tries a model with this script in place of the child process. */
async function probed(script: string, options: { patience?: number; signal?: AbortSignal } = {}): Promise<void> {
  const program = path.join(folder, 'child')
  writeFileSync(program, `#!${process.execPath}\n${script}\n`)
  chmodSync(program, 0o755)
  await probeModel(libraries, 'model.gguf', {} as NativeLoadOptions, { program, ...options })
}

const unlessWindows = process.platform === 'win32' ? test.skip : test

unlessWindows('a load that hangs is given up', async () => {
  await expect(probed('setInterval(() => {}, 1000)', { patience: 300 })).rejects.toMatchObject({
    code: 'MODEL_LOAD_FAILED',
    message: expect.stringContaining('did not answer within 0.3 s') as string,
  })
})

unlessWindows('a load that is aborted is given up, with the reason', async () => {
  const controller = new AbortController()
  const probing = probed('setInterval(() => {}, 1000)', { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(probing).rejects.toThrow('enough')
})

unlessWindows("the child is a Node where this program is Electron's", async () => {
  await probed(`if (process.env.ELECTRON_RUN_AS_NODE === "1") console.log('{"loaded":true}')`)
  await expect(probed('')).rejects.toMatchObject({
    message: expect.stringContaining('ended without an answer') as string,
  })
})

unlessWindows('an answer does not hide that the child crashed as it closed the model', async () => {
  await expect(
    probed('console.log("{}"); process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000)'),
  ).rejects.toMatchObject({
    message: expect.stringMatching(
      /was ended by SIGSEGV \(it used memory that it may not\): it said nothing/,
    ) as string,
    details: { signal: 'SIGSEGV' },
  })
})

test('a program that a trial has started tries nothing, or there would be no end of them', async () => {
  process.env['STREAMING_LLM_TRIAL'] = '{}'
  await expect(probed('')).rejects.toMatchObject({
    code: 'MODEL_LOAD_FAILED',
    message: expect.stringContaining('tries no other') as string,
  })
})
