import type { Writable } from 'node:stream'
import { StreamingLLMError } from '../errors.js'
import type { GenerateOptions } from '../options/parse.js'
import { readTextFile, textLines } from '../util/text-file.js'
import { Interrupted, onInterrupt } from './failure.js'
import { passOn, type Talker, write } from './reply.js'
import { dim, statusLine } from './status-line.js'
import type { TurnStatistics } from './turn-statistics.js'

/** The paper's demo: one conversation through all turns of all questions. */
export async function promptsChat(
  chat: Talker,
  prompts: string[],
  options: GenerateOptions,
  statistics: TurnStatistics,
  output: Writable = process.stdout,
): Promise<void> {
  const interrupt = onInterrupt()
  try {
    for (const prompt of prompts) {
      await write(output, `\nUSER: ${prompt}\n\nASSISTANT: `)
      const turn = await passOn(chat.stream(prompt, { ...options, signal: interrupt.signal }), piece =>
        write(output, piece),
      )
      await write(output, '\n')
      process.stderr.write(`${dim(statusLine(turn.finish), process.stderr)}\n`)
      if (interrupt.signal.aborted) throw new Interrupted()
      await statistics.add(turn)
    }
  } finally {
    interrupt.release()
  }
}

/** All turns of a file in the form of MT-bench: a JSON object a line, with `turns`, an array of texts. */
export function readPrompts(file: string): string[] {
  let content: string
  try {
    content = readTextFile(file)
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `--prompts: ${(cause as Error).message}`, {
      cause,
      details: { file },
    })
  }
  const prompts = textLines(content).flatMap((line, index) =>
    line.trim() === '' ? [] : turnsOf(line, `${file}:${index + 1}`),
  )
  if (prompts.length > 0) return prompts
  throw new StreamingLLMError('INVALID_OPTION', `--prompts: ${file} has no prompts`, { details: { file } })
}

function turnsOf(line: string, where: string): string[] {
  let turns: unknown
  try {
    turns = (JSON.parse(line) as { turns?: unknown } | null)?.turns
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `--prompts: ${where} is not JSON`, { cause, details: { where } })
  }
  if (Array.isArray(turns) && turns.every(turn => typeof turn === 'string')) return turns
  throw new StreamingLLMError('INVALID_OPTION', `--prompts: ${where} has no "turns", an array of texts`, {
    details: { where },
  })
}
