import { loadModel } from '../../lib/index.js'
import type { ChildTask } from '../report/in-child.js'
import { mean } from '../report/statistics.js'
import { addScored } from './add-scored.js'
import { factRounds } from './facts.js'
import { type EvictMode, evictModes } from './generated-conversations.js'
import { scriptedTurn } from './scripted-turns.js'

export interface ScriptedSetting {
  model: string
  window: number
  turns: number
}

export interface ScriptedResult {
  /**
   * For each turn the mean negative log-probability of its reply's tokens. The first ones, before anything leaves, are
   * left out.
   */
  turns: Record<EvictMode, number[]>
  /** For each kind of question about a fact, that of the answer's name, in each round. */
  facts: Record<EvictMode, Record<string, number[]>>
}

const system = 'You are a helpful assistant.'

/** The same words in both modes, so that only what has left makes a difference. */
export const score: ChildTask<ScriptedSetting, ScriptedResult> = async ({ model: path, window, turns }, progress) => {
  const model = await loadModel(path, { threads: 1 })
  const result: ScriptedResult = { turns: { token: [], turn: [] }, facts: { token: {}, turn: {} } }
  const rounds = factRounds(window)
  let done = 0
  const step = () => progress(++done / (2 * (turns + rounds.length)))
  try {
    await Promise.all(
      evictModes.map(async evict => {
        const chat = model.createChat({ system, evict, window, pinSystem: true })
        for (let turn = 1; turn <= turns; turn++) {
          // Of all lengths, so that turns leave at all places of a reply.
          const { question, reply } = scriptedTurn(turn, 1 + ((turn * 7) % 5))
          const scores = await addScored(model, chat, question.content, reply.content)
          if (chat.usage.evictedTokens > 0) result.turns[evict].push(-mean(scores))
          step()
        }
        for (const { kind, before, question, reply, name } of rounds) {
          for (const messages of before) await chat.add(messages)
          const scores = await addScored(model, chat, question, reply)
          ;(result.facts[evict][kind] ??= []).push(
            -mean(nameScores(model.tokenize(reply), scores, token => model.detokenize(token), name)),
          )
          step()
        }
      }),
    )
    // Where the modes began to evict at different turns, only those that both have are compared.
    const both = Math.min(result.turns.token.length, result.turns.turn.length)
    for (const evict of evictModes) result.turns[evict] = result.turns[evict].slice(result.turns[evict].length - both)
    return result
  } finally {
    await model.close()
  }
}

/** The scores of the tokens that are the name. */
function nameScores(
  tokens: ArrayLike<number>,
  scores: readonly number[],
  textOf: (tokens: number[]) => string,
  name: string,
): number[] {
  const all = Array.from(tokens)
  const at = textOf(all).indexOf(name)
  return scores.filter(
    (_, i) => textOf(all.slice(0, i + 1)).length > at && textOf(all.slice(0, i)).length < at + name.length,
  )
}
