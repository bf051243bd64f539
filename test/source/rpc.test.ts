import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { selectLibraries } from '../../lib/backend/select.js'
import { loadModel, type Model } from '../../lib/index.js'

// With STREAMING_LLM_LIBRARIES naming a build with --rpc, as `npm run test:source` does it.
const { backendDirectory } = selectLibraries()
const reference = process.env['STREAMING_LLM_TEST_MODEL'] as string
const servers: ChildProcess[] = []

afterAll(() => { servers.forEach(server => server.kill('SIGKILL')) })

async function startServer(): Promise<string> {
  const port = await freePort()
  const server = spawn(path.join(backendDirectory, process.platform === 'win32' ? 'ggml-rpc-server.exe' : 'ggml-rpc-server'), ['--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' })
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
    socket.on('connect', () => resolve(true)).on('connect', () => socket.destroy()).on('error', () => resolve(false))
  })
}

/** Long enough for the window to be left, so that sinks are moved on the servers as well. */
async function greedyText(model: Model): Promise<string> {
  await using chat = model.createChat({ sinks: 4, window: 60 })
  const { text } = await chat.ask('Tell me about the sea.', { temperature: 0, maxTokens: 120 })
  return text
}

test('a model spread over two servers says what it says alone, and each of them holds a part of it', async () => {
  await using alone = await loadModel(reference)
  const expected = await greedyText(alone)
  expect(expected.length).toBeGreaterThan(100)

  const rpc = [await startServer(), await startServer()]
  const log: string[] = []
  await using spread = await loadModel(reference, { rpc, onLog: ({ text }) => log.push(text) })
  expect(await greedyText(spread)).toBe(expected)
  const held = log.flatMap(line => /(RPC\S*) model buffer size = +([\d.]+) MiB/.exec(line) ?? []).filter((_, i) => i % 3 !== 0)
  expect(held.filter((_, i) => i % 2 === 0).length).toBe(2)
  for (const size of held.filter((_, i) => i % 2 === 1)) expect(Number(size)).toBeGreaterThan(1)
})

test('a server that has gone is told before anything is loaded', async () => {
  const endpoint = await startServer()
  servers.at(-1)?.kill('SIGKILL')
  await expect(loadModel(reference, { rpc: [endpoint] })).rejects.toMatchObject({ code: 'RPC_UNAVAILABLE' })
})
