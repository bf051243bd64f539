import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { selectLibraries } from '../../lib/backend/select.js'
import { loadModel, type Model } from '../../lib/index.js'

// With STREAMING_LLM_LIBRARIES naming a build with --rpc, as `npm run test:source` does it.
const { backendDirectory } = selectLibraries()
const reference = process.env['STREAMING_LLM_TEST_MODEL'] as string
const servers: ChildProcess[] = []

afterAll(() => {
  servers.forEach(server => server.kill('SIGKILL'))
})

async function startServer(): Promise<string> {
  const port = await freePort()
  const server = spawn(
    path.join(backendDirectory, process.platform === 'win32' ? 'ggml-rpc-server.exe' : 'ggml-rpc-server'),
    ['--host', '127.0.0.1', '--port', String(port), '--threads', String(threads)],
    { stdio: 'ignore' },
  )
  servers.push(server)
  for (;;) {
    if (server.exitCode !== null) throw new Error(`The server ended with ${server.exitCode}`)
    if (await answers(port)) return `127.0.0.1:${port}`
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as net.AddressInfo
  listener.close()
  await once(listener, 'close')
  return port
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1')
    socket
      .on('connect', () => resolve(true))
      .on('connect', () => socket.destroy())
      .on('error', () => resolve(false))
  })
}

const threads = 2 // here and there, since how the work is divided decides how it is rounded

async function greedyText(model: Model): Promise<string> {
  await using chat = model.createChat()
  const { text } = await chat.ask('Tell me about the sea.', { temperature: 0, maxTokens: 100 })
  return text
}

/** Of a text so long that the sinks are moved on the servers several times, token by token. */
async function logProbabilities(model: Model): Promise<number[]> {
  await using sequence = model.createSequence({ sinks: 4, window: 60, reanchorEvery: 20 })
  const [first, ...rest] = model.tokenize(
    'The quick brown fox jumps over the lazy dog, and the dog sleeps on by the river. '.repeat(10),
  )
  await sequence.append([first as number])
  const scores: number[] = []
  for (const token of rest) scores.push(...(await sequence.score([token])))
  return scores
}

test('a model spread over two servers computes what it computes alone, and each of them holds a part of it', async () => {
  await using alone = await loadModel(reference, { threads })
  const [text, scores] = [await greedyText(alone), await logProbabilities(alone)]
  expect(text.length).toBeGreaterThan(100)
  expect(scores.length).toBeGreaterThan(150)

  const rpc = [await startServer(), await startServer()]
  const log: string[] = []
  await using spread = await loadModel(reference, { threads, rpc, onLog: line => log.push(line.text) })
  expect(await greedyText(spread)).toBe(text)
  const differences = (await logProbabilities(spread)).map((score, i) => Math.abs(score - (scores[i] as number)))
  expect(Math.max(...differences)).toBeLessThan(1e-3)
  for (const endpoint of rpc) {
    const megabytes = log.flatMap(
      line => new RegExp(`\\[${endpoint}\\] model buffer size = +([\\d.]+) MiB`).exec(line)?.[1] ?? [],
    )
    expect(Number(megabytes[0])).toBeGreaterThan(10)
  }
})

test('a server that has gone is told before anything is loaded', async () => {
  const endpoint = await startServer()
  servers.at(-1)?.kill('SIGKILL')
  await expect(loadModel(reference, { rpc: [endpoint] })).rejects.toMatchObject({ code: 'RPC_UNAVAILABLE' })
})
