import { loadModel, type Model } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: -20 }), { gpu: false, threads: 1 })
})
afterAll(() => model.close())

const hour = 3_600_000
const ownNow = Date.now
afterEach(() => {
  Date.now = ownNow
})

/** As when the clock is set, by hand or by the network, before the reader's second event. */
async function replyAcross(jump: number, timeLimit: number) {
  const chat = model.createChat({ window: 200, temperature: 1, seed: 7 })
  let text = ''
  let reason: string | undefined
  try {
    for await (const event of chat.stream('Hello', { maxTokens: 40, timeLimit })) {
      Date.now = () => ownNow() + jump
      if (event.type === 'text') text += event.text
      if (event.type === 'finish') reason = event.reason
    }
  } finally {
    Date.now = ownNow
    await chat.close()
  }
  return { text, reason }
}

test.each([hour, -hour])('a clock that jumps by %d ms ends no reply, and changes none', async jump => {
  const undisturbed = await replyAcross(0, hour / 2)
  expect(undisturbed.reason).toBe('length')
  expect(await replyAcross(jump, hour / 2)).toEqual(undisturbed)
})

test('nor does a clock that was set back keep a time limit from being reached', async () => {
  const chat = model.createChat({ window: 200, temperature: 1 })
  try {
    Date.now = () => ownNow() - hour
    const { reason } = await chat.ask('Hello', { timeLimit: 100 })
    expect(reason).toBe('time')
  } finally {
    Date.now = ownNow
    await chat.close()
  }
})
