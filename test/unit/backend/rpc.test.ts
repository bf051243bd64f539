import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { checkRpcServers, holdRpcServers, needRpcLibrary } from '../../../lib/backend/rpc.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { parseModelOptions } from '../../../lib/model/parse-options.js'
import { deafSignal, held } from '../../tools/deaf-signal.js'

let stop: (() => void)[] = []
afterEach(() => {
  stop.forEach(each => each())
  stop = []
})

/** Something that listens, and does `answer` with what it is told. */
async function server(
  answer: (socket: net.Socket, told: Buffer) => void,
  onConnection: (socket: net.Socket) => void = () => {},
): Promise<string> {
  const sockets = new Set<net.Socket>()
  const listener = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('data', told => answer(socket, told))
    onConnection(socket)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  stop.push(() => {
    sockets.forEach(socket => socket.destroy())
    listener.close()
  })
  return `127.0.0.1:${(listener.address() as net.AddressInfo).port}`
}

/** The answer to hello: its length in 8 bytes, the version's three, one for alignment, and 24 of abilities. */
function hello(...version: number[]): Buffer {
  const bytes = Buffer.alloc(36)
  bytes.writeBigUInt64LE(28n)
  bytes.set(version, 8)
  return bytes
}

async function problem(endpoint: string, release = 'v0.4.0', patienceMs = 300_000): Promise<string> {
  const error = await checkRpcServers([endpoint], release, { patienceMs }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return ''
  if (!StreamingLLMError.isInstance(error)) throw error
  expect(error.code).toBe('RPC_UNAVAILABLE')
  expect(error.details).toEqual({ endpoint })
  return error.message
}

test('a server that speaks the version of these libraries', async () => {
  const told: Buffer[] = []
  const endpoint = await server((socket, data) => {
    told.push(data)
    socket.write(hello(6, 0, 3))
  })
  expect(await problem(endpoint)).toBe('')
  expect(Buffer.concat(told).subarray(0, 9)).toEqual(Buffer.of(14, 24, 0, 0, 0, 0, 0, 0, 0))
})

test('its answer may come in pieces', async () => {
  const endpoint = await server(socket => {
    const bytes = hello(6, 0, 0)
    socket.setNoDelay()
    for (let i = 0; i < bytes.length; i += 5) setTimeout(() => socket.write(bytes.subarray(i, i + 5)), i)
  })
  expect(await problem(endpoint)).toBe('')
})

test.each<[string, Buffer, string]>([
  ['another version', hello(5, 1, 0), 'speaks version 5.1.0 of the protocol, and these libraries speak 6.0'],
  ['another minor version', hello(6, 1, 0), 'speaks version 6.1.0'],
  ['something else', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'), 'is no ggml-rpc-server'],
])('%s', async (_, answer, words) => {
  expect(await problem(await server(socket => socket.write(answer)))).toContain(words)
})

test('of another release of llama.cpp no version is known here, so any is taken', async () => {
  expect(await problem(await server(socket => socket.write(hello(7, 0, 0))), 'v0.5.0')).toBe('')
})

test('one that says nothing, since it serves another program', async () => {
  expect(await problem(await server(() => {}), undefined, 1000)).toContain('serves one program at a time')
})

test('one that hangs up', async () => {
  expect(await problem(await server(socket => socket.end()))).toContain('closed the connection')
})

test('no server there', async () => {
  const endpoint = await server(() => {})
  stop.pop()?.()
  expect(await problem(endpoint)).toMatch(/cannot be reached \(ECONNREFUSED\)/)
})

test('aborting does not wait for an answer', async () => {
  const endpoint = await server(() => {})
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 20)
  await expect(checkRpcServers([endpoint], 'v0.4.0', { signal: controller.signal, patienceMs: 1e6 })).rejects.toBe(
    reason,
  )
})

test('a server that a model holds is not asked, since it could not answer; it is once the last model has let go', async () => {
  let asked = 0
  const endpoint = await server(
    socket => socket.write(hello(6, 0, 0)),
    () => {
      asked++
    },
  )
  const [first, second] = [holdRpcServers([endpoint]), holdRpcServers([endpoint])]
  await checkRpcServers([endpoint], 'v0.4.0')
  first()
  await checkRpcServers([endpoint], 'v0.4.0')
  expect(asked).toBe(0)
  second()
  await checkRpcServers([endpoint], 'v0.4.0')
  expect(asked).toBe(1)
})

test('libraries without RPC say how to get some', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'rpc-'))
  stop.push(() => rmSync(folder, { recursive: true }))
  const libraries = {
    llama: '',
    ggml: '',
    ggmlBase: '',
    cpuBackends: [],
    accelerators: [],
    backendDirectory: folder,
    release: 'v0.4.0',
  }
  expect(() => needRpcLibrary(libraries)).toThrow('npx streaming-llm build --rpc')
  writeFileSync(path.join(folder, 'libggml-rpc.so'), '')
  expect(needRpcLibrary(libraries)).toBe(path.join(folder, 'libggml-rpc.so'))
})

test.each([[['192.168.1.2:50052']], [['localhost:1', 'host-2.example:65535']]])('rpc: %j', servers => {
  expect(parseModelOptions({ rpc: servers }).rpc).toEqual(servers)
})

test.each([
  [[]],
  ['host:1'],
  [['host']],
  [['host:0']],
  [['host:65536']],
  [['a b:1']],
  [['http://host:1']],
  [['host:1', 'host:1']],
  [[1]],
  [Array.from({ length: 17 }, (_, i) => `host:${i + 1}`)],
])('rpc: %j is refused', servers => {
  expect(() => parseModelOptions({ rpc: servers })).toThrow(
    "an array of 1 to 16 different strings such as '192.168.1.2:50052'",
  )
})

test('a signal that cannot be listened to leaves no connection behind', async () => {
  const endpoint = await server(() => {})
  const before = held('TCPSocketWrap', 'Timeout')
  const checked = checkRpcServers([endpoint], 'v0.4.0', { signal: deafSignal() })
  await expect(checked).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(held('TCPSocketWrap', 'Timeout')).toEqual(before)
})
