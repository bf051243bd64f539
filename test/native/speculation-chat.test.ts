import { type FinishEvent, loadModel, type Model, type StreamEvent, streamChat } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model

beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: -20 }), { threads: 1, kvType: 'f32', flashAttention: false })
})
afterAll(() => model.close())

const question = 'Say it again: one two three one two three.'

async function finishOf(events: AsyncIterable<StreamEvent>): Promise<{ text: string; finish: FinishEvent }> {
  let [text, finish]: [string, FinishEvent | undefined] = ['', undefined]
  for await (const event of events) {
    if (event.type === 'text') text += event.text
    if (event.type === 'finish') finish = event
  }
  return { text, finish: finish! }
}

test('chats, sequences and streamChat take it, say what it did, and answer as without it', async () => {
  const options = { temperature: 0, maxTokens: 150 }
  const plain = model.createChat()
  const { text, usage } = await plain.ask(question, options)
  expect(usage.speculation).toBeUndefined()
  const { finish: off } = await finishOf(plain.stream('more', { ...options, speculation: false }))
  expect(off.usage.speculation).toBeUndefined()
  await plain.close()

  const chat = model.createChat()
  const answer = await chat.ask(question, { ...options, speculation: true })
  // A greedy reply of random weights goes round in circles: there is something to find.
  expect(answer.usage.speculation!.draftedTokens).toBeGreaterThan(0)
  expect(answer.usage.speculation!.acceptedTokens).toBeLessThanOrEqual(answer.usage.speculation!.draftedTokens)
  expect(answer.text).toBe(text)
  expect(chat.messages.at(-1)!.content).toBe(text)
  await chat.close()

  const streamed = await finishOf(
    streamChat({ model, messages: [{ role: 'user', content: question }], ...options, speculation: true }),
  )
  expect(streamed.finish.usage.speculation).toBeDefined()
  expect(streamed.text).toBe(text)

  const sequence = model.createSequence()
  const generated = await finishOf(
    sequence.generate({ tokens: model.tokenize(question), ...options, speculation: true }),
  )
  expect(generated.finish.usage.speculation).toBeDefined()
  await sequence.close()
})

test('anything else than true or false is refused by name', async () => {
  const chat = model.createChat()
  expect(() => chat.stream('x', { speculation: 'yes' as unknown as boolean })).toThrow(
    "stream: 'speculation' must be true or false, got 'yes' (string)",
  )
  await chat.close()
})
