import { type CallSyntaxName, callSyntaxes, syntaxMarks } from '../../../lib/tools/call-syntax.js'
import { writeCalls } from '../../../lib/tools/write-calls.js'
import { read, tools, written } from './replies.js'

const names = Object.keys(callSyntaxes) as CallSyntaxName[]
const reader = (name: CallSyntaxName) => (reply: string) => read(reply, { syntax: callSyntaxes[name] })
const types = (parts: readonly { type: string }[]) => parts.map(part => part.type)
const one = ['tool-call-start', 'tool-call-arguments', 'tool-call']

const args = { city: 'Zürich\n"{[<x>]}" 🌍', days: 3, detailed: true, units: { temperature: ['C'] } }
const weather = { id: 'abcdefghi', name: 'get_weather', arguments: args }
const now = { id: '123456789', name: 'now', arguments: {} }

describe.each(names)('%s', name => {
  const syntax = callSyntaxes[name]

  test('what is written is read again', () => {
    expect(reader(name)(writeCalls(syntax, [weather]))).toMatchObject([
      { type: 'tool-call-start' },
      { type: 'tool-call-arguments' },
      { type: 'tool-call', name: 'get_weather', arguments: args },
    ])
    const several = reader(name)(writeCalls(syntax, [weather, now, weather]))
    expect(types(several)).toEqual([...one, ...one, ...one])
    expect(several.filter(part => part.type === 'tool-call').map(part => part.arguments)).toEqual([args, {}, args])
  })

  test('its marks are all that may be control tokens in a call', () => {
    const call = writeCalls(syntax, [{ ...now, arguments: {} }])
    const left = syntaxMarks(syntax).reduce((text, mark) => text.replaceAll(mark, ''), call)
    expect(left).not.toMatch(/<[|｜]|\[[A-Z]/)
  })

  test('the pieces of the arguments are their JSON', () => {
    const parts = reader(name)(writeCalls(syntax, [weather]))
    const text = parts.map(part => (part.type === 'tool-call-arguments' ? part.text : '')).join('')
    expect(JSON.parse(text)).toEqual(args)
  })

  test('text before it, a cut at the end, an unknown tool', () => {
    const call = writeCalls(syntax, [weather])
    const hasMark = !syntax.bare && syntax.frame.begin + syntax.frame.beforeName !== ''
    if (hasMark) expect(reader(name)(`I look.\n\n${call}`)[0]).toEqual({ type: 'text', text: 'I look.' })
    const unknown = reader(name)(writeCalls(syntax, [{ ...now, name: 'nothing' }]))
    if (hasMark)
      expect(unknown).toMatchObject([{ type: 'invalid-tool-call', reason: 'There is no tool named "nothing".' }])
    for (let length = 0; length < call.length; length++) {
      const parts = reader(name)(call.slice(0, length))
      expect(
        parts.filter(part => part.type === 'tool-call' || part.type === 'invalid-tool-call').length,
      ).toBeLessThanOrEqual(1)
    }
  })
})

describe('llama3', () => {
  const readLlama = reader('llama3')
  const call = '{"name": "get_weather", "parameters": {"city": "x"}}'

  test('a call needs no mark at the start of a reply', () => {
    expect(types(readLlama(call))).toEqual(one)
    expect(types(readLlama(`\n ${call}`))).toEqual(one)
    expect(types(readLlama(`<|python_tag|>${call}`))).toEqual(one)
    expect(types(readLlama('{"type": "function", "name": "now", "parameters": {}}'))).toEqual(one)
    expect(types(readLlama(`${call}; ${call}\n${call}`))).toEqual([...one, ...one, ...one])
    expect(types(readLlama(`<think>a</think>${call}`))).toEqual(['reasoning', ...one])
  })

  test.each([
    '{"city": "x"}',
    '{}',
    '{',
    '{"name"',
    '{"name": "get_weath',
    '{"name": "other", "parameters": {}}',
    '{"name": ["now"]}',
    `Like so: ${call}`,
    '{name: now}',
  ])('%s is text', reply => {
    expect(readLlama(reply)).toEqual([{ type: 'text', text: reply }])
  })

  test('JSON is not kept back longer than it may be a call', () => {
    expect(written(readLlama('{"name": "Ann", "age": 7}'))).toBe('{"name": "Ann", "age": 7}')
  })

  test('text after a call', () => {
    expect(readLlama(`${call};\nDone {"a": 1}`).at(-1)).toEqual({ type: 'text', text: ';\nDone {"a": 1}' })
  })

  test('a broken call that has begun is invalid', () => {
    expect(types(readLlama('{"name": "now", parameters}'))).toEqual(['tool-call-start', 'invalid-tool-call'])
    expect(types(readLlama('<|python_tag|>print(1)'))).toEqual(['invalid-tool-call'])
  })
})

describe('mistral', () => {
  test('lists, with ids of the model', () => {
    const parts = reader('mistral')(
      '[TOOL_CALLS] [{"name": "now", "arguments": {}, "id": "a1b2c3d4e"}, {"name": "now", "arguments": {}}]',
    )
    expect(types(parts)).toEqual([...one, ...one])
    expect(parts[2]).toMatchObject({ id: 'id0', writtenId: 'a1b2c3d4e' })
    expect(parts[5]).not.toHaveProperty('writtenId')
  })

  test.each([
    '[TOOL_CALLS]now[ARGS]{}',
    '[TOOL_CALLS]now{}',
    '[TOOL_CALLS] now [ARGS] {}',
    '[TOOL_CALLS]now[ARGS]',
    '[TOOL_CALLS]now[CALL_ID]a1b2c3d4e[ARGS]{}',
  ])('%s', reply => {
    const parts = reader('mistral')(reply + reply)
    expect(types(parts)).toEqual([...one, ...one])
    if (reply.includes('CALL_ID')) expect(parts[2]).toMatchObject({ writtenId: 'a1b2c3d4e' })
  })

  test('a list is over with its bracket', () => {
    expect(reader('mistral')('[TOOL_CALLS][{"name": "now"}] so').at(-1)).toEqual({ type: 'text', text: ' so' })
  })
})

describe('headed', () => {
  test('DeepSeek: both ways, with or without what stands around all calls', () => {
    for (const name of ['deepseek', 'deepseek-v3.1'] as const) {
      expect(
        types(
          reader(name)('<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{"a": "```"}\n```<｜tool▁call▁end｜>'),
        ),
      ).toEqual(one)
      expect(
        types(
          reader(name)(
            'Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
          ),
        ),
      ).toEqual(['text', ...one])
    }
  })

  test('a name that has no end', () => {
    expect(types(reader('functionary')(`<function=${'x'.repeat(1000)}`))).toEqual(['invalid-tool-call'])
    expect(types(reader('functionary')('<function=now</function> so'))).toEqual(['invalid-tool-call', 'text'])
    expect(types(reader('functionary')('<function=now></function>'))).toEqual(one)
  })
})

describe('qwen3-coder', () => {
  const readCoder = reader('qwen3-coder')

  test('values are text or JSON, as the schema says', () => {
    const parts = readCoder(
      '<tool_call>\n<function=get_weather>\n<parameter=city>\n{"a": 1}\n\n</parameter>\n<parameter=days>\n 7 \n</parameter>\n<parameter=detailed>True</parameter>\n<parameter=other>\n12\n</parameter>\n</function>\n</tool_call>',
    )
    expect(parts.at(-1)).toMatchObject({ arguments: { city: '{"a": 1}\n', days: 7, detailed: true, other: '12' } })
  })

  test('text is passed on before it is whole', () => {
    const parts = readCoder('<function=get_weather><parameter=city>a <b> </par \u{1F30D}\n')
    expect(
      parts
        .filter(part => part.type === 'tool-call-arguments')
        .map(part => part.text)
        .join(''),
    ).toBe('{"city": "a <b> </par \u{1F30D}')
    expect(parts.at(-1)).toMatchObject({ type: 'invalid-tool-call', reason: 'The call has no end.' })
  })

  test('JSON is read as well, of a call or of its arguments', () => {
    expect(types(readCoder('<tool_call>{"name": "now"}</tool_call>'))).toEqual(one)
    const parts = readCoder('<tool_call>\n<function=get_weather>\n{"city": "x"}\n</function>\n</tool_call>')
    expect(parts.at(-1)).toMatchObject({ type: 'tool-call', arguments: { city: 'x' } })
  })

  test('what closes a call whose opening is missing is no text', () => {
    const parts = readCoder('So.\n<function=now>\n</function>\n</tool_call>')
    expect(types(parts)).toEqual(['text', ...one])
    expect(types(readCoder('<function=now>\n</function>\n<function=now></function>'))).toEqual([...one, ...one])
    expect(readCoder('<function=now></function> <b>').at(-1)).toEqual({ type: 'text', text: '<b>' })
  })

  test.each([
    [['string', 'null'], 'null', null],
    [['string', 'null'], 'none of it', 'none of it'],
    [['string', 'integer'], '12', 12],
    [['string', 'integer'], '1.5', '1.5'],
    [['string', 'array'], "['a', True]", ['a', true]],
    ['string', 'null', 'null'],
    ['string', '12', '12'],
  ])('a value of the type %j that is written %s', (type, text, value) => {
    const tools = { note: { parameters: { type: 'object', properties: { text: { type } } } } }
    const reply = `<tool_call>\n<function=note>\n<parameter=text>\n${text}\n</parameter>\n</function>\n</tool_call>`
    expect(read(reply, { syntax: callSyntaxes['qwen3-coder'], tools }).at(-1)).toMatchObject({
      arguments: { text: value },
    })
  })

  test('what is no JSON though it should be is text', () => {
    expect(readCoder('<function=get_weather>\n<parameter=days>\nmany\n</parameter>\n</function>').at(-1)).toMatchObject(
      { arguments: { days: 'many' } },
    )
  })

  test.each([
    '<tool_call>\n<function=now>\nhello</function></tool_call>',
    '<tool_call><function=now\n></function></tool_call>',
    '<tool_call><function=get_weather><parameter=city>a</parameter><parameter=city>b</parameter></function></tool_call>',
  ])('%s is none', reply => {
    expect(readCoder(reply).at(-1)).toMatchObject({ type: 'invalid-tool-call', raw: reply })
  })
})

test('a mere mention of a mark is a call that fails only if tools are given', () => {
  expect(types(read('Use <tool_call> for it', { tools }))).toEqual(['text', 'invalid-tool-call'])
  expect(types(read('Use <tool_call> for it', { tools: false }))).toEqual(['text'])
})
