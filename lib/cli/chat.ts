import path from 'node:path'
import { Command } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { modelReference, openModel } from './open-model.js'
import { pipedChat } from './piped-chat.js'
import { promptsChat, readPrompts } from './prompts-chat.js'
import { addSharedOptions, policyOptions, toNumber, type SharedFlags } from './shared-options.js'
import { dim } from './status-line.js'
import { terminalChat } from './terminal-chat.js'
import { turnStatistics } from './turn-statistics.js'

interface ChatFlags extends SharedFlags {
  system?: string
  maxTokens: number
  temperature?: number
  seed?: number
  speculation?: boolean
  prompts?: string
  jsonStats?: string
}

export function chatCommand(): Command {
  return addSharedOptions(new Command('chat'))
    .description('Chat without end: on a terminal, with the lines of piped input, or through a file of prompts.')
    .option('--system <text>', 'the system prompt')
    .option('--max-tokens <count>', 'most tokens of a reply', toNumber, 1000) // as in the paper's demo
    .option('--temperature <value>', '0 always takes the likeliest token', toNumber)
    .option('--seed <number>', 'the same seed gives the same replies', toNumber)
    .option('--speculation', 'faster where replies repeat what was said; not the same to the letter')
    .option('--prompts <file>', 'JSON lines with "turns", as in MT-bench: one conversation through all of them')
    .option('--json-stats <file>', 'write memory, tokens and times of each turn to this file, a JSON object a line')
    .action(chat)
}

async function chat(flags: ChatFlags): Promise<void> {
  const prompts = flags.prompts === undefined ? undefined : readPrompts(flags.prompts)
  const statistics = turnStatistics(flags.jsonStats)
  const model = await openModel(flags)
  try {
    const { system, temperature, seed, maxTokens, speculation } = flags
    const conversation = await model.createChat({ ...policyOptions(flags), system, temperature, seed })
    if (prompts !== undefined) await promptsChat(conversation, prompts, { maxTokens, speculation }, statistics)
    else if (process.stdin.isTTY) {
      const greeting = `${path.basename(modelReference(flags))}. Ctrl-C stops a reply, Ctrl-D ends the chat.`
      process.stderr.write(`${dim(greeting, process.stderr)}\n`)
      await terminalChat(conversation, { maxTokens, speculation }, statistics)
    } else await pipedChat(conversation, { maxTokens, speculation }, statistics)
  } catch (error) {
    throw explained(error, flags)
  } finally {
    statistics.close()
    await model.close()
  }
}

/** A dense cache ends a chat by design; the reader of the message may have come to see just that. */
function explained(error: unknown, { policy }: ChatFlags): unknown {
  if (policy !== 'dense' || !StreamingLLMError.isInstance(error) || error.code !== 'CACHE_FULL') return error
  const message = `\nThe conversation ends here: a dense cache keeps every token, and it is full.\n${error.message}\n`
    + 'With --policy streaming, the default, the same cells are enough for a conversation without end.'
  return new StreamingLLMError(error.code, message, { cause: error, details: error.details })
}
