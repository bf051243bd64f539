import { streamChat, StreamingLLMError, type Chat, type ChatMessage, type ModelOptions, type StreamEvent } from '../../lib/index.js'
import { Model } from '../../lib/model.js'
import type { NativeEvent, NativeJob, NativeModel, NativeModelInfo, NativeSequence, NativeSequenceOptions, NativeStream } from '../../lib/native.js'
import { parseModelOptions } from '../../lib/options.js'

// What the typed layer does by itself, on an engine of a few lines: one token a character, replies as given.

const chatML = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
  + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
// Says first how many messages there are: no turn can be rendered by itself.
const counting = '{{ messages | length }} ' + chatML

const info: NativeModelInfo = {
  description: 'fake', parameters: 1, sizeBytes: 1, layers: 1, trainedLength: 4096, vocabularySize: 100_000, hasTokenizer: true,
  hasEncoder: false, hasDecoder: true, isRecurrent: false, isHybrid: false, isDiffusion: false, hasPositions: true, slidingWindow: 0, chatTemplate: chatML,
  beginningToken: undefined, beginningText: '', endText: '', specialTokens: ['<|im_start|>', '<|im_end|>'],
}
const reply = 'abcdef'
const coded = (code: string) => Object.assign(new Error(code), { code })

class FakeModel implements NativeModel {
  readonly cells = 0
  readonly sequences = new Set<FakeSequence>()
  /** Each sequence that was ever opened. */
  readonly opened: FakeSequence[] = []
  closed = false

  constructor(readonly info: NativeModelInfo, private readonly maxSequences: number) {}

  openSequence(options: NativeSequenceOptions): FakeSequence {
    if (this.sequences.size >= this.maxSequences) throw coded('NO_SEQUENCE_LEFT')
    const sequence = new FakeSequence(this, options)
    this.sequences.add(sequence)
    this.opened.push(sequence)
    return sequence
  }

  tokenize(text: string): Int32Array {
    if (text.includes('\u2014')) throw coded('TOKENIZE_FAILED')
    return Int32Array.from(text, character => character.charCodeAt(0))
  }

  detokenize(tokens: Int32Array): string {
    return String.fromCharCode(...tokens)
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

class FakeSequence implements NativeSequence {
  seen = 0
  evicted = 0
  /** All that was fed and not taken back, evicted or not, as text. */
  text = ''
  /** What was asked for beside replies. */
  readonly jobs: string[] = []
  busy = false
  closed = false

  constructor(readonly model: FakeModel, readonly options: NativeSequenceOptions) {}

  /** What the cache holds. */
  get kept(): string {
    const { sinks } = this.options
    return this.text.slice(0, sinks) + this.text.slice(sinks + this.evicted)
  }

  fork(): FakeSequence {
    const { seen, evicted, text } = this
    return Object.assign(this.model.openSequence({ ...this.options }), { seen, evicted, text })
  }

  start(job: NativeJob): NativeStream {
    if (this.closed || this.model.closed) throw coded('CLOSED')
    if (this.busy) throw coded('BUSY')
    if (job.type !== 'generate') return this.edit(job)
    const { tokens, maxTokens } = job
    this.busy = true
    this.add(String.fromCharCode(...tokens))
    const before = this.seen
    let reason: 'end' | 'length' | 'abort' = maxTokens === 0 ? 'end' : 'length'
    const queue: (() => NativeEvent | null)[] = [() => ({ type: 'prefill', done: tokens.length, total: tokens.length }), () => this.evict()]
    for (const text of reply.slice(0, maxTokens || undefined)) {
      queue.push(() => null, () => {
        this.add(text)
        return { type: 'text', text }
      }, () => this.evict())
    }
    queue.push(() => {
      this.busy = false
      const { seen: seenTokens, evicted: evictedTokens } = this
      const counts = { seenTokens, evictedTokens, cachedTokens: seenTokens - evictedTokens }
      return { type: 'finish', reason, promptTokens: tokens.length, reusedTokens: 0, completionTokens: this.seen - before, promptMs: 1, generationMs: 1, ...counts }
    })
    return {
      take: () => queue.shift()?.() ?? null,
      wait: callback => void setImmediate(callback),
      cancel: () => {
        reason = 'abort'
        queue.splice(0, queue.length - 1)
      },
    }
  }

  private edit(job: NativeJob): NativeStream {
    if (!['cut', 'look', 'replaceSinks'].includes(job.type)) throw coded('INVALID_OPTION')
    this.jobs.push(job.type)
    let code: string | undefined
    if (job.type === 'cut') {
      if (job.keep > 0 && this.evicted > 0 && job.keep <= this.options.sinks + this.evicted) code = 'EVICTED'
      else {
        this.text = this.text.slice(0, job.keep)
        this.seen = job.keep
        if (job.keep === 0) this.evicted = 0
      }
    } else if (job.type === 'replaceSinks') {
      const { options } = this
      this.text = String.fromCharCode(...job.tokens) + this.text.slice(options.sinks)
      this.seen = this.text.length
      options.window -= job.tokens.length - options.sinks
      options.sinks = job.tokens.length
      this.evict()
    }
    const { seen: seenTokens, evicted: evictedTokens } = this
    const counts = { seenTokens, evictedTokens, cachedTokens: seenTokens - evictedTokens }
    let last: NativeEvent | null = code !== undefined ? { type: 'error', code, message: code, ...counts }
      : { type: 'finish', reason: 'done', tokens: Int32Array.from(this.kept, each => each.charCodeAt(0)), promptTokens: 0, reusedTokens: 0, completionTokens: 0, promptMs: 0, generationMs: 0, ...counts }
    return { take: () => [last, last = null][0]!, wait: callback => void setImmediate(callback), cancel: () => {} }
  }

  private add(text: string): void {
    this.text += text
    this.seen += text.length
  }

  private evict(): NativeEvent | null {
    const { policy, sinks, window } = this.options
    const tokens = policy === 'dense' ? 0 : Math.max(0, this.seen - this.evicted - sinks - window)
    this.evicted += tokens
    return tokens === 0 ? null : { type: 'evict', tokens, total: this.evicted }
  }

  close(): void {
    this.closed = true
    this.model.sequences.delete(this)
  }
}

function fakeModel(changes: Partial<NativeModelInfo> = {}, options: ModelOptions = {}): { model: Model; native: FakeModel } {
  const parsed = parseModelOptions({ onWarning: () => {}, ...options })
  const native = new FakeModel({ ...info, ...changes }, parsed.maxSequences)
  const header = { path: '/fake.gguf', architecture: 'fake', contextLength: 4096, metadata: new Map(), tensors: new Set<string>(), hasLearnedPositions: false, sizeBytes: 1, weightBytes: { layers: [], output: 0 }, splitCount: 1 }
  return { model: new Model(native, header, parsed, { device: { backend: 'CPU', name: 'a processor', memory: { free: 0, total: 0 }, layers: { offloaded: 0, total: 1 } }, notices: [] }), native }
}

async function read(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

/** Reads as somebody does who knows that `finish` is the last event, and asks for no more. */
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

/** Fails instead of waiting for ever. */
function soon<T>(work: Promise<T>): Promise<T> {
  return Promise.race([work, new Promise<never>((_, reject) => setTimeout(() => reject(new Error('still waiting')), 2000).unref())])
}

const contents = (chat: Chat) => chat.messages.map(({ content }) => content)

describe('a turn', () => {
  test('feeds the whole template first, then only what is new', async () => {
    const { model, native } = fakeModel()
    const chat = model.createChat({ system: 'S' })
    await chat.ask('One')
    await chat.ask('Two')
    expect(native.opened).toHaveLength(1)
    expect(native.opened[0]!.text).toBe('<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\nabcdef'
      + '<|im_end|>\n<|im_start|>user\nTwo<|im_end|>\n<|im_start|>assistant\nabcdef')
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
    expect(contents(chat)).toEqual(['One', reply.slice(0, count)])
    expect((await soon(chat.ask('Two'))).text).toBe(reply)
  })

  test('does not hold up the next one when its reader stops at the last event', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    await readToFinish(chat.stream('One'))
    await soon(chat.ask('Two'))
    expect(contents(chat)).toEqual(['One', reply, 'Two', reply])
  })

  test('aborted before it starts, it counts, with an empty reply', async () => {
    const { model } = fakeModel()
    const chat = model.createChat()
    const events = await read(chat.stream('One', { signal: AbortSignal.abort() }))
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'abort' })
    expect(contents(chat)).toEqual(['One', ''])
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
    const messages: ChatMessage[] = Array.from({ length: 50 }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: `said ${i}` }))
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

  test.each(['window', 'all'] as const)('decodes only messages that are still in the window again, keeping %s', async keepMessages => {
    const { model, native } = fakeModel({ chatTemplate: counting })
    const chat = model.createChat({ sinks: 4, window: 200, keepMessages })
    for (let turn = 0; turn < 20; turn++) await chat.ask(`turn ${turn}`)
    // It says how many messages it was given: those within the window, whatever is kept besides.
    expect(Number.parseInt(native.opened.at(-1)!.text)).toBeLessThan(12)
    expect(native.opened.at(-1)!.text).toContain('turn 18')
    expect(contents(chat).slice(-2)).toEqual(['turn 19', reply])
    if (keepMessages === 'all') expect(chat.messages).toHaveLength(40)
    else expect(chat.messages.length).toBeLessThan(12)
    expect(chat.usage.seenTokens).toBe(chat.usage.cachedTokens + chat.usage.evictedTokens)
  })
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
    expect(model.createChat({ system: 'S'.repeat(170), pinSystem: true, window: 396 }).limits).toMatchObject({ sinks: 200, window: 200 })
    expect(await codeOf(() => model.createChat({ system: 'S'.repeat(500), pinSystem: true, window: 396 }))).toBe('WINDOW_TOO_LARGE')
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
  expect(await codeOf(() => sequence.append([1]))).toBe('INVALID_OPTION')
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
  const say = (...texts: string[]): ChatMessage[] => texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

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
    expect(await codeOf(() => read(streamChat({ model, messages: say('One', reply, '\u2014') })))).toBe('TOKENIZE_FAILED')
    await read(streamChat({ model, messages: say('One', reply, 'Two') }))
    expect(native.opened).toHaveLength(1)
  })

  test('its idle chats give way to whoever needs a sequence', async () => {
    const { model, native } = fakeModel({}, { maxSequences: 2 })
    await read(streamChat({ model, messages: say('One') }))
    await read(streamChat({ model, messages: say('Two') }))
    const chat = model.createChat()
    const sequence = model.createSequence()
    expect(native.opened.map(({ closed }) => closed)).toEqual([true, true, false, false])
    expect(await codeOf(() => read(streamChat({ model, messages: say('Three') })))).toBe('NO_SEQUENCE_LEFT')
    await Promise.all([chat.close(), sequence.close()])
    await read(streamChat({ model, messages: say('Three') }))
  })
})
