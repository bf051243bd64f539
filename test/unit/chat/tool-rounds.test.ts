import { ChatFormat } from '../../../lib/chat/chat-format.js'
import { type Chat, type StreamEvent, streamChat, type Tools } from '../../../lib/index.js'
import { schemaGrammar } from '../../../lib/structured/json-schema.js'
import type { ToolChoice } from '../../../lib/tools/tool-definitions.js'
import { parseTools } from '../../../lib/tools/tools.js'
import { fakeModel, soon } from '../../tools/fake-model.js'
import { GbnfGrammar } from '../../tools/gbnf.js'

// As Qwen's: tools in the system message, calls and answers in marks of their own.
const template =
  `{% if tools %}{{ '<|im_start|>system\\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}{{ '# Tools\\n' }}{% for tool in tools %}{{ tool | tojson }}{{ '\\n' }}{% endfor %}{{ 'Call as <tool_call>\\n{"name": ..., "arguments": ...}\\n</tool_call><|im_end|>\\n' }}{% elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}` +
  `{% for m in messages %}{% if m.role == 'user' or (m.role == 'assistant' and not m.tool_calls) %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}` +
  `{% elif m.role == 'assistant' %}{{ '<|im_start|>assistant\\n' + (m.content or '') }}{% for c in m.tool_calls %}{{ '\\n<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' }}{{ c.function.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}` +
  `{% elif m.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}{% endif %}{% endfor %}` +
  `{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`

const call = (name: string, args: object) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const

function weather(execute: NonNullable<Tools[string]['execute']>): Tools {
  return { weather: { description: 'The weather in a city', parameters, execute } }
}

async function read(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

const kinds = (events: StreamEvent[]) =>
  events.map(({ type }) => type).filter((type, i, all) => !['prefill', 'evict'].includes(type) && type !== all[i - 1])
const toolMessages = (chat: Chat) => chat.messages.filter(({ role }) => role === 'tool').map(({ content }) => content)

describe('tools', () => {
  test('are run, and the model goes on with their results', async () => {
    const { model, native } = fakeModel(
      { chatTemplate: template },
      {},
      `Let me see. ${call('weather', { city: 'Oslo' })}`,
      'It rains.',
    )
    const asked: unknown[] = []
    const chat = model.createChat({
      system: 'S',
      tools: weather(args => {
        asked.push(args)
        return { rain: true }
      }),
    })
    const events = await read(chat.stream('Weather in Oslo?'))
    expect(asked).toEqual([{ city: 'Oslo' }])
    expect(kinds(events)).toEqual([
      'text',
      'tool-call-start',
      'tool-call-arguments',
      'tool-call',
      'tool-result',
      'text',
      'finish',
    ])
    const called = events.find(event => event.type === 'tool-call')!
    expect(called).toMatchObject({ name: 'weather', arguments: { city: 'Oslo' }, index: 0 })
    expect(
      JSON.parse(events.flatMap(event => (event.type === 'tool-call-arguments' ? [event.text] : [])).join('')),
    ).toEqual({ city: 'Oslo' })
    expect(events.find(event => event.type === 'tool-result')).toMatchObject({
      id: called.id,
      name: 'weather',
      result: { rain: true },
    })
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'end' })
    expect(chat.messages).toEqual(
      [
        { role: 'user', content: 'Weather in Oslo?' },
        {
          role: 'assistant',
          content: 'Let me see.',
          toolCalls: [{ id: called.id, name: 'weather', arguments: { city: 'Oslo' } }],
        },
        { role: 'tool', toolCallId: called.id, content: '{"rain":true}' },
        { role: 'assistant', content: 'It rains.' },
      ].map(message => ({ ...message, content: expect.stringContaining(message.content) as string })),
    )
    // The tools are told once, in the system prompt, which is pinned with them.
    const { text } = native.opened[0]!
    expect(text.split('# Tools')).toHaveLength(2)
    expect(chat.limits.sinks).toBe(text.indexOf('<|im_start|>user'))
    expect(text).toContain(
      '<tool_response>\n{"rain":true}\n</tool_response><|im_end|>\n<|im_start|>assistant\nIt rains.',
    )
    const next = await chat.ask('And now?')
    expect(next.usage.promptTokens).toBe(
      '<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n'.length,
    )
  })

  test('of one reply run side by side, and errors are told to the model', async () => {
    const { model } = fakeModel(
      { chatTemplate: template },
      {},
      `${call('weather', { city: 'Oslo' })}\n${call('weather', { city: 'Rome' })}`,
      'Done.',
    )
    let running = 0
    let max = 0
    const chat = model.createChat({
      tools: weather(async ({ city }) => {
        max = Math.max(max, ++running)
        await new Promise(resolve => setTimeout(resolve, 5))
        running--
        if (city === 'Rome') throw new Error('no such city')
        return 'sun'
      }),
    })
    const { text, reason } = await chat.ask('Both?')
    expect([text, reason, max]).toEqual(['Done.', 'end', 2])
    expect(toolMessages(chat)).toEqual(['sun', 'Error: no such city'])
  })

  test('that are broken calls are told to the model as such', async () => {
    const { model, native } = fakeModel(
      { chatTemplate: template },
      {},
      '<tool_call>\n{"name": "wether", "arguments": {}}\n</tool_call>',
      'Sorry.',
    )
    const chat = model.createChat({ tools: weather(() => 'sun') })
    const events = await read(chat.stream('Weather?'))
    expect(kinds(events)).toContain('invalid-tool-call')
    expect(native.opened[0]!.text).toMatch(/<tool_response>\nError: .*wether/)
    expect(events.at(-1)).toMatchObject({ reason: 'end' })
  })

  test('whose arguments do not fit the schema are not run, in whatever form they are written', async () => {
    const wrong = '{"name":"weather","parameters":{"city":7}}'
    const replies = [`<tool_call>${wrong}</tool_call>`, call('weather', { city: 'Oslo' }), 'Sun.']
    const { model, native } = fakeModel({ chatTemplate: template }, {}, ...replies)
    const asked: unknown[] = []
    const chat = model.createChat({ tools: weather(args => asked.push(args)) })
    const events = await read(chat.stream('Weather?'))
    expect(events.find(({ type }) => type === 'invalid-tool-call')).toMatchObject({
      name: 'weather',
      reason: expect.stringContaining('city: '),
    })
    expect(native.opened[0]!.text).toMatch(/<tool_response>\nError: The arguments are not as they must be. city: /)
    expect(asked).toEqual([{ city: 'Oslo' }])
  })

  test('go no more rounds than they may', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }))
    let runs = 0
    const chat = model.createChat({ tools: weather(() => `${++runs}`) })
    const answer = await chat.ask('Weather?', { maxToolRounds: 3 })
    expect(answer.reason).toBe('tool-calls')
    expect(runs).toBe(3)
    expect(answer.toolCalls).toEqual([expect.objectContaining({ name: 'weather', arguments: { city: 'Oslo' } })])
  })

  describe('and a response format', () => {
    const responseFormat = { type: 'object', properties: { sky: { type: 'string' } }, required: ['sky'] } as const
    // What looks like a call within the answer is none.
    const answer = JSON.stringify({ sky: call('weather', { city: 'Rome' }) })

    test('the answer comes after the calls, whatever is in it', async () => {
      const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), answer)
      const cities: string[] = []
      const chat = model.createChat({ tools: weather(({ city }) => cities.push(city)) })
      expect(await chat.ask('Weather?', { responseFormat })).toMatchObject({
        reason: 'end',
        text: answer,
        value: JSON.parse(answer),
      })
      expect(cities).toEqual(['Oslo'])
    })

    test('after the last round no call is read', async () => {
      const { model } = fakeModel(
        { chatTemplate: template },
        {},
        call('weather', { city: 'Oslo' }),
        call('weather', { city: 'Oslo' }),
        '{"sky": "grey"}',
      )
      let runs = 0
      const chat = model.createChat({ tools: weather(() => `${++runs}`) })
      expect(await chat.ask('Weather?', { responseFormat, maxToolRounds: 2 })).toMatchObject({
        reason: 'end',
        value: { sky: 'grey' },
      })
      expect(runs).toBe(2)
    })

    test('calls that the caller has to answer are told, and answered', async () => {
      const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), '{"sky": "grey"}')
      const chat = model.createChat({ tools: { weather: { parameters } } })
      const error: unknown = await chat.ask('Weather?', { responseFormat }).catch((error: unknown) => error)
      expect(error).toMatchObject({
        code: 'OUTPUT_INCOMPLETE',
        details: { toolCalls: [{ name: 'weather', arguments: { city: 'Oslo' } }] },
      })
      const [{ id }] = (error as { details: { toolCalls: [{ id: string }] } }).details.toolCalls
      expect(await chat.ask({ role: 'tool', toolCallId: id, content: 'grey' }, { responseFormat })).toMatchObject({
        value: { sky: 'grey' },
      })
    })
  })

  test('one turn is all of its rounds: it leaves, and is taken back, as a whole', async () => {
    const { model, native } = fakeModel(
      { chatTemplate: template },
      {},
      call('weather', { city: 'Oslo' }),
      'Rain.',
      call('weather', { city: 'Rome' }),
      'Sun.',
      'Bye.',
    )
    const chat = model.createChat({ system: 'S', evict: 'turn', tools: weather(() => 'ok') })
    for (const question of ['Oslo?', 'Rome?', 'Bye?']) await chat.ask(question)
    const { text, turns } = native.opened[0]!
    expect(turns.map(turn => text.slice(turn, turn + 30))).toEqual(
      ['Oslo?', 'Rome?', 'Bye?'].map(
        question => expect.stringMatching(new RegExp(`^<\\|im_start\\|>user\\n${question[0]}`)) as string,
      ),
    )
    expect((await chat.undo()).map(({ role }) => role)).toEqual(['user', 'assistant'])
    expect((await chat.undo()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
  })

  test('a complete call is run though the reply had no room for more; one that was cut is not', async () => {
    const complete = call('weather', { city: 'Oslo' })
    const { model } = fakeModel(
      { chatTemplate: template },
      {},
      `${complete}\n${call('weather', { city: 'Rome' })}`,
      'It rains.',
    )
    const cities: string[] = []
    const chat = model.createChat({ tools: weather(({ city }) => cities.push(city)) })
    expect(await chat.ask('Weather?', { maxTokens: complete.length + 20 })).toMatchObject({
      text: 'It rains.',
      reason: 'end',
    })
    expect(cities).toEqual(['Oslo'])
    const { model: other } = fakeModel({ chatTemplate: template }, {}, complete)
    expect(await other.createChat({ tools: weather(() => 'sun') }).ask('Weather?', { maxTokens: 30 })).toMatchObject({
      reason: 'length',
    })
  })

  test('what is no JSON is an error that the model is told', async () => {
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    for (const result of [cyclic, 5n, new Map([[1, 2]]), () => 1]) {
      const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Well.')
      const chat = model.createChat({ tools: weather(() => result) })
      expect((await chat.ask('Weather?')).text).toBe('Well.')
      expect(toolMessages(chat)).toEqual([expect.stringMatching(/^Error: .*no JSON/)])
    }
  })

  test.each(['chat', 'model'] as const)('a tool that does not listen does not block closing the %s', async what => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    let told: AbortSignal | undefined
    const chat = model.createChat({
      tools: weather((_args, { signal }) => {
        told = signal
        setTimeout(() => void (what === 'chat' ? chat : model).close(), 5)
        return new Promise(() => {})
      }),
    })
    await expect(soon(chat.ask('Weather?'))).rejects.toMatchObject({ code: 'CLOSED' })
    expect(told!.aborted).toBe(true)
  })

  test('the time limit is that of the whole turn, tools and waiting included', async () => {
    let told: AbortSignal | undefined
    // Each time from the start: one that was too slow to come to the tool may have had its call.
    const start = () =>
      fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.').model.createChat({
        tools: weather((_args, { signal }) => {
          told = signal
          return new Promise(() => {})
        }),
      })
    let chat = start()
    // As long as it takes here to come to the tool.
    for (let limit = 100; told === undefined && limit < 100_000; limit *= 2) {
      chat = start()
      const slow = soon(chat.ask('Weather?', { timeLimit: limit }))
      const queued = soon(chat.ask('Weather?', { timeLimit: 20 }))
      expect(await queued).toMatchObject({ reason: 'time', text: '' })
      expect(await slow).toMatchObject({ reason: 'time' })
    }
    expect(told!.aborted).toBe(true)
    expect((await soon(chat.ask('Still there?'))).text).toBe('Fine.')
  })

  test('a tool that calls its own chat is told that it cannot wait for it', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    const codes: unknown[] = []
    const other = fakeModel().model.createChat()
    let over!: () => void
    let later: Promise<unknown> | undefined
    const turn = new Promise<void>(resolve => {
      over = resolve
    })
    const chat = model.createChat({
      tools: weather(async () => {
        for (const act of [() => chat.ask('x'), () => chat.undo(), () => chat.fork(), () => other.ask('x')])
          codes.push(
            await act().then(
              () => 'done',
              error => error.code,
            ),
          )
        later = Promise.resolve().then(async () => {
          await turn
          codes.push((await chat.ask('Later')).text)
        })
        return codes
      }),
    })
    expect((await soon(chat.ask('Weather?'))).text).toBe('Fine.')
    expect(codes).toEqual(['BUSY', 'BUSY', 'BUSY', 'done'])
    over()
    await later
    expect(codes.at(-1)).toBe('Fine.') // from within the tool, but when nothing waits for it any more
  })

  test('two chats whose tools call each other are told that they would wait forever', async () => {
    const { model } = fakeModel(
      { chatTemplate: template },
      {},
      call('weather', { city: 'Oslo' }),
      call('weather', { city: 'Rome' }),
      'Fine.',
    )
    const chats: Chat[] = []
    const codes: unknown[] = []
    let begun = 0
    let bothBegun!: () => void
    const both = new Promise<void>(resolve => {
      bothBegun = resolve
    })
    for (const other of [1, 0]) {
      chats.push(
        model.createChat({
          tools: weather(async () => {
            if (++begun === 2) bothBegun()
            await both
            codes.push(
              await chats[other]!.ask('And you?').then(
                () => 'done',
                error => error.code,
              ),
            )
          }),
        }),
      )
    }
    await soon(Promise.all(chats.map(chat => chat.ask('Weather?'))))
    expect(codes.sort()).toEqual(['BUSY', 'done'])
    // Nobody waits any more.
    expect((await soon(chats[0]!.ask('And now?'))).text).toBe('Fine.')
  })

  test('and callers get copies: what they do to them changes no history', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    const chat = model.createChat({
      keepMessages: 'all',
      tools: weather(args => {
        args.city = 'Rome'
        return 'rain'
      }),
    })
    for await (const event of chat.stream('Weather?')) if (event.type === 'tool-call') event.arguments['city'] = 'Bonn'
    const before = JSON.stringify(chat.messages)
    expect(before).toContain('Oslo')
    const [called] = chat.messages.flatMap(({ toolCalls = [] }) => toolCalls)
    called!.arguments['city'] = 'Bern'
    chat.messages[1]!.toolCalls!.push(called!)
    expect(JSON.stringify(chat.messages)).toBe(before)
    const given = {
      role: 'assistant',
      content: '',
      toolCalls: [{ id: '1', name: 'weather', arguments: { city: 'Oslo' } }],
    }
    await chat.add([{ role: 'user', content: 'Weather?' }, given])
    given.toolCalls[0]!.arguments.city = 'Rome'
    expect(JSON.stringify(chat.messages)).not.toContain('Rome')
    const undone = await chat.undo()
    expect(undone.at(-1)!.toolCalls![0]!.arguments).toEqual({ city: 'Oslo' })
  })

  test.each(['parameters', 'responseFormat'] as const)(
    'a schema library that never answers does not block the chat (%s)',
    async where => {
      const form = {
        '~standard': {
          version: 1,
          vendor: 'slow',
          validate: () => new Promise<never>(() => {}),
          jsonSchema: { input: () => ({ type: 'object', properties: { city: { type: 'string' } } }) },
        },
      } as const
      const answer = where === 'parameters' ? call('weather', { city: 'Oslo' }) : '{"city":"Oslo"}'
      const { model } = fakeModel({ chatTemplate: template }, {}, answer)
      const tools = { weather: { parameters: form, execute: () => 'rain' } }
      const asked = (options: object) => {
        const chat = model.createChat(where === 'parameters' ? { tools } : {})
        return {
          chat,
          answer: chat.ask('Weather?', { ...options, ...(where === 'parameters' ? {} : { responseFormat: form }) }),
        }
      }
      const late = asked({ timeLimit: 20 }).answer
      if (where === 'parameters') expect(await soon(late)).toMatchObject({ reason: 'time' })
      else
        await expect(soon(late)).rejects.toMatchObject({
          code: 'OUTPUT_INVALID',
          message: expect.stringContaining('timeLimit'),
        })
      const reason = new Error('enough')
      const controller = new AbortController()
      const left = asked({ signal: controller.signal }).answer
      setTimeout(() => controller.abort(reason), 20)
      await expect(soon(left)).rejects.toBe(reason)
      const { chat, answer: closed } = asked({})
      setTimeout(() => void chat.close(), 20)
      await expect(soon(closed)).rejects.toMatchObject({ code: 'CLOSED' })
    },
  )

  test('answers name the calls that wait for them, or come in their order', async () => {
    const calls = `${call('weather', { city: 'Oslo' })}\n${call('weather', { city: 'Rome' })}`
    const { model } = fakeModel({ chatTemplate: template }, {}, calls, 'Fine.')
    const chat = model.createChat({ tools: { weather: { parameters } } })
    const [first, second] = (await chat.ask('Weather?')).toolCalls!.map(({ id }) => id) as [string, string]
    const tool = (content: string, toolCallId?: string) => ({
      role: 'tool',
      content,
      ...(toolCallId === undefined ? {} : { toolCallId }),
    })
    for (const wrong of [[tool('a', 'zzz')], [tool('a', first), tool('b', first)], [tool('a'), tool('b'), tool('c')]]) {
      await expect(chat.ask(wrong)).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(first),
      })
    }
    expect((await chat.ask([tool('rain', second), tool('sun')])).text).toBe('Fine.')
    expect(chat.messages.filter(({ role }) => role === 'tool')).toEqual([tool('rain', second), tool('sun', first)])
  })

  test('the grammar for them is made once, not for each reply', async () => {
    const { model } = fakeModel({ chatTemplate: template })
    const told: string[] = []
    const tools = parseTools(
      { weather: { parameters: { type: 'object', properties: { city: { type: 'string', not: {} } } } } },
      'createChat',
    )
    const format = new ChatFormat(model.tokenizer, { chatTemplate: template, tools, reasoning: 'template' })
    const make = (choice: 'auto' | 'required', answer?: unknown) =>
      format.replyGrammar(
        choice,
        answer === undefined ? undefined : schemaGrammar({ const: answer }, 'test', false),
        message => told.push(message),
      )
    for (let i = 0; i < 3; i++) expect(make('auto')!.triggers).toEqual(['<tool_call>'])
    expect(told).toHaveLength(1)
    expect(make('required')!.triggers).toEqual([])
    const { grammar } = make('auto', 'a')!
    for (const text of ['"a"', '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'])
      expect([text, new GbnfGrammar(grammar).accepts(text)]).toEqual([text, true])
    expect(told).toHaveLength(3)
    for (let i = 0; i < 20; i++) expect(make('auto', i)!.grammar).toContain(`"${i}"`)
  })

  test.each<[string, string, ToolChoice, string, object | undefined]>([
    ['<think>{{ m }}</think>', '', 'auto', '', { open: '<think>', close: '</think>', before: '' }],
    ['', '<think>\\n', 'auto', 'Hm', { open: '<think>', close: '</think>', before: '<think>Hm' }],
    ['', '<think>\\n', 'required', '', undefined],
    ['', '', 'auto', '', undefined],
  ])('calls are triggered outside of the reasoning alone: %s%s, %s', (written, opened, choice, before, reasoning) => {
    const { model } = fakeModel({})
    const source = `${template}{# ${written || opened ? '<think></think>' : ''} #}{{ '${opened}' }}`
    const tools = parseTools(
      weather(() => 1),
      'test',
    )
    const format = new ChatFormat(model.tokenizer, { chatTemplate: source, tools, reasoning: 'template' })
    const { grammar, triggers, ofCalls } = format.replyGrammar(choice, undefined, () => {})!
    expect(format.jobGrammar({ grammar, triggers, ofCalls }, before)).toEqual({
      source: grammar,
      triggers,
      ...(reasoning === undefined ? {} : { reasoning }),
    })
  })

  test('a call cannot be required where there are no tools, or of a reply that has a grammar', () => {
    const chat = fakeModel().model.createChat()
    for (const toolChoice of ['required', { tool: 'weather' }] as const) {
      expect(() => chat.stream('x', { toolChoice })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('toolChoice') }),
      )
      expect(() => chat.regenerate({ toolChoice })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('toolChoice') }),
      )
      expect(() => chat.stream('x', { toolChoice, grammar: 'root ::= "a"' })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
    }
  })

  test('a call of a tool that is not there is refused at once', () => {
    const chat = fakeModel({ chatTemplate: template }).model.createChat({ tools: weather(() => 'sun') })
    for (const tool of ['time', 'toString', '__proto__']) {
      expect(() => chat.stream('x', { toolChoice: { tool } })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('weather') }),
      )
    }
  })

  test('without execute end the reply, and the caller answers', async () => {
    const { model, native } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'It rains.')
    const chat = model.createChat({ tools: { weather: { parameters } } })
    const answer = await chat.ask('Weather?')
    expect(answer).toMatchObject({ text: '', reason: 'tool-calls' })
    const { id } = answer.toolCalls![0]!
    expect((await chat.ask({ role: 'tool', toolCallId: id, content: 'rain' })).text).toBe('It rains.')
    expect(native.opened[0]!.text).toContain('<tool_response>\nrain\n</tool_response>')
  })

  test('without an answer get one when the next turn comes', async () => {
    const { model, native } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    const chat = model.createChat({ tools: { weather: { parameters } } })
    await chat.ask('Weather?')
    await chat.ask('Never mind.')
    expect(native.opened[0]!.text).toContain(
      '<tool_response>\nError: the call was cancelled\n</tool_response><|im_end|>\n<|im_start|>user\nNever mind.',
    )
  })

  test('get a signal, and do not block the chat if they ignore it', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    const stop = new AbortController()
    let told: AbortSignal | undefined
    const chat = model.createChat({
      tools: weather((_args, { signal }) => {
        told = signal
        setTimeout(() => stop.abort(), 5)
        return new Promise(() => {})
      }),
    })
    const events = await soon(read(chat.stream('Weather?', { signal: stop.signal })))
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'abort' })
    expect(told!.aborted).toBe(true)
    expect((await soon(chat.ask('Still there?'))).text).toBe('Fine.')
    expect(toolMessages(chat)).toEqual(['Error: the call was cancelled'])
  })

  test('left in the middle of a round, the chat goes on', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }), 'Fine.')
    const chat = model.createChat({ tools: weather(() => 'sun') })
    for await (const event of chat.stream('Weather?')) if (event.type === 'tool-result') break
    expect((await soon(chat.ask('Still there?'))).text).toBe('Fine.')
  })

  test('a call in what people say is text', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, 'Fine.')
    const chat = model.createChat({ tools: weather(() => 'sun') })
    await chat.ask(call('weather', { city: 'Oslo' }))
    expect(chat.messages[0]).toEqual({ role: 'user', content: call('weather', { city: 'Oslo' }) })
  })

  test('with toolChoice none no call is read', async () => {
    const { model } = fakeModel({ chatTemplate: template }, {}, call('weather', { city: 'Oslo' }))
    const chat = model.createChat({ tools: weather(() => 'sun') })
    const { text, reason } = await chat.ask('Weather?', { toolChoice: 'none' })
    expect([text, reason]).toEqual([call('weather', { city: 'Oslo' }), 'end'])
  })

  test('for a template without them are told in the system prompt', async () => {
    const { model, native } = fakeModel({}, {}, call('weather', { city: 'Oslo' }), 'It rains.')
    const chat = model.createChat({ system: 'S', tools: weather(() => 'rain') })
    expect((await chat.ask('Weather?')).text).toBe('It rains.')
    expect(native.opened[0]!.text).toMatch(
      /^<\|im_start\|>system\nS\n\n# Tools[\s\S]*weather[\s\S]*<\|im_end\|>\n<\|im_start\|>user\nWeather\?/,
    )
    expect(native.opened[0]!.text).toContain('<|im_start|>user\n<tool_response>\nrain\n</tool_response><|im_end|>')
    await chat.setSystem('T')
    expect(native.opened[0]!.text).toMatch(/^<\|im_start\|>system\nT\n\n# Tools/)
  })

  test('in a history are written as the model writes them', async () => {
    const { model, native } = fakeModel({ chatTemplate: template }, {}, 'It rains.')
    const chat = model.createChat({
      tools: weather(() => 'sun'),
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content: '', toolCalls: [{ id: 'abc', name: 'weather', arguments: { city: 'Oslo' } }] },
        { role: 'tool', toolCallId: 'abc', content: 'rain' },
        { role: 'assistant', content: 'Rain.' },
      ],
    })
    await chat.ask('Sure?')
    expect(native.opened[0]!.text).toContain(
      '<tool_call>\n{"name": "weather", "arguments": {"city":"Oslo"}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nrain',
    )
  })

  test('of a stateless call are found again by their history, and run the ones of the latest call', async () => {
    const { model, native } = fakeModel(
      { chatTemplate: template },
      {},
      call('weather', { city: 'Oslo' }),
      'It rains.',
      call('weather', { city: 'Rome' }),
      'It shines.',
    )
    const messages: Parameters<typeof streamChat>[0]['messages'] = [{ role: 'user', content: 'Oslo?' }]
    const run = async (name: string) => {
      const ran: string[] = []
      const events = await read(
        streamChat({
          model,
          messages,
          tools: weather(({ city }) => {
            ran.push(`${name}: ${city}`)
            return 'ok'
          }),
        }),
      )
      const text = events.map(event => (event.type === 'text' ? event.text : '')).join('')
      const called = events.flatMap(event =>
        event.type === 'tool-call' ? [{ id: event.id, name: event.name, arguments: event.arguments }] : [],
      )
      messages.push(
        { role: 'assistant', content: '', toolCalls: called },
        { role: 'tool', toolCallId: called[0]!.id, content: 'ok' },
        { role: 'assistant', content: text },
      )
      return ran
    }
    expect(await run('first')).toEqual(['first: Oslo'])
    messages.push({ role: 'user', content: 'Rome?' })
    expect(await run('second')).toEqual(['second: Rome'])
    expect(native.opened).toHaveLength(1)
  })

  test.each([
    ['a name', { 'no good': {} }],
    ['a schema', { a: { parameters: { type: 'string' } } }],
    ['a misspelt member', { a: { excute: () => 1 } }],
    ['no tool', { a: 5 }],
  ])('with %s that is wrong are refused', (_name, tools) => {
    const { model } = fakeModel()
    expect(() => model.createChat({ tools: tools as never })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/INVALID_OPTION|UNKNOWN_OPTION/) }),
    )
  })
})

describe('reasoning', () => {
  const thinking = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}{# </think> #}`

  test('comes as events of its own, and as text where that was asked for', async () => {
    const { model } = fakeModel({ chatTemplate: thinking }, {}, '<think>Hmm, well.</think>Yes.')
    const chat = model.createChat()
    const events = await read(chat.stream('Is it?'))
    expect(kinds(events)).toEqual(['reasoning', 'text', 'finish'])
    expect(chat.messages[1]).toEqual({ role: 'assistant', content: 'Yes.', reasoning: 'Hmm, well.' })
    expect(await chat.ask('Sure?')).toMatchObject({ text: 'Yes.', reasoning: 'Hmm, well.' })
    expect((await model.createChat({ reasoning: 'text' }).ask('Is it?')).text).toBe('<think>Hmm, well.</think>Yes.')
  })

  test('stays in the cache unless it is to be dropped', async () => {
    for (const [reasoning, kept] of [
      ['template', 2],
      ['keep', 2],
      ['drop', 1],
    ] as const) {
      const { model, native } = fakeModel({ chatTemplate: thinking }, {}, '<think>Hmm, well.</think>Yes.')
      const chat = model.createChat({ reasoning })
      await chat.ask('Is it?')
      await chat.ask('Sure?')
      expect(native.opened[0]!.text.split('<think>')).toHaveLength(kept + 1)
      expect(native.opened[0]!.text.split('Yes.')).toHaveLength(3)
    }
  })

  test('that prompts open already is known as such', async () => {
    const { model } = fakeModel(
      { chatTemplate: thinking.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n'") },
      {},
      'Hmm.</think>\nYes.',
    )
    const chat = model.createChat()
    expect(await chat.ask('Is it?')).toMatchObject({ text: 'Yes.', reasoning: 'Hmm.' })
  })
})
