import { type Chat, loadModel, type Model } from '../../lib/index.js'
import type { ChildTask } from '../report/in-child.js'
import { mean } from '../report/statistics.js'
import { addScored } from './add-scored.js'
import { questionsOf } from './questions.js'
import { type Quality, quality, type Reply } from './reply-quality.js'
import { scriptedTurn } from './scripted-turns.js'

export type EvictMode = 'token' | 'turn'
export const evictModes: readonly EvictMode[] = ['token', 'turn']

export interface GeneratedSetting {
  model: string
  window: number
  temperature: number
  seeds: number[]
  turns: number
  maxTokens: number
}

/** Of one conversation. */
export interface GeneratedResult extends Quality {
  evict: EvictMode
  seed: number
  /** Mean negative log-probability, in nats, of scripted replies that follow in its place, by token. */
  heldOut: number
  /** Tokens of a reply, and in the cache when it had been given: what a token of it was computed from, at the end. */
  replyTokens: number
  cachedTokens: number
}

const system = 'You are a helpful assistant. Answer each question in one short sentence.'
const heldOutEvery = 10

/** Both modes with each seed, side by side in one process, as their decodes then share batches. */
export const generate: ChildTask<GeneratedSetting, GeneratedResult[]> = async (setting, progress) => {
  const { model: path, window, temperature, seeds, turns } = setting
  const all = seeds.flatMap(seed => evictModes.map(evict => ({ seed, evict })))
  // As many places as chats, and one for each to be forked into.
  const model = await loadModel(path, { threads: 1, maxSequences: 2 * all.length })
  let done = 0
  try {
    return await Promise.all(
      all.map(async ({ seed, evict }) => {
        const chat = model.createChat({ system, evict, window, pinSystem: true, temperature })
        return {
          evict,
          seed,
          ...(await talk(model, chat, setting, seed, () => progress(++done / (turns * all.length)))),
        }
      }),
    )
  } finally {
    await model.close()
  }
}

async function talk(
  model: Model,
  chat: Chat,
  { turns, maxTokens }: GeneratedSetting,
  seed: number,
  turnDone: () => void,
): Promise<Omit<GeneratedResult, 'evict' | 'seed'>> {
  const replies: Reply[] = []
  const heldOut: number[] = []
  const replyTokens: number[] = []
  const cached: number[] = []
  for (const [i, question] of questionsOf(seed, turns).entries()) {
    let text = ''
    for await (const event of chat.stream(question, { maxTokens, seed: seed * 10_000 + i })) {
      if (event.type === 'text') text += event.text
      if (event.type !== 'finish') continue
      replies.push({ question, text, reason: event.reason })
      replyTokens.push(event.usage.completionTokens)
      cached.push(event.usage.cachedTokens)
    }
    if (i % heldOutEvery === heldOutEvery - 1) heldOut.push(...(await continuation(model, chat, i)))
    turnDone()
  }
  return { ...quality(replies), heldOut: -mean(heldOut), replyTokens: mean(replyTokens), cachedTokens: mean(cached) }
}

/** Scores a scripted exchange in place of the next one. */
async function continuation(model: Model, chat: Chat, turn: number): Promise<number[]> {
  const fork = await chat.fork()
  try {
    const { question, reply } = scriptedTurn(turn + 1, 2)
    return await addScored(model, fork, question.content, reply.content)
  } finally {
    await fork.close()
  }
}
