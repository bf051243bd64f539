import { type Chat, loadModel } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

const loaded = loadModel(tinyModel('llama', { endBias: -20 }), {
  threads: 1,
  gpu: false,
  kvType: 'f32',
  flashAttention: 'off',
})
afterAll(async () => (await loaded).close())

const go = { maxTokens: 40, seed: 3, temperature: 1 } as const

async function regenerated(chat: Chat): Promise<string> {
  let text = ''
  for await (const piece of chat.regenerate(go).text()) text += piece
  return text
}

test('with its seed, a reply is the same while nothing has left the window', async () => {
  const chat = (await loaded).createChat({ window: 400 })
  const { text } = await chat.ask('Say something', go)
  expect(await regenerated(chat)).toBe(text)
  expect(await regenerated(chat)).toBe(text)
  await chat.close()
})

test('where something leaves, a fork from before says the same', async () => {
  const chat = (await loaded).createChat({ window: 60 })
  await chat.ask('Say something to fill the window with', go)
  const before = await chat.fork()
  const { text, usage } = await chat.ask('And go on', go)
  expect(usage.evictedTokens).toBeGreaterThan(before.usage.evictedTokens)
  expect((await before.ask('And go on', go)).text).toBe(text)
  // What the reply pushed out does not come back.
  const evicted = chat.usage.evictedTokens
  await regenerated(chat)
  expect(chat.usage.evictedTokens).toBeGreaterThanOrEqual(evicted)
  await Promise.all([chat.close(), before.close()])
})
