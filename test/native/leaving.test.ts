import { loadModel, type Chat, type Model, type StreamEvent } from '../../lib/index.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model

beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: -20 }), { kvType: 'f32', flashAttention: 'off', batchSize: 32, threads: 1, maxSequences: 8 })
})
afterAll(() => model.close())

const greedy = { temperature: 0 }
const ways = ['signal', 'break', 'throw', 'return'] as const

/** Reads a reply and leaves it after `events` events and up to `delay` ms; returns what was delivered. */
async function leave(chat: Chat, question: string, way: (typeof ways)[number], events: number, delay: number): Promise<string> {
  const controller = new AbortController()
  const stream = chat.stream(question, { ...greedy, maxTokens: 60, signal: controller.signal })
  let text = ''
  let seen = 0
  const take = (event: StreamEvent) => {
    if (event.type === 'text') text += event.text
    seen++
  }
  const pause = () => new Promise(resolve => (delay > 0 ? setTimeout(resolve, delay) : setImmediate(resolve)))
  if (way === 'signal') {
    if (events === 0) setTimeout(() => controller.abort(), delay)
    for await (const event of stream) {
      take(event)
      if (seen === events) {
        await pause()
        controller.abort()
      }
    }
  } else if (way === 'return') {
    if (events === 0) {
      // The first event is asked for and not waited for.
      const first = stream.next()
      await pause()
      const ended = stream.return(undefined as never)
      const { value, done } = await first
      if (!done) take(value)
      await ended
    } else {
      for (let i = 0; i < events; i++) {
        const { value, done } = await stream.next()
        if (done) break
        take(value)
      }
      await pause()
      await stream.return(undefined as never)
    }
  } else {
    try {
      for await (const event of stream) {
        take(event)
        if (seen < Math.max(1, events)) continue
        await pause()
        if (way === 'break') break
        throw new Error('out')
      }
    } catch (error) {
      if ((error as Error).message !== 'out') throw error
    }
  }
  return text
}

describe('leaving a reply', () => {
  test('at 200 random moments the history holds exactly what was delivered, and the chat goes on as if told that history', async () => {
    const random = seeded(2024)
    let compared = 0
    let evicting = 0
    for (let round = 0; round < 200; round++) {
      // Half the chats are roomy, half evict all the time.
      const window = random.chance(0.5) ? 600 : 60
      const options = { ...greedy, sinks: 4, window, reanchorEvery: 1 + random.below(20) }
      const chat = model.createChat(options)
      const before = random.chance(0.5) ? (await chat.ask('Before. ' + 'x'.repeat(random.below(90)), { maxTokens: 1 + random.below(30) })).text : undefined
      const history = chat.messages.slice()
      const question = 'Q' + 'abc '.repeat(random.below(random.chance(0.3) ? 60 : 10))
      const way = ways[random.below(ways.length)]!
      const text = await leave(chat, question, way, random.below(12), random.chance(0.5) ? 0 : random.below(6))
      expect(before === undefined || history.length > 0 || window === 60).toBe(true)

      const [user, assistant] = chat.messages.slice(-2)
      if (window === 600) {
        expect(chat.messages).toEqual([...history, { role: 'user', content: question }, { role: 'assistant', content: text }])
      } else {
        expect(assistant).toEqual({ role: 'assistant', content: text })
        if (user) expect(user).toEqual({ role: 'user', content: question })
      }
      const next = await chat.ask('And then?', { maxTokens: 12 })
      if (window === 600) {
        const told = model.createChat({ ...options, messages: [...history, { role: 'user', content: question }, { role: 'assistant', content: text }] })
        const answer = await told.ask('And then?', { maxTokens: 12 })
        expect(next.usage.evictedTokens).toBe(0)
        // The same text may be other tokens where it was tokenized anew: compared where the counts agree.
        if (answer.usage.seenTokens === next.usage.seenTokens) {
          expect(answer.text).toBe(next.text)
          compared++
        }
        await told.close()
      } else if (next.usage.evictedTokens > 0) evicting++
      await chat.close()
    }
    // How much was delivered, and so how often the counts agree, depends on what else the machine does.
    expect(compared).toBeGreaterThan(20)
    expect(evicting).toBeGreaterThan(40)
  }, 300_000)
})
