import readline from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { GenerateOptions } from '../options.js'
import { reply, write, type Talker } from './reply.js'
import type { TurnStatistics } from './turn-statistics.js'

/** Each line of the input is a message; its answer goes to the output, and a new line after it. */
export async function pipedChat(
  chat: Talker,
  options: GenerateOptions,
  statistics: TurnStatistics,
  input: Readable = process.stdin,
  output: Writable = process.stdout,
): Promise<void> {
  const lines = readline.createInterface({ input, crlfDelay: Infinity })
  try {
    for await (const line of lines) {
      if (line.trim() === '') continue
      const turn = await reply(chat, line, options, piece => write(output, piece))
      await write(output, '\n')
      await statistics.add(turn)
    }
  } finally {
    lines.close()
  }
}
