import { ReplyReader } from '../../../lib/reply/reply-reader.js'
import { callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { read, readPieces, tools, written } from './replies.js'

const call = (raw: string, args: Record<string, unknown>, name = 'get_weather', index = 0) => ({
  type: 'tool-call',
  index,
  id: `id${index}`,
  name,
  arguments: args,
  raw,
})
const start = (name = 'get_weather', index = 0) => ({ type: 'tool-call-start', index, id: `id${index}`, name })
const pieces = (text: string, index = 0) => ({ type: 'tool-call-arguments', index, text })
const text = (text: string) => ({ type: 'text', text })
const reasoning = (text: string) => ({ type: 'reasoning', text })

describe('text', () => {
  test('nothing, and text without marks', () => {
    expect(read('')).toEqual([])
    expect(read('Hello, 世界 🌍!\n\n')).toEqual([text('Hello, 世界 🌍!\n\n')])
    expect(read('  \n ')).toEqual([text('  \n ')])
  })

  test('is passed on at once, but for what may be a mark, with the white space before it', () => {
    const reader = new ReplyReader({ tools })
    const push = (text: string) => reader.push(text).map(part => ('text' in part ? part.text : part.type))
    expect(push('Hello')).toEqual(['Hello'])
    expect(push(' <')).toEqual([])
    expect(push('b')).toEqual([' <b'])
    expect(push('>a <tool')).toEqual(['>a'])
    expect(push('s>')).toEqual([' <tools>'])
    expect(push(' '.repeat(20))).toEqual([' '.repeat(12)])
    expect(push('x')).toEqual([`${' '.repeat(8)}x`])
    expect(reader.end()).toEqual([])
    expect(reader.push('more')).toEqual([])
    expect(reader.end()).toEqual([])
  })

  test('is not kept back at all where there are neither tools nor reasoning', () => {
    const reader = new ReplyReader({ reasoning: false })
    for (const piece of [' ', '<thi', '<tool_call', '{', '>\n']) expect(reader.push(piece)).toEqual([text(piece)])
  })

  test('a call is text where there are no tools', () => {
    const reply = 'Write <tool_call>\n{"name": "now"}\n</tool_call> for it.'
    for (const none of [false, {}] as const) expect(read(reply, { tools: none })).toEqual([text(reply)])
  })
})

describe('reasoning', () => {
  test('comes without its marks and the white space around them', () => {
    expect(read('<think>\nHm, <b> so.\n</think>\n\nYes.')).toEqual([reasoning('Hm, <b> so.'), text('Yes.')])
    expect(read('\n<think>a</think>b')).toEqual([reasoning('a'), text('b')])
    expect(read('<think>\n\n</think>\n\nYes.')).toEqual([text('Yes.')])
  })

  test('opened by the prompt', () => {
    expect(read('I think.\n</think>\n\nYes.', { reasoningOpen: true })).toEqual([reasoning('I think.'), text('Yes.')])
    expect(read('', { reasoningOpen: true })).toEqual([])
  })

  test('without an end is reasoning to the end', () => {
    expect(read('<think>on and on </thi')).toEqual([reasoning('on and on </thi')])
  })

  test('begins only where nothing was said yet', () => {
    expect(read('The tag <think> opens it, </think> closes it.')).toEqual([
      text('The tag <think> opens it, </think> closes it.'),
    ])
    expect(read('<think>a</think><think>b</think>c')).toEqual([reasoning('ab'), text('c')])
  })

  test('in other forms, or left alone', () => {
    expect(read('[THINK]a[/THINK]b', { reasoning: { open: '[THINK]', close: '[/THINK]' } })).toEqual([
      reasoning('a'),
      text('b'),
    ])
    expect(read('<think>a</think>b', { reasoning: false })).toEqual([text('<think>a</think>b')])
  })

  test('a call in it is thought about, not made', () => {
    const thought = 'I could write <tool_call>{"name": "now"}</tool_call>.'
    expect(read(`<think>${thought}</think>No.`)).toEqual([reasoning(thought), text('No.')])
  })

  describe('that a call ends, where the model writes calls so', () => {
    const syntax = callSyntaxes['qwen3-coder']
    const raw = '<tool_call>\n<function=now>\n</function>\n</tool_call>'
    const called = [start('now'), pieces('{}'), call(`\n${raw}`, {}, 'now')]

    test('with its reasoning before it, and what follows', () => {
      expect(read(`<think>Hm.\n${raw}`, { syntax })).toEqual([reasoning('Hm.'), ...called])
      expect(read(`Hm.\n${raw}\nSo.`, { syntax, reasoningOpen: true })).toEqual([
        reasoning('Hm.'),
        ...called,
        text('\nSo.'),
      ])
    })

    test('a mark that closes it behind the call is none of the text', () => {
      expect(
        read(`<think>Hm.\n${raw}\n</think>\n\nSo.`, { syntax })
          .slice(4)
          .map(part => part.type),
      ).toEqual(['text'])
      expect(read(`<think>Hm.\n${raw}\n</think>\n\nSo.`, { syntax }).at(-1)).toEqual(text('So.'))
    })

    test('not where the reply is asked to be of some form, nor where there are no tools', () => {
      for (const options of [{ callsOrText: true }, { tools: false }] as const)
        expect(read(`<think>Hm.\n${raw}`, { syntax, ...options })).toEqual([reasoning(`Hm.\n${raw}`)])
    })
  })

  test('before calls, and after them', () => {
    const raw = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    expect(read(`<think>\nhm\n</think>\n\n${raw}`)).toEqual([
      reasoning('hm'),
      start('now'),
      pieces('{}'),
      call(raw, {}, 'now'),
    ])
    expect(read(`${raw}\n<think>hm</think>Yes`)).toEqual([
      start('now'),
      pieces('{}'),
      call(raw, {}, 'now'),
      reasoning('hm'),
      text('Yes'),
    ])
  })
})

describe('a call', () => {
  const raw = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}\n</tool_call>'

  test('with text before it', () => {
    expect(read(`Let me look.\n${raw}`)).toEqual([
      text('Let me look.'),
      start(),
      pieces('{"city": "Paris", "days": 2}'),
      call(`\n${raw}`, { city: 'Paris', days: 2 }),
    ])
  })

  test('is reported as it comes', () => {
    const reader = new ReplyReader({ tools, createId: () => 'x' })
    expect(reader.push('<tool_call>\n{"name": "get_wea')).toEqual([])
    expect(reader.push('ther", "argu')).toEqual([{ ...start(), id: 'x' }])
    expect(reader.push('ments": {"ci')).toEqual([pieces('{"ci')])
    expect(reader.push('ty": "a}"')).toEqual([pieces('ty": "a}"')])
    expect(reader.push('}}')).toEqual([pieces('}')])
    expect(reader.push('\n</tool_call')).toEqual([])
    expect(reader.push('>')).toMatchObject([{ type: 'tool-call', arguments: { city: 'a}' } }])
  })

  test('with braces, quotes, line breaks and other writing in its strings', () => {
    const args = {
      city: 'a "quoted" {brace} ]\\ </tool_call> 世界 🌍 \u2028\ud800',
      units: { deep: [{ er: '\n\t' }, [], {}, null, -1.5e3, true] },
    }
    const reply = `<tool_call>{"name":"get_weather","arguments":${JSON.stringify(args)}}</tool_call>`
    expect(read(reply)).toEqual([start(), pieces(JSON.stringify(args)), call(reply, args)])
  })

  test('with a bare line break in a string, as models write them', () => {
    expect(
      read('<tool_call>{"name": "get_weather", "arguments": {"city": "a\n\tb"}}</tool_call>').at(-1),
    ).toMatchObject({ arguments: { city: 'a\n\tb' } })
  })

  test('with its keys in another order, under another name, with further ones', () => {
    const parts = read(
      '<tool_call>{"id": "c7", "type": "function", "parameters": {"city": "x"}, "n": 1.5, "name": "get_weather"}</tool_call>',
    )
    expect(parts).toMatchObject([
      start(),
      pieces('{"city": "x"}'),
      { type: 'tool-call', arguments: { city: 'x' }, writtenId: 'c7' },
    ])
  })

  test.each([
    ['none', ''],
    ['null', ', "arguments": null'],
    ['empty text', ', "arguments": ""'],
    ['text', ', "arguments": "{}"'],
    ['an object', ', "arguments": {}'],
  ])('without arguments: %s', (_, args) => {
    const raw = `<tool_call>{"name": "now"${args}}</tool_call>`
    expect(read(raw)).toEqual([start('now'), pieces('{}'), call(raw, {}, 'now')])
  })

  test('with its arguments as JSON in a string', () => {
    const raw = '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"x\\"}"}</tool_call>'
    expect(read(raw)).toEqual([start(), pieces('{"city": "x"}'), call(raw, { city: 'x' })])
  })

  test('several, in any of the ways', () => {
    const one = '{"name": "now", "arguments": {}}'
    const two = '{"name": "get_weather", "arguments": {"city": "x"}}'
    for (const [first, second] of [
      [`<tool_call>\n${one}\n</tool_call>`, `\n<tool_call>\n${two}\n</tool_call>`],
      [`<tool_call>[${one}, `, `${two}]</tool_call>`],
      [`<tool_call>\n${one}\n`, `${two}\n</tool_call>`],
      [`<tool_call>\n${one}\n`, `<tool_call>\n${two}\n`],
    ] as const) {
      expect(read(first + second)).toEqual([
        start('now'),
        pieces('{}'),
        call(first, {}, 'now'),
        start('get_weather', 1),
        pieces('{"city": "x"}', 1),
        call(second, { city: 'x' }, 'get_weather', 1),
      ])
    }
  })

  test('then text', () => {
    expect(read(`${raw}\nSo.`)).toMatchObject([
      start(),
      pieces('{"city": "Paris", "days": 2}'),
      { type: 'tool-call', raw },
      text('\nSo.'),
    ])
  })

  test('without its end, followed by text or by nothing', () => {
    const open = '<tool_call>{"name": "now"}'
    expect(read(open)).toEqual([start('now'), pieces('{}'), call(open, {}, 'now')])
    expect(read(`${open}\nSo </tool_call>`)).toEqual([
      start('now'),
      pieces('{}'),
      call(`${open}\n`, {}, 'now'),
      text('So </tool_call>'),
    ])
  })

  test('with its braces doubled', () => {
    const raw = '<tool_call>\n{{"name": "now", "arguments": {}}}\n</tool_call>'
    expect(read(raw)).toEqual([start('now'), pieces('{}'), call(raw, {}, 'now')])
  })

  test('with a bracket too many', () => {
    const raw = '<tool_call>{"name": "now", "arguments": {}}}\n</tool_call>'
    expect(read(raw)).toEqual([start('now'), pieces('{}'), call(raw, {}, 'now')])
  })

  test('by default has an id that every template takes', () => {
    const ids = Array.from({ length: 20 }, () => (new ReplyReader({ tools }).push(raw).at(-1) as { id: string }).id)
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9]{9}$/)
    expect(new Set(ids).size).toBe(20)
  })
})

describe('no call', () => {
  const invalid = (reply: string, reason: string | RegExp, more: object = {}) => {
    const parts = read(reply)
    expect(written(parts)).toBe(reply)
    const found = parts.find(part => part.type === 'invalid-tool-call')
    expect(found).toMatchObject({ reason: expect.stringMatching(reason), ...more })
    return parts
  }

  test('an unknown tool', () => {
    const parts = invalid(
      '<tool_call>{"name": "get_wether", "arguments": {"a": 1}}</tool_call> ok',
      'no tool named "get_wether"',
      { name: 'get_wether' },
    )
    expect(parts.map(part => part.type)).toEqual(['invalid-tool-call', 'text'])
    invalid('<tool_call>{"name": "constructor", "arguments": {}}</tool_call>', 'no tool')
    invalid('<tool_call>{"name": "__proto__", "arguments": {}}</tool_call>', 'no tool')
  })

  test.each([
    ['{"name": "now", "arguments": {"a": }}', 'JSON'],
    ['{"name": "now", "arguments": {"a": [1}}', 'JSON'],
    ['{"name": "now", "arguments": [1]}', 'no JSON object'],
    ['{"name": "now", "arguments": 7}', 'no JSON object'],
    ['{"name": "now", "arguments": "x"}', 'no JSON object'],
    ['{"name" "now"}', 'JSON'],
    ["{'name': 'now', 'arguments': {}}", 'JSON'],
    ['{"arguments": {}}', 'names no tool'],
    ['{"name": 7}', 'names no tool'],
    ['now()', 'JSON'],
    ['', 'empty'],
    ['[]', 'empty'],
  ])('%s', (body, reason) => {
    const parts = invalid(`<tool_call>${body}</tool_call> and <tool_call>{"name": "now"}</tool_call>`, reason)
    expect(parts.at(-1)).toMatchObject({ type: 'tool-call', name: 'now' })
  })

  test('one whose start was reported names it', () => {
    invalid('<tool_call>{"name": "now", "arguments": {,}}</tool_call>', 'JSON', { index: 0, id: 'id0', name: 'now' })
  })

  test.each([
    '<tool_call>',
    '<tool_call>\n',
    '<tool_call>{',
    '<tool_call>{"na',
    '<tool_call>{"name": "now", "arguments": {"a": "b',
    '<tool_call>nonsense </tool_c',
  ])('without an end: %s', reply => {
    expect(
      invalid(reply, 'no end|JSON')
        .map(part => part.type)
        .filter(type => type === 'invalid-tool-call'),
    ).toHaveLength(1)
  })

  test('a mark within a broken call begins the next one', () => {
    expect(read('<tool_call>{broken <tool_call>{"name": "now"}</tool_call>')).toMatchObject([
      { type: 'invalid-tool-call', raw: '<tool_call>{broken ' },
      start('now'),
      pieces('{}'),
      { type: 'tool-call' },
    ])
  })
})

test('pieces make no difference where marks are cut', () => {
  const reply = '<think>a</think> b \n<tool_call>\n{"name": "now"}\n</tool_call>\nc'
  for (let first = 0; first <= reply.length; first++) {
    for (let second = first; second <= reply.length; second += 3) {
      expect(readPieces([reply.slice(0, first), reply.slice(first, second), reply.slice(second)])).toEqual(
        readPieces([reply]),
      )
    }
  }
})
