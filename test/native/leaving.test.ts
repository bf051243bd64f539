import { type Chat, type ChatMessage, loadModel, type Model, type StreamEvent } from '../../lib/index.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model

beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: -20 }), {
    kvType: 'f32',
    flashAttention: 'off',
    batchSize: 32,
    threads: 1,
    maxSequences: 8,
  })
})
afterAll(() => model.close())

const greedy = { temperature: 0 }
const ways = ['signal', 'break', 'throw', 'return'] as const

/** Reads a reply and leaves it after `events` events and up to `delay` ms; returns what was delivered. */
async function leave(
  chat: Chat,
  question: string,
  way: (typeof ways)[number],
  events: number,
  delay: number,
): Promise<string> {
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

/** What the template makes of a conversation, up to the end of its last reply. */
const chatMLText = (messages: readonly ChatMessage[]) =>
  messages
    .map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`)
    .join('')
    .replace(/<\|im_end\|>\n$/, '')

/** What the cache holds, as text; of a window that has moved on, from the oldest token's text on. */
async function heldText(chat: Chat): Promise<string> {
  const kept = await chat.conversation.keptTokens()
  const window = chat.usage.evictedTokens > 0 ? kept.subarray(chat.limits.sinks) : kept
  const text = model.detokenize(window, { special: true })
  return chat.usage.evictedTokens > 0 ? text.replace(/^\uFFFD+/, '') : text.slice(text.indexOf('<|im_start|>'))
}

describe('a turn of which nothing was delivered', () => {
  const history = (chat: Chat) => chat.messages.map(({ content }) => content)

  test.each([
    ['break', {}],
    ['signal', { signal: AbortSignal.abort() }],
    ['time', { timeLimit: 0.001 }],
  ])('by %s leaves no trace, and the next answer is as if it had never been', async (_name, options) => {
    const [chat, straight] = [model.createChat(greedy), model.createChat(greedy)]
    for (const one of [chat, straight]) await one.ask('One', { maxTokens: 9 })
    for (let i = 0; i < 3; i++) {
      for await (const event of chat.stream(`Never ${i}`, options)) if (event.type !== 'finish') break
      expect(chat.messages).toEqual(straight.messages)
    }
    const { text, usage } = await chat.ask('Two', { maxTokens: 9 })
    const expected = await straight.ask('Two', { maxTokens: 9 })
    expect([text, usage.seenTokens]).toEqual([expected.text, expected.usage.seenTokens])
    expect(await heldText(chat)).toBe(chatMLText(chat.messages))
  })

  test('with an opening of its own, left at the opening, is a turn that the next answer knows', async () => {
    const chat = model.createChat(greedy)
    for await (const event of chat.stream('What?', { startWith: 'It is ' })) if (event.type === 'text') break
    expect(history(chat)).toEqual(['What?', 'It is '])
    await chat.ask('And?', { maxTokens: 5 })
    expect(await heldText(chat)).toBe(chatMLText(chat.messages))
  })

  test.each([
    ['signal', { signal: AbortSignal.abort() }],
    ['time', { timeLimit: 0.001 }],
    ['a grammar that is none', { grammar: 'root ::= nothing' }],
  ])(
    'by %s before the first event, with an opening of its own, is as its messages say where it is to be kept',
    async (_name, options) => {
      const chat = model.createChat(greedy)
      await chat.ask('One', { maxTokens: 9 })
      try {
        for await (const _ of chat.stream('What?', { ...options, startWith: 'It is ', keepUnanswered: true }));
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_OPTION' })
      }
      await chat.ask('And?', { maxTokens: 5 })
      expect(await heldText(chat)).toBe(chatMLText(chat.messages))
    },
  )

  test('by time before the first event, with an opening of its own, answers with the opening that is kept', async () => {
    const chat = model.createChat({ ...greedy, window: 1_500 })
    const { text, usage } = await chat.ask('What is it? '.repeat(250), {
      timeLimit: 5,
      startWith: 'It is ',
      keepUnanswered: true,
    })
    expect(usage.completionTokens).toBe(0)
    expect(text).toBe('It is ')
    expect(chat.messages.at(-1)).toEqual({ role: 'assistant', content: text })
  })

  test('regenerated, leaves the reply that was there', async () => {
    const [chat, straight] = [model.createChat(greedy), model.createChat(greedy)]
    for (const one of [chat, straight]) await one.ask('One', { maxTokens: 9 })
    for await (const _ of chat.regenerate()) break
    expect(chat.messages).toEqual(straight.messages)
    expect((await chat.ask('Two', { maxTokens: 9 })).text).toBe((await straight.ask('Two', { maxTokens: 9 })).text)
    expect(await heldText(chat)).toBe(chatMLText(chat.messages))
  })

  test('because it could not begin, leaves no trace either', async () => {
    const chat = model.createChat(greedy)
    await chat.ask('One', { maxTokens: 9 })
    const before = chat.messages
    await expect(chat.ask('Two', { grammar: 'root ::= nothing' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(chat.ask('Two', { logitBias: [['several words of it', 1]] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    expect(chat.messages).toEqual(before)
    await chat.ask('Three', { maxTokens: 5 })
    expect(await heldText(chat)).toBe(chatMLText(chat.messages))
  })

  test('that has pushed all else out of the window, leaves what was there before', async () => {
    const chat = model.createChat({ ...greedy, sinks: 4, window: 100 })
    await chat.ask('Short', { maxTokens: 5 })
    const before = chat.messages
    let evicted = 0
    for await (const event of chat.stream('long '.repeat(200))) {
      if (event.type === 'evict') evicted += event.tokens
      if (evicted > 200) break
    }
    expect(chat.messages).toEqual(before)
    await chat.ask('Next', { maxTokens: 5 })
    expect(await heldText(chat)).toBe(chatMLText(chat.messages))
  })
})

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
      const before = random.chance(0.5)
        ? (await chat.ask(`Before. ${'x'.repeat(random.below(90))}`, { maxTokens: 1 + random.below(30) })).text
        : undefined
      const history = chat.messages.slice()
      const question = `Q${'abc '.repeat(random.below(random.chance(0.3) ? 60 : 10))}`
      const way = ways[random.below(ways.length)]!
      const text = await leave(chat, question, way, random.below(12), random.chance(0.5) ? 0 : random.below(6))
      expect(before === undefined || history.length > 0 || window === 60).toBe(true)

      // A turn of which nothing was delivered leaves no trace.
      const turn =
        text === ''
          ? []
          : [
              { role: 'user', content: question },
              { role: 'assistant', content: text },
            ]
      if (window === 600) expect(chat.messages).toEqual([...history, ...turn])
      else expect(chat.messages).toEqual([...history, ...turn].slice(-chat.messages.length))
      const next = await chat.ask('And then?', { maxTokens: 12 })
      const [held, written] = [await heldText(chat), chatMLText(chat.messages)]
      const both = Math.min(held.length, written.length) // of a window, either may begin earlier
      expect(held.slice(-both)).toBe(written.slice(-both))
      if (window === 600) {
        expect(held.length).toBe(written.length)
        const told = model.createChat({ ...options, messages: [...history, ...turn] })
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
  })
})
