import { jest } from '@jest/globals'
import type { Chat, ChatMessage, StreamEvent } from '../../../lib/index.js'
import { FakeModel, fakeModel } from '../../tools/fake-model.js'

const messages = (count: number): ChatMessage[] =>
  Array.from({ length: count }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: `${i}` }))

/** The end of a turn that is left at the event loop's next turn, and what the engine has got by then. */
async function left(chat: Chat, input: string | ChatMessage[]): Promise<StreamEvent[]> {
  const controller = new AbortController()
  const events: StreamEvent[] = []
  const turn = chat.stream(input, { signal: controller.signal })
  setImmediate(() => controller.abort())
  for await (const event of turn) events.push(event)
  return events
}

describe('a turn that is left while its words become tokens', () => {
  test('of a long history, ends then, and the history stays', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ window: 200, messages: messages(1500) })
    expect(await left(chat, 'Now')).toMatchObject([{ type: 'finish', reason: 'abort' }])
    expect(native.opened[0]!.text).toBe('')
    expect(chat.messages).toHaveLength(1500)
    const events: StreamEvent[] = []
    for await (const event of chat.stream('Now', { timeLimit: 1 })) events.push(event)
    expect(events).toMatchObject([{ type: 'finish', reason: 'time' }])
    expect(chat.messages).toHaveLength(1500)
    expect((await chat.ask('Now')).text).not.toBe('')
  })

  test('of many messages at once', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ window: 200 })
    await chat.ask('First')
    const { text } = native.opened[0]!
    expect(await left(chat, messages(1501))).toMatchObject([{ type: 'finish', reason: 'abort' }])
    expect(native.opened[0]!.text).toBe(text)
    expect(chat.messages).toHaveLength(2)
  })

  test('of one very long text, whatever else still makes its tokens', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ window: 200 })
    jest.spyOn(FakeModel.prototype, 'tokenizeLater').mockReturnValue(new Promise(() => {}))
    expect(await left(chat, 'a word '.repeat(10_000))).toMatchObject([{ type: 'finish', reason: 'abort' }])
    jest.restoreAllMocks()
    expect(native.opened[0]!.text).toBe('')
    expect(chat.messages).toEqual([])
    expect((await chat.ask('Now')).text).not.toBe('')
  })

  test('closed meanwhile, it is CLOSED', async () => {
    const { model } = fakeModel()
    const chat = model.createChat({ window: 200, messages: messages(1500) })
    setImmediate(() => void chat.close())
    await expect(chat.ask('Now')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

test('the event loop goes round while a long history is added', async () => {
  const { model } = fakeModel()
  const chat = model.createChat({ window: 200 })
  let rounds = 0
  let over = false
  const round = () => {
    rounds++
    if (!over) setImmediate(round)
  }
  setImmediate(round)
  await chat.add(messages(1500))
  over = true
  expect(rounds).toBeGreaterThan(5)
  expect(chat.usage.seenTokens).toBeGreaterThan(1500)
})
