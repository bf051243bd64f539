import { type ChatMessage, streamChat } from '../../../lib/index.js'
import { fakeModel, reply, soon } from '../../tools/fake-model.js'

const opening = (system: string) => `<|im_start|>system\n${system}<|im_end|>\n`
const asked = (text: string) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`
const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

describe('undo', () => {
  test('takes the last exchange out of the messages and of the cache', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    await chat.ask('Two')
    expect(await chat.undo()).toEqual([user('Two'), assistant(reply)])
    expect(chat.messages).toEqual([user('One'), assistant(reply)])
    expect(native.opened[0]!.text).toBe(opening('S') + asked('One') + reply)
    const { usage } = await chat.ask('Three')
    expect(usage.promptTokens).toBe(`<|im_end|>\n${asked('Three')}`.length)
    expect(native.opened[0]!.text).toBe(`${opening('S') + asked('One') + reply}<|im_end|>\n${asked('Three')}${reply}`)
  })

  test('of everything leaves a new conversation with the same system prompt', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    await chat.ask('Two')
    expect(await chat.undo(5)).toHaveLength(4)
    expect(await chat.undo()).toEqual([])
    expect(chat.messages).toEqual([])
    expect(chat.usage).toEqual({ seenTokens: 0, cachedTokens: 0, evictedTokens: 0 })
    await chat.ask('Three')
    expect(native.opened[0]!.text).toBe(opening('S') + asked('Three') + reply)
  })

  test('does not forget what had left before', async () => {
    const { model } = fakeModel()
    const chat = model.createChat({ system: 'S', window: 100 })
    for (const text of ['One', 'Two', 'Three', 'Four']) await chat.ask(text)
    const { evictedTokens } = chat.usage
    expect(evictedTokens).toBeGreaterThan(0)
    await chat.undo(10)
    expect(chat.usage).toEqual({ seenTokens: evictedTokens, cachedTokens: 0, evictedTokens })
    expect((await chat.fork()).usage).toEqual(chat.usage)
    await chat.ask('Five')
    expect(chat.usage.evictedTokens).toBe(evictedTokens)
  })

  test.each([0, -1, 1.5, '1'])('%p is refused', async exchanges => {
    const { model } = fakeModel()
    await expect(model.createChat().undo(exchanges as number)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('waits for the reply in progress', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    const [, undone] = await Promise.all([chat.ask('One'), chat.undo()])
    expect(undone).toHaveLength(2)
    expect(chat.messages).toEqual([])
  })
})

describe('regenerate', () => {
  test('decodes nothing but the new reply', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One', { maxTokens: 3 })
    let text = ''
    for await (const event of chat.regenerate()) {
      if (event.type === 'text') text += event.text
      if (event.type === 'finish') expect(event.usage.promptTokens).toBe(0)
    }
    expect(text).toBe(reply)
    expect(chat.messages).toEqual([user('One'), assistant(reply)])
    expect(native.opened[0]!.text).toBe(opening('S') + asked('One') + reply)
  })

  test('of a restored history decodes it', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ messages: [user('One'), assistant('xyz')] })
    for await (const _ of chat.regenerate({ maxTokens: 2 }));
    expect(chat.messages).toEqual([user('One'), assistant('ab')])
    expect(native.opened[0]!.text).toBe(`${asked('One')}ab`)
  })

  test('without a reply, or where its question is gone, is refused', async () => {
    const long = reply.repeat(5)
    const { model } = fakeModel({}, {}, long)
    const chat = model.createChat({ window: 15, sinks: 4 })
    const read = async () => {
      for await (const _ of chat.regenerate());
    }
    await expect(read()).rejects.toMatchObject({ code: 'EVICTED' })
    await expect(read()).rejects.toMatchObject({ code: 'EVICTED' })
    await chat.ask('A question that has left when it is answered')
    expect(chat.messages).toEqual([assistant(long)])
    await expect(read()).rejects.toMatchObject({ code: 'EVICTED' })
    await soon(chat.ask('Still alive?'))
    expect(() => chat.regenerate({ temprature: 1 } as object)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_OPTION' }),
    )
  })
})

describe('fork', () => {
  test('goes on from the same history, each its own way, and decodes nothing again', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    const other = await chat.fork()
    expect(other.messages).toEqual(chat.messages)
    expect(other.usage).toEqual(chat.usage)
    await Promise.all([chat.ask('Two'), other.ask('Three')])
    expect(chat.messages.map(({ content }) => content)).toEqual(['One', reply, 'Two', reply])
    expect(other.messages.map(({ content }) => content)).toEqual(['One', reply, 'Three', reply])
    expect(native.opened[1]!.text).toBe(`${opening('S') + asked('One') + reply}<|im_end|>\n${asked('Three')}${reply}`)
    await chat.close()
    await other.ask('Four')
    await expect(chat.fork()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('where no sequence is left says so', async () => {
    const { model } = fakeModel({}, { maxSequences: 1, whenFull: 'refuse' })
    const chat = model.createChat()
    await chat.ask('One')
    await expect(chat.fork()).rejects.toMatchObject({ code: 'NO_SEQUENCE_LEFT' })
    await soon(chat.ask('Two'))
  })
})

describe('candidates', () => {
  test('answer the same question, which is decoded once, and change nothing', async () => {
    const { model, native } = fakeModel({}, {}, 'abc', 'def', 'ghi')
    const chat = model.createChat({ system: 'S' })
    const before = chat.messages
    const candidates = await chat.candidates('One', 3)
    expect(candidates.map(({ text }) => text).sort()).toEqual(['abc', 'def', 'ghi'])
    expect(chat.messages).toEqual(before)
    for (const { text, chat: its, usage } of candidates) {
      expect(its.messages).toEqual([user('One'), assistant(text)])
      expect(usage.promptTokens).toBe(0)
    }
    expect(native.opened.map(({ jobs }) => jobs.filter(job => job === 'append').length)).toEqual([0, 1, 0, 0])
    expect((await candidates[0]!.chat.ask('Two')).text).not.toBe('')
    await expect(chat.candidates('One', 0)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('startWith', () => {
  test('begins the reply, and is part of it', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat()
    expect((await chat.ask('One', { startWith: 'Well, ' })).text).toBe(`Well, ${reply}`)
    expect(native.opened[0]!.text).toBe(`${asked('One')}Well, ${reply}`)
    expect(chat.messages.at(-1)).toEqual(assistant(`Well, ${reply}`))
    expect(() => chat.stream('Two', { startWith: 'a', grammar: 'root ::= "a"' })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})

describe('add', () => {
  test('puts an exchange into the history, which must end with a reply', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat()
    await chat.add([user('One'), assistant('Two'), user('Three'), assistant('Four')])
    await chat.ask('Five')
    expect(native.opened[0]!.text).toBe(
      `${asked('One')}Two<|im_end|>\n${asked('Three')}Four<|im_end|>\n${asked('Five')}${reply}`,
    )
    await expect(chat.add([user('Six')])).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('setSystem', () => {
  test('replaces a pinned system prompt alone', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'Speak', window: 400 })
    await chat.ask('One')
    const before = chat.limits
    await chat.setSystem('Sing now')
    expect(chat.system).toBe('Sing now')
    expect(native.opened[0]!.jobs).toEqual(['replaceSinks'])
    expect(chat.limits.sinks).toBe(opening('Sing now').length)
    expect(chat.limits.sinks + chat.limits.window).toBe(before.sinks + before.window)
    await chat.ask('Two')
    expect(native.opened[0]!.text).toBe(
      `${opening('Sing now') + asked('One') + reply}<|im_end|>\n${asked('Two')}${reply}`,
    )
    await chat.undo()
    expect(native.opened[0]!.text).toBe(opening('Sing now') + asked('One') + reply)
  })

  test.each([
    ['not pinned', { system: 'Speak', pinSystem: false }, 'Sing'],
    ['none', {}, 'Sing'],
    ['taken away', { system: 'Speak' }, undefined],
  ])('%s: the messages in the window are decoded again', async (_name, options, system) => {
    const { model, native } = fakeModel()
    const chat = model.createChat(options)
    await chat.ask('One')
    await chat.setSystem(system)
    await chat.ask('Two')
    expect(native.opened.at(-1)!.text).toBe(
      `${(system === undefined ? '' : opening(system)) + asked('One') + reply}<|im_end|>\n${asked('Two')}${reply}`,
    )
    expect(native.sequences.size).toBe(1)
  })

  test('before the first turn costs nothing', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'Speak' })
    await chat.setSystem('Sing')
    await chat.ask('One')
    expect(native.opened.at(-1)!.text).toBe(opening('Sing') + asked('One') + reply)
    await expect(chat.setSystem(5 as unknown as string)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('one that is too long for its share is not pinned, and a warning says so', async () => {
    const warnings: string[] = []
    const { model } = fakeModel({}, { onWarning: message => warnings.push(message) })
    const chat = model.createChat({ system: 'Speak', window: 400 })
    await chat.setSystem('x'.repeat(300))
    expect(warnings).toEqual([expect.stringContaining('pinShare')])
    expect(chat.limits.sinks).toBe(4)
    const other = model.createChat({ system: 'x'.repeat(300), window: 400, pinShare: 0.9 })
    expect(other.limits.sinks).toBe(opening('x'.repeat(300)).length)
  })
})

// Leaves out what earlier replies had thought, as reasoning models' templates do.
const forgetting =
  `{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' and not loop.last %}{{ m['content'].split('</think>')[-1] }}{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}` +
  `{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`

describe('a template that drops the reasoning of earlier turns', () => {
  test('is decoded again from the first difference', async () => {
    const { model, native } = fakeModel({ chatTemplate: forgetting }, {}, '<think>Well</think>Yes')
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    await chat.ask('Two')
    const third = await chat.ask('Three')
    expect(native.opened).toHaveLength(1)
    expect(native.opened[0]!.text).toBe(
      `${opening('S') + asked('One')}Yes<|im_end|>\n${asked('Two')}Yes<|im_end|>\n${asked('Three')}<think>Well</think>Yes`,
    )
    // The last reply without its reasoning, and the turn.
    expect(third.usage.promptTokens).toBe(`Yes<|im_end|>\n${asked('Three')}`.length)
    expect(chat.messages[1]).toEqual({ ...assistant('Yes'), reasoning: 'Well' })
    await chat.undo(2)
    await chat.ask('Four')
    expect(native.opened[0]!.text).toBe(
      `${opening('S') + asked('One')}Yes<|im_end|>\n${asked('Four')}<think>Well</think>Yes`,
    )
  })
})

describe('a template that changes earlier turns', () => {
  // Marks the latest question.
  const marking =
    `{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] }}{% if loop.last %}{{ ' (answer this)' }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}` +
    `{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`

  test('is decoded again from the first difference', async () => {
    const { model, native } = fakeModel({ chatTemplate: marking })
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    const { usage } = await chat.ask('Two')
    const again = ` (answer this)<|im_end|>\n<|im_start|>assistant\n`
    expect(native.opened).toHaveLength(1)
    const text = `${opening('S')}<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\n${reply}<|im_end|>\n<|im_start|>user\nTwo${again}`
    expect(native.opened[0]!.text).toBe(text + reply)
    expect(usage.promptTokens).toBe(text.length - `${opening('S')}<|im_start|>user\nOne`.length)
  })

  test('loses tokens one by one, whatever was asked for, and says so', () => {
    const warnings: string[] = []
    const { model } = fakeModel({ chatTemplate: marking }, { onWarning: message => warnings.push(message) })
    expect(model.createChat({ evict: 'turn' }).limits.evict).toBe('token')
    expect(warnings).toEqual([expect.stringMatching(/changes earlier turns.*tokens leave one by one/)])
  })

  test('also when the window has moved on', async () => {
    const { model, native } = fakeModel({ chatTemplate: marking })
    const chat = model.createChat({ system: 'S', window: 200 })
    for (let i = 0; i < 12; i++) {
      const { usage } = await chat.ask(`Question ${i}`)
      if (i > 0) expect(usage.promptTokens).toBeLessThan(150)
    }
    expect(native.opened).toHaveLength(1)
    expect(
      native.opened[0]!.kept.endsWith(`Question 11 (answer this)<|im_end|>\n<|im_start|>assistant\n${reply}`),
    ).toBe(true)
    expect(native.opened[0]!.kept.startsWith(opening('S'))).toBe(true)
  })
})

describe('streamChat', () => {
  const read = async (options: Parameters<typeof streamChat>[0]) => {
    let text = ''
    let promptTokens = 0
    for await (const event of streamChat(options)) {
      if (event.type === 'text') text += event.text
      if (event.type === 'finish') ({ promptTokens } = event.usage)
    }
    return { text, promptTokens }
  }

  test('of the same messages once more goes back to the question', async () => {
    const { model, native } = fakeModel()
    const messages = [user('One')]
    await read({ model, messages })
    expect((await read({ model, messages })).promptTokens).toBe(0)
    expect(native.opened).toHaveLength(1)
    expect(native.opened[0]!.text).toBe(asked('One') + reply)
  })

  test('with an earlier reply edited goes back to what precedes it', async () => {
    const { model, native } = fakeModel()
    await read({ model, messages: [user('One')] })
    await read({ model, messages: [user('One'), assistant(reply), user('Two')] })
    const { promptTokens } = await read({ model, messages: [user('One'), assistant('no!'), user('Two')] })
    expect(promptTokens).toBe(`no!<|im_end|>\n${asked('Two')}`.length)
    expect(native.opened.at(-1)!.text).toBe(`${asked('One')}no!<|im_end|>\n${asked('Two')}${reply}`)
    // What went on for longer is left as it was.
    expect(native.opened[0]!.text).toBe(`${asked('One')}${reply}<|im_end|>\n${asked('Two')}${reply}`)
    const on = await read({
      model,
      messages: [user('One'), assistant(reply), user('Two'), assistant(reply), user('Three')],
    })
    expect(on.promptTokens).toBe(`<|im_end|>\n${asked('Three')}`.length)
  })

  test('with the last question edited goes back to the reply before it', async () => {
    const { model, native } = fakeModel()
    await read({ model, messages: [user('One')] })
    await read({ model, messages: [user('One'), assistant(reply), user('Two')] })
    const { promptTokens } = await read({ model, messages: [user('One'), assistant(reply), user('Three')] })
    expect(promptTokens).toBe(`<|im_end|>\n${asked('Three')}`.length)
    expect(native.opened).toHaveLength(1)
  })

  test('finds the conversation also where its caller has trimmed the replies', async () => {
    const { model, native } = fakeModel({}, {}, ' Hello \n')
    await read({ model, messages: [user('One')] })
    const { promptTokens } = await read({ model, messages: [user('One'), assistant('Hello'), user('Two')] })
    expect(promptTokens).toBe(`<|im_end|>\n${asked('Two')}`.length)
    expect(native.opened).toHaveLength(1)
  })

  test('forks where it can, and else goes back itself', async () => {
    const { model, native } = fakeModel({}, { maxSequences: 1, whenFull: 'refuse' })
    await read({ model, messages: [user('One')] })
    await read({ model, messages: [user('One'), assistant(reply), user('Two')] })
    await read({ model, messages: [user('One'), assistant('no!'), user('Two')] })
    expect(native.opened).toHaveLength(1)
    expect(native.opened[0]!.text).toBe(`${asked('One')}no!<|im_end|>\n${asked('Two')}${reply}`)
  })
})
