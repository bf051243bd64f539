import { loadModel } from '../../lib/index.js'
import type { ChildTask } from '../report/in-child.js'
import { cacheViolation } from './cached-turns.js'
import { scriptedTurn } from './scripted-turns.js'
import { signLogProbability } from './sign.js'

export interface ConversationSetting {
  model: string
  pinned: boolean
  system: string
  sign: string
  turns: number
}

export interface ConversationResult {
  /**
   * For each turn: how likely the sign was, in nats, and how many earlier replies were in the cache, none of which has
   * it.
   */
  turns: { logProbability: number; examples: number }[]
  /** What was wrong with the cache, and after which turn. Looked for where the prompt is pinned. */
  violations: { turn: number; what: string }[]
  /** Tokens of the conversation, and how many of them left. */
  seenTokens: number
  evictedTokens: number
}

/** A pinned system prompt is counted in their sum. */
const cache = { sinks: 4, window: 1_020 }

/**
 * The last turns are in the words of as many first ones, so that how likely the sign is there differs by what lies
 * between alone.
 */
export const sameTurns = 14

/** One conversation of scripted turns; for a process of its own, so that both can have a core each. */
export const converse: ChildTask<ConversationSetting, ConversationResult> = async (
  { model: path, pinned, system, sign, turns },
  progress,
) => {
  const model = await loadModel(path, { threads: 1 })
  try {
    const chat = model.createChat({ system, evict: 'turn', ...cache, pinSystem: pinned })
    const result: ConversationResult = { turns: [], violations: [], seenTokens: 0, evictedTokens: 0 }
    for (let turn = 1; turn <= turns; turn++) {
      const { question, reply } = scriptedTurn(turn <= turns - sameTurns ? turn : turn - (turns - sameTurns))
      const logProbability = await signLogProbability(model, chat, question, sign)
      result.turns.push({ logProbability, examples: chat.messages.length / 2 - 1 })
      await chat.undo()
      await chat.add([question, reply])
      const what = pinned ? await cacheViolation(model, chat) : undefined
      if (what !== undefined) result.violations.push({ turn, what })
      progress(turn / turns)
    }
    const { seenTokens, evictedTokens } = chat.usage
    return { ...result, seenTokens, evictedTokens }
  } finally {
    await model.close()
  }
}
