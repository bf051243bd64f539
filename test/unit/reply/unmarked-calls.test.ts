import { ReplyReader } from '../../../lib/reply/reply-reader.js'
import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { cut, random, read, readPieces, written } from './replies.js'

const names = Object.keys(callSyntaxes) as CallSyntaxName[]
const calls = (parts: ReturnType<typeof read>) =>
  parts.flatMap(part => (part.type === 'tool-call' ? [{ name: part.name, arguments: part.arguments }] : []))
const weather = { name: 'get_weather', arguments: { city: 'x"}{ ```' } }
const args = JSON.stringify(weather.arguments)

/** The same call, as models write it. */
const spellings = [
  `{"name": "get_weather", "arguments": ${args}}`,
  `{"name":"get_weather","parameters":${args}}`,
  `{\n  "arguments": ${args},\n  "name": "get_weather"\n}`,
  `{"type": "function", "name": "get_weather", "parameters": ${args}}`,
  `{"type": "function", "function": {"name": "get_weather", "arguments": ${args}}}`,
  `{"id": "a1", "type": "function", "function": {"arguments": ${JSON.stringify(args)}, "name": "get_weather"}}`,
  `{"function": "get_weather", "arguments": ${args}}`,
  `{"tool_name": "get_weather", "parameters": ${args}}`,
  `{"tool": "get_weather", "args": ${args}}`,
  `{"tool_call": {"name": "get_weather", "arguments": ${args}}}`,
  `{{"name": "get_weather", "arguments": ${args}}}`,
]
const around: [before: string, after: string][] = [
  ['', ''],
  ['\n ', '\n'],
  ['[', ']'],
  ['```json\n', '\n```'],
  ['```\n[', ']\n```\n'],
  ['```JSON ', ''],
  ['<tools>\n', '\n</tools>'],
  ['<function_call>', '</function_call>'],
]

describe.each(names)('%s', name => {
  const syntax = callSyntaxes[name]

  test('a call of a known tool is one without the mark of its syntax, too', () => {
    for (const spelling of spellings) {
      for (const [before, after] of around) {
        const reply = before + spelling + after
        const parts = read(reply, { syntax })
        expect([reply, calls(parts)]).toEqual([reply, [weather]])
        expect(written(parts)).toBe(reply)
        expect(parts.filter(part => part.type === 'text' && part.text.trim() !== '')).toEqual([])
      }
    }
  })

  test('so are several, and one after the reasoning, and text may follow', () => {
    const [first, second] = [spellings[0]!, '{"name": "now", "arguments": {}}']
    const both = [weather, { name: 'now', arguments: {} }]
    for (const reply of [
      `${first}\n${second}`,
      `[${first}, ${second}]`,
      `\`\`\`json\n${first}\n${second}\n\`\`\``,
      `\`\`\`json\n${first}\n\`\`\`\n\n\`\`\`json\n${second}\n\`\`\``,
    ]) {
      expect([reply, calls(read(reply, { syntax }))]).toEqual([reply, both])
      expect(calls(read(`<think>Hm.</think>\n${reply}`, { syntax }))).toEqual(both)
    }
    expect(read(`\`\`\`json\n${first}\n\`\`\`\nDone.`, { syntax }).at(-1)).toEqual({ type: 'text', text: '\nDone.' })
  })

  test('where the reply is what was asked for, JSON is that', () => {
    for (const options of [{ callsOrText: true }, { unmarkedCalls: false }]) {
      for (const reply of [spellings[2]!, `[${spellings[0]!}]`, `\`\`\`json\n${spellings[0]!}\n\`\`\``])
        expect(read(reply, { syntax, ...options })).toEqual([{ type: 'text', text: reply }])
    }
  })
})

test.each([
  '{"city": "x"}',
  '{}',
  '[]',
  '[1, 2]',
  '[a link](there) and {"name": "now"}',
  '{"name"',
  '{"name": "get_weath',
  '{"name": "other", "arguments": {}}',
  '{"name": "Ann", "age": 7}',
  '{"name": "now", "age": 7}',
  '{"name": "constructor", "arguments": {}}',
  '{"name": ["now"]}',
  '{"type": "object", "properties": {"name": "now"}}',
  '{"function": {"city": "x"}, "name": "Ann"}',
  '{name: now}',
  'Like so: {"name": "now", "arguments": {}}',
  '```json\n{"city": "x"}\n```\n',
  '```\nnow()\n```',
  '```js\nconst x = {"name": "now"}\n```',
  '```',
  '``` ',
  '`{"name": "now"}`',
  '<tools> are useful',
  '<b>{"name": "now"}</b>',
])('%s is text, unchanged', reply => {
  expect(read(reply)).toEqual([{ type: 'text', text: reply }])
})

test('a name that comes far behind its arguments makes no call: so much is not kept back', () => {
  const long = `{"arguments": {"a": "${'x'.repeat(5000)}"}, "name": "now"}`
  expect(read(long)).toEqual([{ type: 'text', text: long }])
})

test('what cannot become a call is passed on at once', () => {
  for (const [kept, last] of [
    ['{"ci', 'ty"'],
    ['{"name": "', 'A'],
    ['```json\n', 'x'],
    ['```json\n{"name": "now", "age', '"'],
    ['<tool', 'x'],
    ['[', '1'],
  ] as const) {
    const reader = new ReplyReader({ reasoning: false, tools: { now: {} } })
    expect(reader.push(kept)).toEqual([])
    expect(reader.push(last)).toEqual([{ type: 'text', text: kept + last }])
  }
})

test('a call is told of once its name is known and its arguments begin', () => {
  const reader = new ReplyReader({ tools: { now: {} }, createId: () => 'x' })
  expect(reader.push('```json\n{"name": "now",')).toEqual([])
  expect(reader.push(' "arguments": ')).toEqual([])
  expect(reader.push('{')).toMatchObject([{ type: 'tool-call-start' }, { type: 'tool-call-arguments', text: '{' }])
})

test('a broken one is told to the model', () => {
  for (const reply of [
    '{"name": "now", arguments}',
    '{"name": "now", "arguments": [1]}',
    '```{"name": "now", "args": {',
  ])
    expect(read(reply).at(-1)).toMatchObject({ type: 'invalid-tool-call', name: 'now' })
})

test('any reply of such parts loses nothing, and is the same in any pieces', () => {
  const parts = [
    ...spellings,
    ...[
      '```json\n',
      '```',
      '\n```\n',
      '<tools>',
      '</tools>',
      '[',
      ']',
      ',',
      '{',
      '}',
      '{"name": "now"',
      '"arguments": ',
    ],
    ...['<tool_call>', '</tool_call>', 'text', ' ', '\n', '"function": {', '"', '\\', ': '],
  ]
  for (let seed = 0; seed < 400; seed++) {
    const next = random(seed + 5000)
    const reply = Array.from({ length: 1 + next(6) }, () => {
      const part = parts[next(parts.length)]!
      return next(4) === 0 ? part.slice(0, next(part.length)) : part
    }).join('')
    const syntax = callSyntaxes[names[next(names.length)]!]
    const whole = readPieces([reply], { syntax, reasoning: false })
    expect(readPieces(cut(reply, next), { syntax, reasoning: false })).toEqual(whole)
    if (syntax.ignored.length === 0) expect(written(whole)).toBe(reply)
  }
})
