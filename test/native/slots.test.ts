import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NativeSequence, NativeStream } from '../../lib/engine/native.js'
import { type Chat, type ChatMessage, loadModel, type Model, type ModelOptions, streamChat } from '../../lib/index.js'
import { append, randomTokens, score, scoreText, withModel } from '../tools/family-runs.js'
import { collectGarbage } from '../tools/garbage.js'
import { drain, exactContext, greedy, loadNative, openAddon, verified } from '../tools/native-engine.js'
import { tinyModel } from '../tools/tiny-models.js'

const addon = openAddon()
const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false, batchSize: 64 }
const chatCount = 16
const turns = 3
/** Sinks, window, sinks on the move, cells that are held, for each; and one batch. */
const cellsFor = (places: number) => places * (4 + 120 + 4 + 64) + 64

const path = tinyModel('llama', { endBias: -20 })
const question = (chat: number, turn: number) => `Chat ${chat}, question ${turn}: what follows?`

/** A reply, and the places in it where the two best tokens were as good as equal: there rounding may choose another. */
async function ask(chat: Chat, text: string): Promise<{ text: string; ties: number[] }> {
  let reply = ''
  const ties: number[] = []
  for await (const event of chat.stream(text, { maxTokens: 40, temperature: 0, logprobs: 2 })) {
    if (event.type !== 'text') continue
    reply += event.text
    for (const { top } of event.tokens!) if (top[0]!.logprob - top[1]!.logprob < 1e-3) ties.push(reply.length)
  }
  return { text: reply, ties }
}

async function alone(model: Model, index: number): Promise<{ text: string; ties: number[] }[]> {
  const chat = model.createChat({ sinks: 4, window: 120 })
  const replies = []
  for (let turn = 0; turn < turns; turn++) replies.push(await ask(chat, question(index, turn)))
  await chat.close()
  return replies
}

describe.each([
  ['memory', {}],
  ['disk', { swap: 'disk' }],
] as const)('more chats than places, which swap to %s', (_name, swap) => {
  test(`${chatCount} chats in the cells of 4 all finish, as they would alone, and in fair order`, async () => {
    await using single = await loadModel(path, { ...exact })
    const expected: { text: string; ties: number[] }[][] = []
    for (let i = 0; i < chatCount; i++) expected.push(await alone(single, i))

    await using model = await loadModel(path, { ...exact, ...swap, maxSequences: 8, cacheTokens: cellsFor(4) })
    const chats = Array.from({ length: chatCount }, () => model.createChat({ sinks: 4, window: 120 }))
    const ends: number[] = []
    const replies = await Promise.all(
      chats.map(async (chat, i) => {
        const mine = []
        for (let turn = 0; turn < turns; turn++) {
          mine.push(await ask(chat, question(i, turn)))
          ends.push(i)
        }
        return mine
      }),
    )
    let excused = 0
    replies.forEach((mine, i) => {
      for (let turn = 0; turn < turns; turn++) {
        const [got, want] = [mine[turn]!, expected[i]![turn]!]
        if (got.text === want.text) continue
        const at = [...got.text].findIndex((character, at) => character !== want.text[at])
        expect(want.ties.some(tie => Math.abs(tie - at) <= 2)).toBe(true)
        excused++
        break
      }
    })
    expect(excused).toBeLessThanOrEqual(2)
    // Nobody is answered a second time before everybody has been once, give or take those that are at work at a time.
    const firsts = new Map<number, number>()
    ends.forEach((chat, at) => firsts.set(chat, firsts.get(chat) ?? at))
    expect(firsts.size).toBe(chatCount)
    expect(Math.max(...firsts.values())).toBeLessThan(chatCount + 4)
  })
})

describe('a place in the cache', () => {
  test('is given back to an idle chat without decoding anything again', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 1 })
    const [one, two] = [model.createChat(), model.createChat()]
    await one.ask('A first question that takes some tokens', { maxTokens: 10 })
    await two.ask('Another one', { maxTokens: 10 })
    const { usage } = await one.ask('More', { maxTokens: 10 })
    const { usage: whole } = await one.ask('More', { maxTokens: 10 })
    expect(usage.promptTokens).toBe(whole.promptTokens)
    expect(usage.seenTokens).toBeGreaterThan(60)
  })

  test('that none has is refused at once where that was asked for', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 1, whenFull: 'refuse' })
    const chat = model.createChat()
    expect(() => model.createChat()).toThrow(expect.objectContaining({ code: 'NO_SEQUENCE_LEFT' }))
    await chat.close()
    model.createChat()
  })

  test('goes to the highest priority first, then to the job that has asked first', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 1 })
    // Its reader keeps the place until all others have asked.
    const holder = model.createChat().stream('Go', { maxTokens: 5000 })
    await holder.next()
    const chats = [1, 5, 5, 2].map(priority => ({ priority, chat: model.createChat() }))
    const order: number[] = []
    const asked = chats.map(async ({ priority, chat }, i) => {
      const events = chat.stream('Go', { maxTokens: 20, priority })
      await events.next()
      order.push(i)
      for await (const _ of events);
    })
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(order).toEqual([])
    await holder.return()
    await Promise.all(asked)
    expect(order).toEqual([1, 2, 3, 0])
  })

  test('is no longer waited for by a turn that is cancelled, which leaves no trace', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 1 })
    const [busy, waiting] = [model.createChat(), model.createChat()]
    const first = busy.stream('Go', { maxTokens: 5000 })
    await first.next()
    const stop = new AbortController()
    const events: string[] = []
    const read = (async () => {
      for await (const event of waiting.stream('And I?', { signal: stop.signal }))
        events.push(event.type === 'finish' ? event.reason : event.type)
    })()
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(events).toEqual([])
    stop.abort()
    await read
    expect(events).toEqual(['abort'])
    expect(waiting.messages).toEqual([])
    await first.return()
    expect((await waiting.ask('Still there?', { maxTokens: 5 })).text).not.toBe('')
  })

  test('is not waited for to leave a turn, nor for what goes before it, in a chat that has had some', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 1 })
    const [busy, waiting] = [model.createChat({ window: 400 }), model.createChat({ window: 400, temperature: 0 })]
    const fresh = model.createChat({ window: 400, temperature: 0 })
    await waiting.ask('One', { maxTokens: 4 })
    await waiting.ask('Two', { maxTokens: 4 })
    const before = { messages: waiting.messages, usage: waiting.usage }
    const held = busy.stream('Go', { maxTokens: 50_000 })
    for (let i = 0; i < 3; i++) await held.next()
    for (const begin of [
      (options: object) => waiting.stream('And I?', options),
      (options: object) => waiting.regenerate(options),
    ]) {
      for (const options of [{ timeLimit: 100 }, { signal: AbortSignal.timeout(100) }]) {
        const events: string[] = []
        for await (const event of begin(options)) events.push(event.type === 'finish' ? event.reason : event.type)
        expect(events).toEqual(['timeLimit' in options ? 'time' : 'abort'])
        expect({ messages: waiting.messages, usage: waiting.usage }).toEqual(before)
      }
    }
    const undone = await waiting.undo()
    expect(undone.map(({ content }) => content)[0]).toBe('Two')
    await held.return()
    await fresh.add(waiting.messages)
    const ask = { maxTokens: 8 } as const
    expect((await waiting.ask('Three', ask)).text).toBe((await fresh.ask('Three', ask)).text)
  })

  test('closing a chat that waits, or has been put away, frees what it had', async () => {
    // Of this process: others make theirs in the same place.
    const folders = () => readdirSync(tmpdir()).filter(name => name.startsWith(`streaming-llm-swap-${process.pid}-`))
    const before = folders()
    const model = await loadModel(path, { ...exact, maxSequences: 1, swap: 'disk' })
    const own = folders().find(name => !before.includes(name))!
    const files = () => readdirSync(join(tmpdir(), own))
    const [one, two] = [model.createChat(), model.createChat()]
    await one.ask('Go', { maxTokens: 5 })
    await two.ask('Go', { maxTokens: 5 })
    expect(files()).toHaveLength(1)
    await one.close()
    await two.ask('Go on', { maxTokens: 5 })
    expect(files()).toHaveLength(0)
    await model.close()
    expect(folders()).not.toContain(own)
  })

  test('is found for everybody, however soon the next one asks', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 2 })
    const chats = Array.from({ length: 5 }, () => model.createChat({ window: 100, sinks: 4 }))
    await Promise.all(
      chats.map(async chat => {
        for (let turn = 0; turn < 10; turn++) {
          const asked = [chat.ask('One', { maxTokens: 2 }), chat.undo(), chat.ask('Two', { maxTokens: 2 })]
          await Promise.all(asked)
        }
      }),
    )
    for (const chat of chats) expect(chat.messages.length).toBeGreaterThan(2)
  })

  test('100 conversations in turn, each of several turns, in two places', async () => {
    await using model = await loadModel(path, { ...exact, maxSequences: 2 })
    const chats = Array.from({ length: 100 }, () => model.createChat({ window: 60, sinks: 4 }))
    for (let turn = 0; turn < 2; turn++) {
      for (const chat of chats)
        expect((await chat.ask(`Turn ${turn}`, { maxTokens: 3 })).usage.completionTokens).toBe(3)
    }
  })
})

test.each(['llama', 'jamba', 'qwen35'] as const)(
  '%s: a sequence that gives its place up in the midst of a rebase goes on with it as if it had not',
  kind =>
    withModel(
      kind,
      {},
      async model => {
        const [tokens, probe] = [randomTokens(260, 1), randomTokens(8, 2)]
        const options = { ...verified, window: 200, reanchorEvery: 40 }
        const run = async (between: (sequence: NativeSequence) => Promise<unknown>) => {
          const sequence = model.openSequence(options)
          await append(sequence, tokens)
          await between(sequence)
          const scores = await score(sequence, probe)
          sequence.close()
          return scores
        }
        // Cancelled before its beginning, a rebase does nothing.
        const either = [await run(sequence => drain(sequence.start({ type: 'rebase' }))), await run(async () => {})]
        const off = (scores: readonly number[], expected: readonly number[]) =>
          Math.max(...scores.map((value, at) => Math.abs(value - expected[at]!)))
        for (let i = 0; i < 6; i++) {
          let forked: number[] = []
          const scores = await run(async sequence => {
            const stream = sequence.start({ type: 'rebase' })
            await new Promise(resolve => setTimeout(resolve, 2 * i))
            stream.cancel()
            await drain(stream)
            const fork = sequence.fork()
            const other = model.openSequence(options)
            await append(other, randomTokens(20, 9))
            other.close()
            forked = await score(fork, probe)
            fork.close()
          })
          for (const each of [scores, forked])
            expect(Math.min(...either.map(expected => off(each, expected)))).toBeLessThan(5e-3)
        }
      },
      { maxSequences: 1, waits: true, batchSize: 16 },
    ),
)

describe('a reply that is not referenced any more gives its place to the one that waits for it', () => {
  const tokens = randomTokens(20, 5)

  /** Another's job, begun while the place is taken. The sequence stays, as a chat's does. */
  const waits = async (begin: (stream: NativeStream) => Promise<void>) => {
    const model = await loadNative(addon, path, { ...exactContext, maxSequences: 1, waits: true })
    const [taken, other] = [model.openSequence(verified), model.openSequence(verified)]
    await (async () => {
      const stream = taken.start({ type: 'generate', tokens, sampling: greedy, maxTokens: 0, timeLimit: 0, stop: [] })
      while (stream.take()?.type !== 'text') await new Promise<void>(resolve => stream.wait(resolve))
      await begin(stream)
    })()
    let done = false
    const waiting = append(other, tokens).then(() => {
      done = true
    })
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(done).toBe(false)
    while (!done) await collectGarbage()
    await waiting
    taken.close()
    await model.close()
  }

  test('while it is made', () => waits(async () => {}))

  test('after it was left, its last event not taken', async () => {
    await waits(async stream => {
      stream.cancel()
      await new Promise<void>(resolve => stream.wait(resolve))
      setTimeout(() => stream.wait(() => {}), 100) // held so long
    })
  })
})

describe('a fork while all places are taken', () => {
  const tokens = randomTokens(40, 3)
  const probe = randomTokens(10, 4)

  test.each([
    [1, 0],
    [2, 0],
    [2, 1],
    [3, 2],
  ])('of %i, with %i newer sequences beside it, goes on from what it was copied from', async (maxSequences, others) => {
    const model = await loadNative(addon, path, { ...exactContext, maxSequences, waits: true })
    const expected = await scoreText(model, Int32Array.from([...tokens, ...probe]), { window: 200 }, tokens.length)
    const from = model.openSequence({ ...verified, window: 200 })
    await append(from, tokens)
    const newer = Array.from({ length: others }, () => model.openSequence({ ...verified, window: 200 }))
    for (const sequence of newer) await append(sequence, randomTokens(20, 9))
    const forks = [from.fork(), from.fork()]
    for (const sequence of [...forks, from])
      (await score(sequence, probe)).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4))
    await model.close()
  })

  test('remembers what the chat was told: a chat, its candidates, and a branch of a history', async () => {
    const greedy = { maxTokens: 12, temperature: 0 }
    const reference = await loadModel(path, exact)
    const told = reference.createChat({ keepMessages: 'all' })
    await told.ask('My cat is called Miezi.', greedy)
    const first = told.messages
    const { text: expected } = await told.ask('What is my cat called?', greedy)
    await reference.close()

    await using model = await loadModel(path, { ...exact, maxSequences: 1, whenFull: 'wait' })
    const chat = model.createChat()
    await chat.ask('My cat is called Miezi.', greedy)
    const fork = await chat.fork()
    expect((await fork.ask('What is my cat called?', greedy)).text).toBe(expected)
    const candidates = await chat.candidates('What is my cat called?', 2, greedy)
    expect(candidates.map(({ text }) => text)).toEqual([expected, expected])
    expect((await chat.ask('What is my cat called?', greedy)).text).toBe(expected)
    for (const one of [fork, ...candidates.map(({ chat }) => chat), chat]) await one.close()

    const reply = async (messages: ChatMessage[]) => {
      let text = ''
      for await (const event of streamChat({ model, messages, ...greedy }))
        if (event.type === 'text') text += event.text
      return text
    }
    const history = first.slice(0, 1)
    for (const input of ['And now?', 'And then?', undefined]) {
      history.push({ role: 'assistant', content: await reply(history) })
      if (input !== undefined) history.push({ role: 'user', content: input })
    }
    await reply([{ role: 'user', content: 'Something else' }])
    expect(await reply([...history.slice(0, 2), { role: 'user', content: 'What is my cat called?' }])).toBe(expected)
  })
})

test('waiting for a place counts for the time limit', async () => {
  await using model = await loadModel(path, { ...exact, maxSequences: 1 })
  const busy = model.createChat({ sinks: 4, window: 60 })
  const waiting = model.createChat({ sinks: 4, window: 60 })
  let over = false
  const long = (async () => {
    for await (const event of busy.stream('A long one', { maxTokens: 100_000, temperature: 0 })) {
      if (event.type === 'finish') return event.reason
      if (over) break
    }
    return 'left'
  })()
  const { reason, text } = await waiting.ask('Now?', { timeLimit: 300 })
  expect([reason, text]).toEqual(['time', ''])
  over = true
  expect(await long).toBe('left')
  expect((await waiting.ask('And now?', { maxTokens: 5, timeLimit: 500_000 })).reason).toBe('length')
  const sequence = model.createSequence({ sinks: 4, window: 60 })
  const started = performance.now()
  for await (const event of sequence.generate({ tokens: [1, 2, 3], timeLimit: 200, maxTokens: 1_000_000 }))
    if (event.type === 'finish') expect(event.reason).toBe('time')
  expect(performance.now() - started).toBeGreaterThan(190)
})
