import path from 'node:path'
import { Command, Option } from 'commander'
import { StreamingLLMError } from '../errors.js'
import type { Chat } from '../index.js'
import type { Model } from '../model/model.js'
import type { ChatOptions } from '../options/parse.js'
import { ChatSession } from './chat-session.js'
import { ReaderLeft } from './failure.js'
import { forgetfulHistory, historyFile, keptHistory } from './line-history.js'
import { modelReference, openModel } from './open-model.js'
import { pipedChat } from './piped-chat.js'
import { promptsChat, readPrompts } from './prompts-chat.js'
import { addSamplingOptions, type SamplingFlags, samplingOptions } from './sampling-options.js'
import { loadedText, refuseOtherFile, saveChat } from './saved-chats.js'
import { addSharedOptions, evictOption, policyOptions, type SharedFlags, toNumber } from './shared-options.js'
import { checkStandardInput } from './standard-input.js'
import { dim } from './status-line.js'
import { terminalChat } from './terminal-chat.js'
import { turnStatistics } from './turn-statistics.js'

interface ChatFlags extends SharedFlags, SamplingFlags {
  system?: string
  evict?: ChatOptions['evict']
  maxTokens: number
  speculation?: boolean
  prompts?: string
  jsonStats?: string
  load?: string
  save?: string
  history: boolean
  commands?: boolean
}

export function chatCommand(): Command {
  const command = addSharedOptions(new Command('chat'))
    .description('Chat without end: on a terminal, with the lines of piped input, or through a file of prompts.')
    .option('--system <text>', 'the system prompt')
    .addOption(evictOption())
    .option('--max-tokens <count>', 'most tokens of a reply', toNumber, 1000) // as in the paper's demo
    .option('--speculation', 'faster where replies repeat what was said; not the same to the letter')
    .addOption(
      new Option('--load <file>', 'go on with a saved chat').conflicts([
        'system',
        'policy',
        'sinks',
        'window',
        'reanchorEvery',
        'evict',
      ]),
    )
    .option('--save <file>', 'save the chat when it ends, with its cache')
    .option('--no-history', 'do not keep what is typed on the terminal for the next time')
    .option('--commands', 'read piped input as a terminal is read: commands, and messages of several lines')
    .option('--prompts <file>', 'JSON lines with "turns", as in MT-bench: one conversation through all of them')
    .option('--json-stats <file>', 'write memory, tokens and times of each turn to this file, a JSON object a line')
    .addHelpText(
      'after',
      '\nOn the terminal /help lists the commands. It ends with 0 when the person or the input does; 130 where Ctrl-C ended a file of prompts; 1 after a failure, which stderr tells.',
    )
    .action(chat)
  return addSamplingOptions(command)
}

async function chat(flags: ChatFlags): Promise<void> {
  const prompts = flags.prompts === undefined ? undefined : readPrompts(flags.prompts)
  if (prompts === undefined && !process.stdin.isTTY) checkStandardInput('chat')
  if (flags.save !== undefined) await refuseOtherFile(flags.save)
  const statistics = turnStatistics(flags.jsonStats)
  const model = await openModel(flags)
  try {
    const { maxTokens, speculation, save } = flags
    const options = { maxTokens, ...(speculation ? { speculation } : {}), ...samplingOptions(flags) }
    const session = new ChatSession(model, await openChat(model, flags), options)
    await saving(session, save, async () => {
      if (prompts !== undefined) await promptsChat(session.chat, prompts, options, statistics)
      else if (process.stdin.isTTY) {
        say(
          `${path.basename(modelReference(flags))}. Ctrl-C stops a reply, Ctrl-D ends the chat, /help lists the commands.`,
        )
        if (flags.load !== undefined) say(loadedText(flags.load, session.chat))
        await terminalChat(
          session,
          statistics,
          undefined,
          flags.history ? keptHistory(historyFile(), say) : forgetfulHistory(),
        )
      } else await pipedChat(session, statistics, flags)
    })
  } catch (error) {
    throw explained(error, flags)
  } finally {
    statistics.close()
    await model.close()
  }
}

async function openChat(model: Model, flags: ChatFlags): Promise<Chat> {
  if (flags.load !== undefined) return model.restoreChat(flags.load)
  return model.createChat({ ...policyOptions(flags), system: flags.system, evict: flags.evict })
}

/**
 * Saves the chat that there is at the end, also after a failure or without a reader, of which it leaves the caller to
 * tell.
 */
async function saving(session: ChatSession, file: string | undefined, talk: () => Promise<void>): Promise<void> {
  try {
    await talk()
  } catch (error) {
    if (file !== undefined) {
      await saveChat(session.chat, file).catch((failure: unknown) => {
        if (error instanceof ReaderLeft) throw failure // which is the only one
        say(String((failure as Error).message))
      })
    }
    throw error
  }
  if (file !== undefined) await saveChat(session.chat, file)
}

function say(line: string): void {
  process.stderr.write(`${dim(line, process.stderr)}\n`)
}

/** A dense cache ends a chat by design; the reader of the message may have come to see just that. */
function explained(error: unknown, { policy }: ChatFlags): unknown {
  if (policy !== 'dense' || !StreamingLLMError.isInstance(error) || error.code !== 'CACHE_FULL') return error
  const message =
    `\nThe conversation ends here: a dense cache keeps every token, and it is full.\n${error.message}\n` +
    'With --policy streaming, the default, the same cells are enough for a conversation without end.'
  return new StreamingLLMError(error.code, message, { cause: error, details: error.details })
}
