import { type Chat, type ChatMessage, streamChat } from '../../../lib/index.js'
import { type FakeSequence, fakeModel, reply } from '../../tools/fake-model.js'

const opening = (system: string) => `<|im_start|>system\n${system}<|im_end|>\n`
const asked = (text: string) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`
const exchange = (question: string): ChatMessage[] => [
  { role: 'user', content: question },
  { role: 'assistant', content: reply },
]
const inCache = (...questions: string[]) => questions.map(question => asked(question) + reply).join('<|im_end|>\n')

async function regenerate(chat: Chat): Promise<void> {
  for await (const _ of chat.regenerate());
}

/** Two turns, then something that fails, and a turn when all is well again: what the cache has of it. */
async function failing(
  act: (chat: Chat) => Promise<unknown>,
  late = false,
): Promise<{ chat: Chat; told: () => string }> {
  const { model, native } = fakeModel()
  const chat = model.createChat({ system: 'S', window: 1000 })
  for (const question of ['One', 'Two']) await chat.ask(question)
  const sequence = native.opened[0]!
  const { seenTokens } = chat.usage
  Object.assign(sequence, { fails: 'MODEL_CHANGED', failsLate: late } satisfies Partial<FakeSequence>)
  for (let i = 0; i < (late ? 1 : 2); i++) {
    await expect(act(chat)).rejects.toMatchObject({ code: 'MODEL_CHANGED' })
    expect(chat.messages).toEqual([...exchange('One'), ...exchange('Two')])
    expect(chat.system).toBe('S')
    expect(chat.usage.seenTokens).toBe(seenTokens)
  }
  for (const each of native.opened) each.fails = undefined
  return { chat, told: () => [...native.sequences].map(({ text }) => text).join(' and ') }
}

const changes: [string, (chat: Chat) => Promise<unknown>][] = [
  ['undo', chat => chat.undo()],
  ['regenerate', regenerate],
  ['add', chat => chat.add(exchange('Three'))],
  ['a turn', chat => chat.ask('Three')],
  ['setSystem', chat => chat.setSystem('T')],
]

describe('what fails leaves no trace', () => {
  test.each(changes)('%s', async (_name, act) => {
    const { chat, told } = await failing(act)
    await chat.ask('Four')
    expect(chat.messages).toEqual(['One', 'Two', 'Four'].flatMap(exchange))
    expect(told()).toBe(opening('S') + inCache('One', 'Two', 'Four'))
  })

  test.each(changes.filter(([name]) => name !== 'setSystem'))(
    '%s, where the engine has done it all the same',
    async (_name, act) => {
      const { chat, told } = await failing(act, true)
      await chat.ask('Four')
      expect(told()).toBe(opening('S') + inCache('One', 'Two', 'Four'))
    },
  )

  test('setSystem, where the engine has done it all the same', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S', window: 1000 })
    await chat.ask('One')
    Object.assign(native.opened[0]!, { fails: 'OUT_OF_MEMORY', failsLate: true })
    await expect(chat.setSystem('T')).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(chat.system).toBe('S')
    await chat.ask('Two')
    expect([...native.sequences].map(({ text }) => text)).toEqual([opening('S') + inCache('One', 'Two')])
  })

  test('undo, in what is kept of the cache', async () => {
    const { chat } = await failing(chat => chat.undo())
    expect((await chat.ask('Four')).usage.promptTokens).toBe(`<|im_end|>\n${asked('Four')}`.length)
  })

  test('a new reply that fails after the old one was taken back', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ window: 1000 })
    for (const question of ['One', 'Two']) await chat.ask(question)
    const sequence = native.opened[0]!
    const start = sequence.start.bind(sequence)
    sequence.start = job => {
      // From the reply on nothing is decoded any more.
      if (job.type === 'generate') sequence.fails = 'MODEL_CHANGED'
      return start(job)
    }
    await expect(regenerate(chat)).rejects.toMatchObject({ code: 'MODEL_CHANGED' })
    expect(chat.messages).toEqual(['One', 'Two'].flatMap(exchange))
    sequence.start = start
    sequence.fails = undefined
    await chat.ask('Three')
    expect(sequence.text).toBe(inCache('One', 'Two', 'Three'))
  })

  test('streamChat goes on in the same sequence', async () => {
    const { model, native } = fakeModel()
    const read = async (messages: ChatMessage[]) => {
      for await (const _ of streamChat({ model, messages, window: 1000 }));
    }
    await read([{ role: 'user', content: 'One' }])
    const edited = [...exchange('One'), { role: 'user', content: 'Two' }]
    await read(edited)
    native.opened[0]!.fails = 'MODEL_CHANGED'
    await expect(read(edited)).rejects.toMatchObject({ code: 'MODEL_CHANGED' })
    native.opened[0]!.fails = undefined
    await read(edited)
    expect(native.opened.map(({ text }) => text)).toEqual([inCache('One', 'Two')])
  })
})
