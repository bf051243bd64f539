import readline from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { ChatSession } from './chat-session.js'
import { type Entry, MessageComposer } from './message-composer.js'
import { passOn, write } from './reply.js'
import { inputUnreadable } from './standard-input.js'
import type { TurnStatistics } from './turn-statistics.js'

export interface PipedChatOptions {
  /** Lines are read as on a terminal: commands, and messages of several lines. */
  commands?: boolean
  input?: Readable
  output?: Writable
  errors?: Writable
}

const widthOfFiles = 80

/**
 * Each line of the input is a message; its answer goes to the output, and a new line after it. What commands say goes
 * to stderr, so that the output has the replies and nothing else; one that fails ends the program, since there is no
 * user to try again.
 */
export async function pipedChat(
  session: ChatSession,
  statistics: TurnStatistics,
  { commands = false, input = process.stdin, output = process.stdout, errors = process.stderr }: PipedChatOptions = {},
): Promise<void> {
  const lines = readline.createInterface({ input, crlfDelay: Infinity })
  try {
    const read = withoutMark(lines)
    for await (const entry of commands ? composed(read) : plain(read)) {
      if (entry.text.trim() === '') continue
      const { say, reply, ends } = await session.take(entry, widthOfFiles)
      // Notices that cannot be written are lost; what counts are the replies.
      if (say !== undefined) await write(errors, `${say}\n`).catch(() => {})
      if (reply !== undefined) {
        const turn = await passOn(reply(), piece => write(output, piece))
        session.last = turn.finish
        await write(output, '\n')
        await statistics.add(turn)
      }
      if (ends) break
    }
  } finally {
    lines.close()
  }
}

/** Without the mark that some editors begin a text with. Throws INVALID_OPTION where there is no reading on. */
async function* withoutMark(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let first = true
  try {
    for await (const line of lines) {
      yield first ? line.replace(/^\uFEFF/, '') : line
      first = false
    }
  } catch (error) {
    throw inputUnreadable('chat', error)
  }
}

async function* plain(lines: AsyncIterable<string>): AsyncGenerator<Entry> {
  for await (const text of lines) yield { text, asIs: true }
}

async function* composed(lines: AsyncIterable<string>): AsyncGenerator<Entry> {
  const composer = new MessageComposer()
  for await (const line of lines) {
    const entry = composer.enter(line)
    if (entry !== undefined) yield entry
  }
  const last = composer.end()
  if (last !== undefined) yield last
}
