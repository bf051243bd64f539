import { spawn } from 'node:child_process'
import { addonPath } from '../../lib/backend/addon.js'
import { locateLibraries } from '../../lib/backend/locate.js'
import { exactContext, greedy, verified } from '../tools/native-engine.js'
import { tinyModel } from '../tools/tiny-models.js'

// Plain JavaScript, since neither a worker nor `node -e` goes through the test runner's compiler. Each worker does one
// thing over and over, and is terminated somewhere in it; the main thread's own reply goes on beside them all.
const program = `
const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads')
const given = workerData ?? JSON.parse(process.argv[1])
const addon = require(given.addon)
addon.open(given.paths)
const load = (told = () => {}) => addon.load(given.model, { gpuLayers: 0, devices: [], ...given.context }, told).promise
const generate = { type: 'generate', tokens: Int32Array.of(1, 300, 301), maxTokens: 0, timeLimit: 0, stop: [], sampling: given.sampling }
async function read(stream, on) {
  for (let seen = 0; ;) {
    const event = stream.take()
    if (event === null) await new Promise(resolve => stream.wait(resolve))
    else if (event.type === 'error') throw new Error(event.message)
    else if (event.type === 'finish' || on?.(++seen) === false) return event
  }
}
const request = { texts: Array.from({ length: 64 }, () => 'a few words to be embedded'), pooling: 'mean', normalize: true, maxTokens: 1000 }
// A sequence without a reference is closed by the garbage collector.
const held = []
const open = model => held[held.push(model.openSequence(given.sequence)) - 1]
const begun = () => parentPort.postMessage('on')
const work = {
  async stream() { const sequence = open(await load()); begun(); await read(sequence.start(generate)) },
  async streams() { const model = await load(); begun(); await Promise.all([1, 2, 3].map(() => read(open(model).start(generate)))) },
  async load() { begun(); for (;;) await load(() => {}) },
  async log() { begun(); addon.setLog(() => {}); for (;;) await load() },
  async save() {
    const sequence = open(await load())
    await read(sequence.start({ ...generate, maxTokens: 20 }))
    begun()
    for (;;) await read(sequence.start({ type: 'save' }))
  },
  async embed() { const model = await load(); begun(); for (;;) await model.embed(request).promise },
  async release() { const model = await load(); begun(); for (;;) { await model.embed(request).promise; await model.releaseEmbedder() } },
  async close() { begun(); for (;;) { const model = await load(); open(model).start(generate); await model.close() } },
}
if (!isMainThread) {
  work[given.kind]()
} else (async () => {
  let tokens = 0, over = false
  const stream = open(await load()).start(generate)
  const own = read(stream, () => { tokens++; return !over })
  for (let i = 0; i < given.kinds.length; i++) {
    const worker = new Worker(${'`${given.program}`'}, { eval: true, workerData: { ...given, kind: given.kinds[i] } })
    worker.on('error', error => { console.error(error); process.exitCode = 1 })
    await new Promise(resolve => worker.once('message', resolve))
    await new Promise(resolve => setTimeout(resolve, given.delays[i]))
    const before = tokens
    await worker.terminate()
    // The chat of this thread goes on.
    while (tokens === before) await new Promise(resolve => setTimeout(resolve, 1))
  }
  over = true
  await own
  stream.cancel()
  console.log('on after ' + given.kinds.length)
  process.exit()
})()
`

test('a worker that is terminated in the middle of anything leaves the process and the other threads alone', async () => {
  const kinds = Array.from({ length: 3 }, () => [
    'stream',
    'streams',
    'load',
    'log',
    'save',
    'embed',
    'release',
    'close',
  ]).flat()
  const delays = kinds.map((_, i) => (i * 37) % 50)
  const given = {
    program,
    kinds,
    delays,
    addon: addonPath(),
    paths: locateLibraries(),
    model: tinyModel('llama', { endBias: -20 }),
    context: exactContext,
    sequence: verified,
    sampling: greedy,
  }
  const child = spawn(process.execPath, ['-e', program, JSON.stringify(given)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', data => (said += data))
  child.stderr.on('data', data => (said += data))
  const how = await new Promise(resolve => child.on('close', (code, signal) => resolve({ code, signal })))
  expect({ ...(how as object), said }).toEqual({ code: 0, signal: null, said: `on after ${kinds.length}\n` })
})
