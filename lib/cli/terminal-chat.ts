import readline from 'node:readline'
import { PassThrough, Writable } from 'node:stream'
import { type ErrorCode, StreamingLLMError } from '../errors.js'
import { completions } from './chat-commands.js'
import type { ChatSession } from './chat-session.js'
import { forgetfulHistory, historyLine, type LineHistory } from './line-history.js'
import { type Entry, MessageComposer } from './message-composer.js'
import { plainText } from './plain-text.js'
import { failureOf, passOn, write } from './reply.js'
import { inputUnreadable } from './standard-input.js'
import { dim, statusLine } from './status-line.js'
import type { TurnStatistics } from './turn-statistics.js'

/** What a terminal is to this program. */
export interface Terminal {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  errors: NodeJS.WritableStream & { isTTY?: boolean }
}

// After these the chat is as it was, and another message may do better.
const harmless: ErrorCode[] = ['TOKENIZE_FAILED', 'TEMPLATE_FAILED', 'EVICTED', 'INVALID_OPTION', 'UNKNOWN_OPTION']
// A command that fails leaves the chat as it was, unless nothing can go on.
const fatal: ErrorCode[] = ['CLOSED', 'DECODE_FAILED']

// Asks the terminal to mark what is pasted; readline knows the marks as keys. One that cannot do it ignores this.
const markPasted = { on: '\x1b[?2004h', off: '\x1b[?2004l' }

/**
 * A chat between a person and the model. Ctrl-C stops a reply; at the prompt, pressed twice, it ends the chat, as
 * Ctrl-D does.
 *
 * The terminal stays in raw mode during a reply, so Ctrl-C comes as a key and not as a signal to all processes. The
 * shells and package managers that started this one never see it. What is typed meanwhile is kept for the next prompt.
 */
export async function terminalChat(
  session: ChatSession,
  statistics: TurnStatistics,
  terminal: Terminal = { input: process.stdin, output: process.stdout, errors: process.stderr },
  history: LineHistory = forgetfulHistory(),
): Promise<void> {
  const { input, output, errors } = terminal
  const echo = new Echo(output)
  const lines = readline.createInterface({
    input,
    output: echo,
    terminal: true,
    completer: completions,
    history: [...history.lines],
    historySize: 1000,
  })
  const composer = new MessageComposer()
  const entries = new PassThrough({ objectMode: true }) // what has been entered and waits for its turn
  let current: AbortController | undefined
  let warned = false
  let waiting = 0 // entries
  let unseen = false // something of the message was entered while nothing was shown
  let pasting: { atStart: boolean } | undefined

  const ask = (keepCursor = false) => {
    lines.setPrompt(composer.open ? '. ' : '> ')
    lines.prompt(keepCursor)
  }

  lines.on('SIGINT', () => {
    if (current) return current.abort()
    if (warned) return lines.close()
    warned = true
    composer.clear()
    output.write(`\n${dim('Ctrl-C again, or Ctrl-D, ends the chat.', output)}\n`)
    // As a shell does: what was typed is dropped.
    lines.write(null, { ctrl: true, name: 'e' })
    lines.write(null, { ctrl: true, name: 'u' })
    ask()
  })
  // Readline adds each line. A message is remembered as a whole, so what it has added is replaced by what we have.
  let shown: string[] = []
  const restoreHistory = () => {
    shown.splice(0, shown.length, ...history.lines)
  }
  lines.on('history', all => {
    shown = all
    restoreHistory()
  })
  lines.on('line', line => {
    unseen ||= echo.muted
    if (pasting !== undefined) {
      composer.paste(line, pasting.atStart)
      return ask()
    }
    const entry = composer.enter(line)
    if (entry === undefined) return ask()
    const wasUnseen = unseen
    unseen = false
    if (entry.text.trim() === '') return ask()
    const remembered = historyLine(entry)
    if (remembered !== undefined) history.add(remembered)
    restoreHistory()
    entries.write({ entry, unseen: wasUnseen })
    waiting++
    echo.muted = true
  })
  let ended = false // by Ctrl-D, perhaps during a reply; to prompt then would take the input up again
  lines.on('close', () => {
    ended = true
    current?.abort()
    entries.end()
  })
  let failure: unknown
  const onFailure = (error: Error) => {
    failure = failureOf(output, error)
    lines.close()
  }
  output.on('error', onFailure) // of what is shown beside the replies
  lines.on('error', error => {
    // of the input, as where the terminal is gone
    failure = inputUnreadable('chat', error)
    lines.close()
  })
  const onKey = (_text: string | undefined, key: { ctrl?: boolean; name?: string }) => {
    if (!(key.ctrl && key.name === 'c')) warned = false
    if (key.name === 'paste-start') pasting = { atStart: lines.line === '' }
    if (key.name === 'paste-end') pasting = undefined
  }
  input.on('keypress', onKey)

  try {
    if (output.isTTY) output.write(markPasted.on)
    ask()
    for await (const next of entries) {
      const { entry, unseen } = next as { entry: Entry; unseen: boolean }
      waiting--
      if (unseen) output.write(`${plainText(entry.text)}\n`)
      current = new AbortController()
      let isReply = false
      try {
        const { say, reply, ends } = await session.take(entry, Math.max(20, (output.columns || 80) - 1))
        if (say !== undefined) errors.write(`${plainText(say)}\n`)
        if (ends) break
        if (reply !== undefined) {
          isReply = true
          let thinking = false
          const turn = await passOn(
            reply(current.signal),
            async piece => {
              await write(output, `${thinking ? '\n\n' : ''}${plainText(piece)}`)
              thinking = false
            },
            async piece => {
              await write(output, dim(plainText(piece), output))
              thinking = true
            },
          )
          session.last = turn.finish
          errors.write(`\n${dim(statusLine(turn.finish), errors)}\n`)
          await statistics.add(turn)
        }
      } catch (error) {
        if (
          !StreamingLLMError.isInstance(error) ||
          (isReply ? !harmless.includes(error.code) : fatal.includes(error.code))
        )
          throw error
        errors.write(`${isReply ? '\n' : ''}${plainText(error.message)}\n`)
      } finally {
        current = undefined
        echo.muted = waiting > 0
      }
      if (ended) break
      if (!echo.muted) ask(true)
    }
    if (failure !== undefined) throw failure
  } finally {
    input.off('keypress', onKey)
    output.off('error', onFailure)
    lines.close()
    output.write(`${output.isTTY ? markPasted.off : ''}\n`)
  }
}

/** Shows what is typed, except while the model speaks. */
class Echo extends Writable {
  muted = false
  constructor(private readonly output: Terminal['output']) {
    super({
      write: (chunk, _encoding, done) => {
        if (!this.muted) output.write(chunk as Buffer)
        done()
      },
    })
    output.on('resize', () => this.emit('resize'))
  }
  /** Readline wraps long lines by it. */
  get columns(): number | undefined {
    return this.output.columns
  }
}
