import type { Chat, ChatMessage } from '../../lib/index.js'
import { cacheViolation } from '../../research/evaluation/cached-turns.js'
import { scriptedTurn } from '../../research/evaluation/scripted-turns.js'
import { model } from '../tools/real-model.js'

const system = 'You are a helpful guide. Answer in two sentences.'
const questions = [
  'What is a river?',
  'And a lake?',
  'Name three fruits.',
  'Why do we sleep?',
  'How is glass made?',
  'What do bees eat?',
  'Tell me of the moon.',
]

/** A reply that is generated: what its events have told of messages that left, and whether positions began anew. */
async function generate(
  chat: Chat,
  question: string,
  maxTokens: number,
  seed: number,
): Promise<{ left: ChatMessage[]; rebases: number }> {
  const left: ChatMessage[] = []
  let rebases = 0
  for await (const event of chat.stream(question, { maxTokens, seed })) {
    if (event.type === 'evict') left.push(...event.messages)
    if (event.type === 'rebase') rebases++
  }
  return { left, rebases }
}

describe('by turns, the cache holds the system prompt and whole messages', () => {
  test('after each turn of a scripted conversation', async () => {
    const chat = model.createChat({ system, evict: 'turn', window: 396 })
    const said: ChatMessage[] = []
    for (let turn = 1; turn <= 24; turn++) {
      const { question, reply } = scriptedTurn(turn)
      // Replies of all lengths, so that the window is full at all places of a turn.
      const messages = [question, { ...reply, content: reply.content.slice(0, 60 + ((turn * 137) % 500)) }]
      said.push(...messages)
      await chat.add(messages)
      expect(await cacheViolation(model, chat)).toBeUndefined()
      // The latest, without a gap.
      expect(chat.messages).toEqual(said.slice(-chat.messages.length))
    }
    expect(chat.usage.evictedTokens).toBeGreaterThan(3 * 400)
    await chat.close()
  })

  test('after each turn of a generated one, of which evict events name exactly the messages that leave', async () => {
    const chat = model.createChat({ system, evict: 'turn', window: 246 })
    let left = 0
    for (let turn = 0; turn < 24; turn++) {
      const before = chat.messages
      // Most replies are cut short by the limit, the others end by themselves.
      const { left: told } = await generate(chat, questions[turn % questions.length]!, 10 + ((turn * 13) % 50), turn)
      expect(await cacheViolation(model, chat)).toBeUndefined()
      expect(told).toEqual(before.slice(0, told.length))
      expect(chat.messages.slice(0, -2)).toEqual(before.slice(told.length))
      expect(told.length % 2).toBe(0)
      left += told.length
    }
    expect(left).toBeGreaterThan(10)
    await chat.close()
  })

  test('when the system prompt changes in mid-conversation, when an exchange is taken back, and when positions begin anew', async () => {
    const chat = model.createChat({ system, evict: 'turn', window: 246, rebaseAfter: 500 })
    const systems = [
      'Be brief.',
      'You are a sailor who tells long stories of the sea and of the ports that you have been to, and never lies.',
      system,
    ]
    let rebases = 0
    for (let turn = 0; turn < 12; turn++) {
      rebases += (await generate(chat, questions[turn % questions.length]!, 35, turn)).rebases
      if (turn % 3 === 2) {
        const before = chat.messages
        await chat.setSystem(systems[Math.floor(turn / 3) % systems.length]!)
        expect(await cacheViolation(model, chat)).toBeUndefined()
        // A longer one may cost the oldest turns their place.
        expect(chat.messages).toEqual(before.slice(before.length - chat.messages.length))
      }
      if (turn % 4 === 3) await chat.undo()
      expect(await cacheViolation(model, chat)).toBeUndefined()
    }
    expect(rebases).toBeGreaterThan(0)
    await chat.close()
  })

  test('when a long history is restored', async () => {
    const messages = Array.from({ length: 12 }, (_, i) => scriptedTurn(i + 1, 2)).flatMap(({ question, reply }) => [
      question,
      reply,
    ])
    const chat = model.createChat({ system, evict: 'turn', window: 246, messages })
    await generate(chat, questions[0]!, 10, 1)
    expect(await cacheViolation(model, chat)).toBeUndefined()
    expect(chat.messages.slice(0, -2)).toEqual(messages.slice(2 - chat.messages.length))
    expect(chat.messages.length).toBeGreaterThan(4)
    await chat.close()
  })
})
