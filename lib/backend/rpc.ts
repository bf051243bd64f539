import { existsSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { abortable, throwIfAborted, type WhenAborted } from '../util/abort.js'
import type { LlamaLibraries } from './locate.js'

// ggml-rpc.cpp of llama.cpp v0.4.0: a request is a byte, its data's length in 8 bytes, the data; an answer is the
// length and the data. Hello has 24 bytes of what the connection can do besides TCP, which here is nothing; its answer
// has the protocol's version before them.
const hello = Buffer.concat([Buffer.of(14), littleEndian(24), Buffer.alloc(24)])
const answerLength = littleEndian(4 + 24)
const answerBytes = 8 + 4 + 24
// Of other releases the version is not known here; theirs have to be of one build.
const protocolOf: Partial<Record<string, number>> = { 'v0.4': 6 }

/** Servers that hold a connection of a model of this thread. They serve one connection at a time. */
const inUse = new Map<string, number>()

/** The back end for servers in a folder of libraries, or undefined. */
export function rpcLibrary({ backendDirectory }: LlamaLibraries): string | undefined {
  return ['libggml-rpc.so', 'ggml-rpc.dll']
    .map(name => path.join(backendDirectory, name))
    .find(file => existsSync(file))
}

/** @throws {StreamingLLMError} RPC_UNAVAILABLE where the libraries have no back end for servers */
export function needRpcLibrary(libraries: LlamaLibraries): string {
  const file = rpcLibrary(libraries)
  if (file !== undefined) return file
  const message = `rpc: the llama.cpp libraries in ${libraries.backendDirectory} have no RPC. Build some that have with npx streaming-llm build --rpc, and ask for them with libraries: 'built'.`
  throw new StreamingLLMError('RPC_UNAVAILABLE', message, { details: { folder: libraries.backendDirectory } })
}

/**
 * Asks each server for its version, since llama.cpp ends the process when one does not answer as it should.
 *
 * @param release llama.cpp's own on this side, such as `v0.4.0`
 * @param patienceMs how long each may take
 * @throws {StreamingLLMError} RPC_UNAVAILABLE naming the first that does not
 * @throws `signal.reason` when aborted
 */
export async function checkRpcServers(
  endpoints: readonly string[],
  release: string,
  { signal, patienceMs = 5_000 }: { signal?: AbortSignal; patienceMs?: number } = {},
): Promise<void> {
  const unknown = endpoints.filter(endpoint => !inUse.has(endpoint))
  await Promise.all(
    unknown.map(async endpoint => {
      const protocol = protocolOf[release.split('.').slice(0, 2).join('.')]
      const problem = await abortable(signal, whenAborted => problemOf(endpoint, { protocol, patienceMs, whenAborted }))
      throwIfAborted(signal)
      if (problem === undefined) return
      throw new StreamingLLMError('RPC_UNAVAILABLE', `rpc: the server ${endpoint} ${problem}`, {
        details: { endpoint },
      })
    }),
  )
}

/** Marks servers as held by a model, until the function that it returns is called. */
export function holdRpcServers(endpoints: readonly string[]): () => void {
  const change = (endpoint: string, by: number): void => {
    const count = (inUse.get(endpoint) ?? 0) + by
    if (count > 0) inUse.set(endpoint, count)
    else inUse.delete(endpoint)
  }
  endpoints.forEach(endpoint => change(endpoint, 1))
  return () => endpoints.forEach(endpoint => change(endpoint, -1))
}

/** Undefined where all is well. */
function problemOf(
  endpoint: string,
  { protocol, patienceMs, whenAborted }: { protocol: number | undefined; patienceMs: number; whenAborted: WhenAborted },
): Promise<string | undefined> {
  const [host, port] = endpoint.split(':')
  return new Promise(resolve => {
    const socket = net.connect({ host, port: Number(port), family: 4 }) // as llama.cpp itself does
    let answer: Buffer = Buffer.alloc(0)
    let connected = false
    const end = (problem?: string): void => {
      socket.destroy()
      resolve(problem)
    }
    whenAborted(() => end('was not waited for'))
    socket.setTimeout(patienceMs, () =>
      end(
        connected
          ? `took the connection and said nothing for ${patienceMs / 1000} s. It serves one program at a time: perhaps another one uses it.`
          : `does not answer (${patienceMs / 1000} s). Is ggml-rpc-server running there, with --host and --port as given here?`,
      ),
    )
    socket.on('connect', () => {
      connected = true
      socket.write(hello)
    })
    socket.on('data', (data: Buffer) => {
      answer = Buffer.concat([answer, data])
      if (answer.length >= answerBytes || !answer.subarray(0, 8).equals(answerLength.subarray(0, answer.length)))
        end(problemOfAnswer(answer, protocol))
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(
        `cannot be reached (${error.code ?? error.message}). Start ggml-rpc-server there, with --host and --port as given here.`,
      ),
    )
    socket.on('close', () =>
      end('closed the connection: it is no ggml-rpc-server, or one of another version of llama.cpp.'),
    )
  })
}

function problemOfAnswer(answer: Buffer, protocol: number | undefined): string | undefined {
  if (answer.length < answerBytes || !answer.subarray(0, 8).equals(answerLength))
    return 'is no ggml-rpc-server: its answer is something else.'
  const [major, minor, patch] = answer.subarray(8, 11)
  if (protocol === undefined || (major === protocol && minor === 0)) return undefined
  return `speaks version ${major}.${minor}.${patch} of the protocol, and these libraries speak ${protocol}.0. Run the ggml-rpc-server that was built along with them.`
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
