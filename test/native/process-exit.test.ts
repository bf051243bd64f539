import { spawn } from 'node:child_process'
import { addonPath } from '../../lib/backend/addon.js'
import { locateLibraries } from '../../lib/backend/locate.js'
import { exactContext, greedy, verified } from '../tools/native-engine.js'
import { tinyModel } from '../tools/tiny-models.js'

// Plain JavaScript, since neither a worker nor `node -e` goes through the test runner's compiler.
const program = `
const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads')
const given = workerData ?? JSON.parse(process.argv[1])
const addon = require(given.addon)
addon.open(given.paths)
async function reply(events, then) {
  const model = await addon.load(given.model, { gpuLayers: 0, devices: [], ...given.context }, () => {}).promise
  const sequence = model.openSequence(given.sequence)
  const stream = sequence.start({ type: 'generate', tokens: Int32Array.of(1, 300, 301), maxTokens: 0, timeLimit: 0, stop: [], sampling: given.sampling })
  for (let seen = 0; ;) {
    const event = stream.take()
    if (event === null) await new Promise(resolve => stream.wait(resolve))
    else if (++seen === events) await then()
  }
}
if (!isMainThread) reply(10, () => parentPort.postMessage('on'))
else (async () => {
  for (let i = 0; i < 2; i++) {
    const worker = new Worker(${'`${given.program}`'}, { eval: true, workerData: given })
    await new Promise(resolve => worker.once('message', resolve))
    await worker.terminate()
  }
  await reply(5, () => process.exit(0))
})()
`

describe('a process', () => {
  test('ends cleanly in mid-reply, and so does a worker that is terminated', async () => {
    const given = {
      program,
      addon: addonPath(),
      paths: locateLibraries(),
      model: tinyModel('llama', { endBias: -20 }),
      context: exactContext,
      sequence: verified,
      sampling: greedy,
    }
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, ['-e', program, JSON.stringify(given)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let said = ''
      child.stderr.on('data', data => (said += data))
      const how = await new Promise(resolve => child.on('close', (code, signal) => resolve({ code, signal })))
      expect({ ...(how as object), said }).toEqual({ code: 0, signal: null, said: '' })
    }
  })
})
