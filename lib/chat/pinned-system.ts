import { StreamingLLMError } from '../errors.js'
import type { ParsedChatOptions } from '../options/parse.js'
import type { ChatContext } from './conversation.js'
import { openingTokens } from './prompt-tokens.js'

/**
 * The options with the system prompt as sinks, if it is to be pinned and is short enough; any that fits, if that was
 * asked for. By turns, the sinks are what comes before the first turn also where no system prompt is given.
 */
export function withPin(context: ChatContext, system: string | undefined): ParsedChatOptions {
  const { sequences, format, options, warn } = context
  const { template, tools } = format
  const asked = options.pinSystem === true
  const wanted = options.pinSystem ?? options.sinks === undefined
  const lost = (why: string) => {
    if (system !== undefined || tools !== undefined)
      warn(
        `the system prompt${tools === undefined ? '' : ', which has the tools,'} ${why}, so it leaves the window like any other text`,
      )
  }
  if (options.policy !== 'streaming') return options
  if (!wanted || (system === undefined && tools === undefined && options.evict !== 'turn')) return options
  const { sinks, window } = sequences.limits(options)
  const text = format.systemText(system)
  if (text !== undefined && template.renderSystem(text) === undefined) {
    lost('has no place of its own in this chat template')
    return options
  }
  const pinned = openingTokens(context, system).length
  if (pinned <= sinks) return options
  if (!asked && pinned > (sinks + window) * options.pinShare) {
    lost(`has ${pinned} tokens, more than ${options.pinShare} of the cache's ${sinks + window} (option pinShare)`)
    return options
  }
  if (pinned >= sinks + window) {
    throw new StreamingLLMError(
      'WINDOW_TOO_LARGE',
      `the system prompt has ${pinned} tokens, which leaves nothing of the ${sinks + window} of sinks and window: pin a shorter one, or use a larger window`,
      { details: { pinned, sinks, window } },
    )
  }
  const rest = sinks + window - pinned
  if (options.window !== undefined) return { ...options, sinks: pinned, window: rest }
  // Sinks take their cells twice while they move, for which `cacheTokens` may have no room.
  const fitting = sequences.limits({ ...options, sinks: pinned })
  return { ...options, sinks: pinned, window: Math.min(rest, fitting.window + fitting.reanchorEvery) }
}
