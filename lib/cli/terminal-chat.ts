import readline from 'node:readline'
import { Writable } from 'node:stream'
import { StreamingLLMError, type ErrorCode } from '../errors.js'
import type { GenerateOptions } from '../options.js'
import { plainText } from './plain-text.js'
import { reply, write, type Talker } from './reply.js'
import { dim, statusLine } from './status-line.js'
import type { TurnStatistics } from './turn-statistics.js'

/** What a terminal is to this program. */
export interface Terminal {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  errors: NodeJS.WritableStream & { isTTY?: boolean }
}

// After these the chat is as it was, and another message may do better.
const harmless: ErrorCode[] = ['TOKENIZE_FAILED', 'TEMPLATE_FAILED']

/**
 * A chat between a person and the model. Ctrl-C stops a reply; at the prompt, pressed twice, it ends the chat, as
 * Ctrl-D does.
 *
 * The terminal stays in raw mode during a reply, so Ctrl-C comes as a key and not as a signal to all processes: the
 * shells and package managers that started this one never see it. What is typed meanwhile is kept for the next prompt.
 */
export async function terminalChat(
  chat: Talker,
  options: GenerateOptions,
  statistics: TurnStatistics,
  terminal: Terminal = { input: process.stdin, output: process.stdout, errors: process.stderr },
): Promise<void> {
  const { input, output, errors } = terminal
  const echo = new Echo(output)
  const lines = readline.createInterface({ input, output: echo, terminal: true, prompt: '> ' })
  let current: AbortController | undefined
  let warned = false
  let unseen = 0 // lines entered during a reply

  lines.on('SIGINT', () => {
    if (current) return current.abort()
    if (warned) return lines.close()
    warned = true
    output.write(`\n${dim('Ctrl-C again, or Ctrl-D, ends the chat.', output)}\n`)
    // As a shell does: what was typed is dropped.
    lines.write(null, { ctrl: true, name: 'e' })
    lines.write(null, { ctrl: true, name: 'u' })
    lines.prompt()
  })
  lines.on('line', () => { if (echo.muted) unseen++ })
  let ended = false // by Ctrl-D, perhaps during a reply; to prompt then would take the input up again
  lines.on('close', () => {
    ended = true
    current?.abort()
  })
  const onKey = (_text: string | undefined, key: { ctrl?: boolean; name?: string }) => {
    if (!(key.ctrl && key.name === 'c')) warned = false
  }
  input.on('keypress', onKey)

  try {
    lines.prompt()
    for await (const line of lines) {
      if (unseen > 0) {
        unseen--
        output.write(`${line}\n`)
      }
      if (line.trim() === '') {
        lines.prompt()
        continue
      }
      current = new AbortController()
      echo.muted = true
      try {
        const turn = await reply(chat, line, { ...options, signal: current.signal }, piece => write(output, plainText(piece)))
        errors.write(`\n${dim(statusLine(turn.finish), errors)}\n`)
        await statistics.add(turn)
      } catch (error) {
        if (!StreamingLLMError.isInstance(error) || !harmless.includes(error.code)) throw error
        errors.write(`\n${error.message}\n`)
      } finally {
        current = undefined
        echo.muted = false
      }
      if (ended) break
      lines.prompt(true)
    }
  } finally {
    input.off('keypress', onKey)
    lines.close()
    output.write('\n')
  }
}

/** Shows what is typed, except while the model speaks. */
class Echo extends Writable {
  muted = false
  constructor(private readonly output: Terminal['output']) {
    super({ write: (chunk, _encoding, done) => { if (!this.muted) output.write(chunk as Buffer); done() } })
    output.on('resize', () => this.emit('resize'))
  }
  /** Readline wraps long lines by it. */
  get columns(): number | undefined {
    return this.output.columns
  }
}
