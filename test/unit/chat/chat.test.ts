import { type Chat, type ChatMessage, type StreamEvent, StreamingLLMError, streamChat } from '../../../lib/index.js'
import { chatML, fakeModel, reply, soon } from '../../tools/fake-model.js'

// Says first how many messages there are: no turn can be rendered by itself.
const counting = `{{ messages | length }} ${chatML}`

async function read(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

/** Reads up to `finish`, and asks for no more. */
async function readToFinish(events: AsyncIterator<StreamEvent>): Promise<void> {
  for (;;) {
    const { value } = await events.next()
    if (value.type === 'finish') return
  }
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    return StreamingLLMError.isInstance(error) ? error.code : `untyped: ${String(error)}`
  }
  return 'nothing thrown'
}

const contents = (chat: Chat) => chat.messages.map(({ content }) => content)

describe('a turn', () => {
  test('feeds the whole template first, then only what is new', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    await chat.ask('Two')
    expect(native.opened).toHaveLength(1)
    expect(native.opened[0]!.text).toBe(
      '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\nabcdef' +
        '<|im_end|>\n<|im_start|>user\nTwo<|im_end|>\n<|im_start|>assistant\nabcdef',
    )
    expect(contents(chat)).toEqual(['One', reply, 'Two', reply])
  })

  test('never started, it changes nothing', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat()
    await chat.stream('One').return()
    chat.stream('Two')
    expect(contents(chat)).toEqual([])
    expect(native.opened[0]!.text).toBe('')
    await soon(chat.ask('Three'))
    expect(contents(chat)).toEqual(['Three', reply])
  })

  test.each([0, 1, 3, 6])('left after %i pieces of text, it keeps exactly these', async count => {
    const { model } = fakeModel()
    const chat = model.createChat()
    let heard = ''
    for await (const event of chat.stream('One')) {
      if (event.type === 'text') heard += event.text
      if (heard.length === count) break
    }
    expect(contents(chat)).toEqual(count === 0 ? [] : ['One', reply.slice(0, count)])
    expect((await soon(chat.ask('Two'))).text).toBe(reply)
  })

  test('does not hold up the next one when its reader stops at the last event', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    await readToFinish(chat.stream('One'))
    await soon(chat.ask('Two'))
    expect(contents(chat)).toEqual(['One', reply, 'Two', reply])
  })

  test('aborted before it starts, it leaves no trace, unless it is to be kept', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    await chat.ask('Before')
    const { usage: before } = chat
    const events = await read(chat.stream('One', { signal: AbortSignal.abort() }))
    expect(events.at(-1)).toMatchObject({
      type: 'finish',
      reason: 'abort',
      usage: { promptTokens: 0, completionTokens: 0, ...before },
    })
    expect(contents(chat)).toEqual(['Before', reply])
    expect(chat.usage).toEqual(before)
    await read(chat.stream('One', { signal: AbortSignal.abort(), keepUnanswered: true }))
    expect(contents(chat)).toEqual(['Before', reply, 'One', ''])
  })

  test('left while its tokens are made, it is kept where it is to be', async () => {
    // So long that the signal is looked at in between.
    const { model } = fakeModel()
    const chat = model.createChat()
    const long = 'What? '.repeat(9_000)
    const signal = AbortSignal.abort()
    const lengths = () => contents(chat).map(({ length }) => length)
    const left = await read(chat.stream(long, { signal }))
    expect(left.at(-1)).toMatchObject({ type: 'finish', reason: 'abort' })
    expect(contents(chat)).toEqual([])
    const kept = await read(chat.stream(long, { signal, keepUnanswered: true }))
    expect(kept.at(-1)).toMatchObject({ type: 'finish', reason: 'abort' })
    expect(lengths()).toEqual([long.length, 0])
    await chat.ask('And?')
    expect(lengths()).toEqual([long.length, 0, 4, reply.length])
  })

  test('that cannot be tokenized leaves no trace', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    await chat.ask('One')
    expect(await codeOf(() => chat.ask('\u2014'))).toBe('TOKENIZE_FAILED')
    expect(contents(chat)).toEqual(['One', reply])
    await soon(chat.ask('Two'))
  })

  test.each([chatML, counting])('on a closed chat leaves no trace, and opens nothing', async chatTemplate => {
    const { model, native } = fakeModel({ chatTemplate })
    const chat = model.createChat()
    await chat.ask('One')
    await chat.close()
    expect(await codeOf(() => chat.ask('Two'))).toBe('CLOSED')
    expect(contents(chat)).toEqual(['One', reply])
    expect(native.sequences.size).toBe(0)
  })

  test('of a new chat goes through the window whole, however long', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ sinks: 4, window: 60 })
    const long = 'x'.repeat(500)
    await chat.ask(long)
    expect(native.opened[0]!.text).toContain(long)
    expect(chat.usage.evictedTokens).toBe(chat.usage.seenTokens - 64)
  })

  test('of a restored chat cuts the history, not what is said now', async () => {
    const { model, native } = fakeModel()
    const messages: ChatMessage[] = Array.from({ length: 50 }, (_, i) => ({
      role: i % 2 === 0 ? 'user' : 'assistant',
      content: `said ${i}`,
    }))
    const chat = model.createChat({ sinks: 4, window: 60, messages })
    const long = 'x'.repeat(500)
    await chat.ask(long)
    expect(native.opened[0]!.text).toContain(long)
    expect(native.opened[0]!.text).not.toContain('said 30')
    expect(chat.usage.seenTokens).toBeGreaterThan(1500)
    expect(chat.usage.seenTokens).toBe(chat.usage.cachedTokens + chat.usage.evictedTokens)
    expect(contents(chat)).toEqual([long, reply]) // its end is still in the window
  })
})

describe('a template that changes earlier turns', () => {
  test('needs no second sequence', async () => {
    const { model, native } = fakeModel({ chatTemplate: counting }, { maxSequences: 1 })
    const chat = model.createChat()
    await chat.ask('One')
    await chat.ask('Two')
    expect(native.sequences.size).toBe(1)
    expect([...native.sequences][0]!.text).toMatch(/^3 /)
    expect(contents(chat)).toEqual(['One', reply, 'Two', reply])
  })

  test('counts what is decoded again once', async () => {
    const { model } = fakeModel({ chatTemplate: counting })
    const chat = model.createChat()
    for (const text of ['One', 'Two', 'Three']) await chat.ask(text)
    expect(chat.usage.evictedTokens).toBe(0)
    expect(chat.usage.seenTokens).toBe(chat.usage.cachedTokens)
  })

  test.each(['window', 'all'] as const)(
    'decodes only messages that are still in the window again, keeping %s',
    async keepMessages => {
      const { model, native } = fakeModel({ chatTemplate: counting })
      const chat = model.createChat({ sinks: 4, window: 200, keepMessages })
      for (let turn = 0; turn < 20; turn++) await chat.ask(`turn ${turn}`)
      // It says how many messages it was given: those within the window, whatever is kept besides.
      expect(Number.parseInt(native.opened.at(-1)!.text, 10)).toBeLessThan(12)
      expect(native.opened.at(-1)!.text).toContain('turn 18')
      expect(contents(chat).slice(-2)).toEqual(['turn 19', reply])
      if (keepMessages === 'all') expect(chat.messages).toHaveLength(40)
      else expect(chat.messages.length).toBeLessThan(12)
      expect(chat.usage.seenTokens).toBe(chat.usage.cachedTokens + chat.usage.evictedTokens)
    },
  )
})

describe('the pinned system prompt', () => {
  test('is pinned by default up to a quarter of the cache', () => {
    const { model } = fakeModel()
    expect(model.createChat({ system: 'S'.repeat(50), window: 396 }).limits).toMatchObject({ sinks: 80, window: 320 })
    expect(model.createChat({ system: 'S'.repeat(90), window: 396 }).limits).toMatchObject({ sinks: 4, window: 396 })
    expect(model.createChat({ system: 'S', sinks: 4, window: 396 }).limits.sinks).toBe(4)
    expect(model.createChat({ system: 'S', pinSystem: false, window: 396 }).limits.sinks).toBe(4)
  })

  test('is pinned beyond that where asked for, and refused where it cannot be', async () => {
    const { model } = fakeModel()
    expect(model.createChat({ system: 'S'.repeat(170), pinSystem: true, window: 396 }).limits).toMatchObject({
      sinks: 200,
      window: 200,
    })
    expect(await codeOf(() => model.createChat({ system: 'S'.repeat(500), pinSystem: true, window: 396 }))).toBe(
      'WINDOW_TOO_LARGE',
    )
  })

  test('leaves room in a limited cache for its move', () => {
    const { model } = fakeModel({}, { cacheTokens: 2048 })
    const { sinks, window } = model.createChat({ system: 'S'.repeat(270) }).limits
    expect(sinks).toBe(300)
    expect(2 * sinks + window + 64 + 128).toBeLessThanOrEqual(2048)
  })
})

describe('plain text', () => {
  test('opens its sequence at the first next() and gives it back at the last event', async () => {
    const { model, native } = fakeModel()
    await model.stream('Go').return()
    expect(native.opened).toHaveLength(0)
    await readToFinish(model.stream('Go', { maxTokens: 3 }))
    expect(native.opened[0]!.text).toBe('Goabc')
    expect(native.sequences.size).toBe(0)
  })

  test('refuses wrong options at once, and by its own name', () => {
    const { model } = fakeModel()
    expect(() => model.stream('Go', { maxToken: 3 } as never)).toThrow(/^stream.*maxTokens/)
    expect(() => model.stream(7 as never)).toThrow(/^stream: /)
  })
})

test('what the addon throws at the start of a job is typed', async () => {
  const { model } = fakeModel()
  const sequence = model.createSequence()
  expect(await codeOf(() => sequence.rebase())).toBe('INVALID_OPTION')
  await model.close()
  expect(await codeOf(() => read(sequence.generate({ tokens: [1] })))).toBe('CLOSED')
})

test('a sequence is free for the next call when its reader stops at the last event', async () => {
  const { model } = fakeModel()
  const sequence = model.createSequence()
  await readToFinish(sequence.generate({ tokens: [97] }))
  await soon(read(sequence.generate({ tokens: [97] })))
  expect(sequence.usage.seenTokens).toBe(14)
})

describe('streamChat', () => {
  const say = (...texts: string[]): ChatMessage[] =>
    texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

  test('finds the chat again, also after a reader that stopped at the last event', async () => {
    const { model, native } = fakeModel()
    await readToFinish(streamChat({ model, messages: say('One') }))
    await read(streamChat({ model, messages: say('One', reply, 'Two') }))
    expect(native.opened).toHaveLength(1)
    await read(streamChat({ model, messages: say('One', 'other', 'Two') }))
    expect(native.opened).toHaveLength(2)
  })

  test('two calls from the same history at once have a sequence each', async () => {
    const { model, native } = fakeModel()
    await read(streamChat({ model, messages: say('One') }))
    await Promise.all(['Two', 'Three'].map(text => read(streamChat({ model, messages: say('One', reply, text) }))))
    expect(native.opened).toHaveLength(2)
  })

  test('left early, it is found by what was delivered', async () => {
    const { model, native } = fakeModel()
    for await (const text of streamChat({ model, messages: say('One') }).text()) if (text === 'c') break
    await read(streamChat({ model, messages: say('One', 'abc', 'Two') }))
    expect(native.opened).toHaveLength(1)
  })

  test('a message that cannot be tokenized does not cost the conversation its cache', async () => {
    const { model, native } = fakeModel()
    await read(streamChat({ model, messages: say('One') }))
    expect(await codeOf(() => read(streamChat({ model, messages: say('One', reply, '\u2014') })))).toBe(
      'TOKENIZE_FAILED',
    )
    await read(streamChat({ model, messages: say('One', reply, 'Two') }))
    expect(native.opened).toHaveLength(1)
  })

  test('its idle chats give way when a sequence is needed', async () => {
    const { model, native } = fakeModel({}, { maxSequences: 2, whenFull: 'refuse' })
    await read(streamChat({ model, messages: say('One') }))
    await read(streamChat({ model, messages: say('Two') }))
    const chat = model.createChat()
    const sequence = model.createSequence()
    expect(native.opened.map(({ closed }) => closed)).toEqual([true, true, false, false])
    expect(await codeOf(() => read(streamChat({ model, messages: say('Three') })))).toBe('NO_SEQUENCE_LEFT')
    await Promise.all([chat.close(), sequence.close()])
    await read(streamChat({ model, messages: say('Three') }))
  })

  test('no more idle chats are kept than have a slot in the cache', async () => {
    const { model, native } = fakeModel({}, { maxSequences: 2 })
    for (const text of ['One', 'Two', 'Three', 'Four']) await read(streamChat({ model, messages: say(text) }))
    expect(native.opened.map(({ closed }) => closed)).toEqual([true, true, false, false])
  })
})

test('a signal that can be listened to only once costs its own turn, and no other', async () => {
  const { model } = fakeModel({}, {}, 'One', 'Two', 'Three')
  const chat = model.createChat()
  const tired = () => {
    let times = 0
    return {
      aborted: false,
      addEventListener() {
        if (times++ > 0) throw new RangeError('tired')
      },
      removeEventListener() {},
    } as unknown as AbortSignal
  }
  const outcomes = await Promise.allSettled([
    chat.ask('a', { signal: tired() }),
    chat.ask('b', { signal: tired() }),
    chat.ask('c'),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  expect(outcomes[0]).toMatchObject({ reason: { code: 'INVALID_OPTION' } })
  expect(chat.messages).toHaveLength(2)
})
