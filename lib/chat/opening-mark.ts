import { createHash } from 'node:crypto'
import { StreamingLLMError } from '../errors.js'
import { openingTokens, type PromptContext } from './prompt-tokens.js'

/** Names what the model was told besides a chat's messages: two chats that were told the same have the same. */
export interface OpeningMark {
  /** The chat template. */
  template: string
  /** The system prompt, and the tools. */
  told: string
  /** What comes before the first turn. */
  opening: string
  /** Tokens of that. */
  tokens: number
}

export function openingMark(context: PromptContext, system: string | undefined): OpeningMark {
  const { format } = context
  const { source, tools } = format
  const opening = knownOpening(context, system)
  const told = JSON.stringify([tools?.forPrompt, format.systemText(system)])
  return { template: digest(source), told: digest(told), opening: digest(opening.join()), tokens: opening.length }
}

/** None where the template refuses the conversations that it is found by. */
function knownOpening(context: PromptContext, system: string | undefined): number[] {
  try {
    return openingTokens(context, system)
  } catch (error) {
    if (StreamingLLMError.isInstance(error) && error.code === 'TEMPLATE_FAILED') return []
    throw error
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex')
