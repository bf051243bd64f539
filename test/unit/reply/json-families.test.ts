import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { called, read, text } from './replies.js'

const nested = '{"city": "Bern", "units": {"t": ["C", {"k": "<|x|> ]```}"}]}, "days": 2}'
const weather = { name: 'get_weather', arguments: JSON.parse(nested) as object }
const now = { name: 'now', arguments: {} }

/** Of each family: a call, one more behind it, and where the first is cut off in its arguments. */
const families: [CallSyntaxName, string, string][] = [
  [
    'harmony',
    `<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>${nested}`,
    '<|call|><|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|call|>',
  ],
  ['functionary-3.2', `>>>get_weather\n${nested}`, '>>>now\n{}'],
  [
    'kimi-k2',
    `<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>${nested}<|tool_call_end|>`,
    '<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>',
  ],
  [
    'solar',
    `<|tool_calls|><|tool_call:begin|>k3v9x1a7qz<|tool_call:name|>get_weather<|tool_call:args|>${nested}<|tool_call:end|>`,
    '<|tool_call:begin|>p0o9i8u7y6<|tool_call:name|>now<|tool_call:args|>{}<|tool_call:end|><|calls|>',
  ],
  [
    'minimax-m1',
    `<tool_calls>\n{"name": "get_weather", "arguments": ${nested}}`,
    '\n{"name": "now", "arguments": {}}\n</tool_calls>',
  ],
  [
    'apriel',
    `<tool_calls>[{"name": "get_weather", "arguments": ${nested}, "id": "a1"}`,
    ', {"name": "now", "arguments": {}, "id": "a2"}]</tool_calls>',
  ],
  [
    'nemotron',
    `<TOOLCALL>[{"name": "get_weather", "arguments": ${nested}}`,
    ', {"name": "now", "arguments": {}}]</TOOLCALL>',
  ],
  [
    'command-r',
    `<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": ${nested}}`,
    ',\n    {"tool_call_id": "1", "tool_name": "now", "parameters": {}}\n]<|END_ACTION|>',
  ],
  [
    'command-r-plus',
    `Action:\n\`\`\`json\n[\n    {\n        "tool_name": "get_weather",\n        "parameters": ${nested}\n    }`,
    ',\n    {\n        "tool_name": "now",\n        "parameters": {}\n    }\n]```',
  ],
  ['apertus', `<|tools_prefix|>[{"get_weather": ${nested}}`, ', {"now": {}}]<|tools_suffix|>'],
  [
    'gigachat',
    `<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "get_weather", "arguments": ${nested}}`,
    '<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "now", "arguments": {}}',
  ],
  [
    'gigachat-3.1',
    `<|function_call|>{"name": "get_weather", "arguments": ${nested}}`,
    '<|function_call|>{"name": "now", "arguments": {}}<|message_sep|>',
  ],
  ['firefunction', ` functools[{"name": "get_weather", "arguments": ${nested}}`, ', {"name": "now", "arguments": {}}]'],
]

describe.each(families)('%s', (name, first, second) => {
  const readReply = (reply: string) => read(reply, { syntax: callSyntaxes[name] })

  test('two calls, alone or behind text or reasoning', () => {
    const calls = readReply(first + second)
    expect(called(calls)).toEqual([weather, now])
    expect(text(calls)).toBe('')
    const behindText = readReply(`Let me see.\n${first}${second}`)
    expect(called(behindText)).toEqual([weather, now])
    expect(text(behindText)).toBe('Let me see.')
    const behindReasoning = readReply(`<think>\nWhere is it?\n</think>\n\n${first}${second}`)
    expect(called(behindReasoning)).toEqual([weather, now])
    expect(behindReasoning[0]).toEqual({ type: 'reasoning', text: 'Where is it?' })
  })

  test('a call that is cut off is none', () => {
    const cut = first.slice(0, first.indexOf('"days"'))
    const parts = readReply(cut)
    expect(called(parts)).toEqual([])
    expect(text(parts)).toBe('')
    expect(parts.at(-1)).toMatchObject({ type: 'invalid-tool-call', name: 'get_weather' })
  })

  test('a call of a tool that is not there', () => {
    expect(readReply(first.replace('get_weather', 'get_wether') + second)).toMatchObject([
      { type: 'invalid-tool-call', reason: 'There is no tool named "get_wether".' },
      { type: 'tool-call-start' },
      { type: 'tool-call-arguments' },
      { type: 'tool-call', name: 'now' },
    ])
  })
})

test('ids that results must name are those that the model has written', () => {
  const ids = (name: CallSyntaxName) => {
    const [, first, second] = families.find(([family]) => family === name)!
    return read(first + second, { syntax: callSyntaxes[name] }).flatMap(part =>
      part.type === 'tool-call' ? [part.writtenId] : [],
    )
  }
  expect(ids('kimi-k2')).toEqual(['functions.get_weather:0', 'functions.now:1'])
  expect(ids('solar')).toEqual(['k3v9x1a7qz', 'p0o9i8u7y6'])
  // They begin at 0 in each reply of some models, and the template makes them from those of the messages.
  expect(ids('command-r')).toEqual([undefined, undefined])
})

test("Command R+'s call that says that it calls none is none", () => {
  const none =
    'Action:\n```json\n[\n    {\n        "tool_name": "directly-answer",\n        "parameters": {}\n    }\n]```'
  expect(read(none, { syntax: callSyntaxes['command-r-plus'] })).toEqual([])
})
