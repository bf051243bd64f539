import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { called, read, text } from './replies.js'

const units = '{"t": ["C", {"k": "<x> </y> ]```}"}]}'
const weather = { name: 'get_weather', arguments: { city: 'Bern', units: JSON.parse(units) as object, days: 2 } }
const now = { name: 'now', arguments: {} }

const invoked = (prefix: string, string = '', json = '') =>
  `<${prefix}invoke name="get_weather">\n<${prefix}parameter name="city"${string}>Bern</${prefix}parameter>\n` +
  `<${prefix}parameter name="units"${json}>${units}</${prefix}parameter>\n` +
  `<${prefix}parameter name="days"${json}>2</${prefix}parameter>\n</${prefix}invoke>`
const keyed = (space: string) =>
  `<tool_call>get_weather${space}<arg_key>city</arg_key>${space}<arg_value>Bern</arg_value>${space}` +
  `<arg_key>units</arg_key>${space}<arg_value>${units}</arg_value>${space}` +
  `<arg_key>days</arg_key>${space}<arg_value>2</arg_value>${space}</tool_call>`
const argument = (key: string, type: string, value: string) =>
  `<|open|>argument key="${key}" type="${type}"<|sep|>${value}<|close|>argument<|sep|>`

/** Of each family: a call, and one more behind it. */
const families: [CallSyntaxName, string, string][] = [
  ['glm', keyed('\n'), '\n<tool_call>now\n</tool_call>'],
  ['glm-inline', keyed(''), '<tool_call>now</tool_call>'],
  [
    'hunyuan',
    '<tool_calls:opensource>\n<tool_call:opensource>get_weather<tool_sep:opensource>\n' +
      '<arg_key:opensource>city</arg_key:opensource>\n<arg_value:opensource>Bern</arg_value:opensource>\n' +
      `<arg_key:opensource>units</arg_key:opensource>\n<arg_value:opensource>${units}</arg_value:opensource>\n` +
      '<arg_key:opensource>days</arg_key:opensource>\n<arg_value:opensource>2</arg_value:opensource>\n' +
      '</tool_call:opensource>',
    '\n<tool_call:opensource>now<tool_sep:opensource>\n</tool_call:opensource>\n</tool_calls:opensource>',
  ],
  ['minimax-m2', `<minimax:tool_call>\n${invoked('')}`, '\n<invoke name="now">\n</invoke>\n</minimax:tool_call>'],
  [
    'deepseek-v3.2',
    `<｜DSML｜function_calls>\n${invoked('｜DSML｜', ' string="true"', ' string="false"')}`,
    '\n<｜DSML｜invoke name="now">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
  ],
  [
    'deepseek-v4',
    `<｜DSML｜tool_calls>\n${invoked('｜DSML｜', ' string="true"', ' string="false"')}`,
    '\n<｜DSML｜invoke name="now">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
  ],
  [
    'seed',
    `<seed:tool_call>\n<function=get_weather>\n<parameter=city>Bern</parameter>\n<parameter=units>${units}</parameter>\n<parameter=days>2</parameter>\n</function>\n</seed:tool_call>`,
    '\n<seed:tool_call>\n<function=now>\n</function>\n</seed:tool_call>',
  ],
  [
    'minicpm',
    `<function name="get_weather"><param name="city">Bern</param><param name="units"><![CDATA[${units}]]></param><param name="days">2</param></function>`,
    '\n<function name="now"></function>',
  ],
  [
    'atem',
    `<atem:function_calls>\n${invoked('atem:')}`,
    '\n<atem:invoke name="now">\n</atem:invoke>\n</atem:function_calls>',
  ],
  [
    'kimi-k3',
    `<|open|>tools<|sep|><|open|>call tool="get_weather" index="1"<|sep|>${argument('city', 'string', 'Bern')}${argument('units', 'object', units)}${argument('days', 'number', '2')}<|close|>call<|sep|>`,
    '<|open|>call tool="now" index="2"<|sep|><|close|>call<|sep|><|close|>tools<|sep|><|close|>message<|sep|>',
  ],
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
    const parts = readReply(first.slice(0, first.indexOf('days')))
    expect(called(parts)).toEqual([])
    expect(text(parts)).toBe('')
    expect(parts.at(-1)).toMatchObject({ type: 'invalid-tool-call', name: 'get_weather' })
  })

  test('a call of a tool that is not there', () => {
    const parts = readReply(first.replace('get_weather', 'get_wether') + second)
    expect(parts[0]).toMatchObject({ type: 'invalid-tool-call', reason: 'There is no tool named "get_wether".' })
    expect(called(parts)).toEqual([now])
  })

  test('white space where tags allow it', () => {
    const loose = (first + second).replaceAll(
      /(?<=<\/(?:arg_value|parameter|param|invoke|function)[\w:]*>)\n?/g,
      '\n  ',
    )
    expect(called(readReply(loose))).toEqual([weather, now])
  })
})

test('what stands beside a key decides where the schema leaves both', () => {
  const tools = {
    note: { parameters: { type: 'object', properties: { a: { type: ['string', 'integer'] }, b: { type: 'string' } } } },
  }
  const call = (string: boolean) =>
    `<｜DSML｜function_calls>\n<｜DSML｜invoke name="note">\n<｜DSML｜parameter name="a" string="${string}">12</｜DSML｜parameter>\n<｜DSML｜parameter name="b" string="${string}">12</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>`
  const readNote = (reply: string) => called(read(reply, { syntax: callSyntaxes['deepseek-v3.2'], tools }))
  expect(readNote(call(true))).toEqual([{ name: 'note', arguments: { a: '12', b: '12' } }])
  expect(readNote(call(false))).toEqual([{ name: 'note', arguments: { a: 12, b: '12' } }])
})

test("Python's form of a value", () => {
  const reply =
    "<seed:tool_call><function=get_weather><parameter=units>{'a': [1, True, None, 'it\\'s'], \"b\": -1.5}</parameter></function></seed:tool_call>"
  expect(called(read(reply, { syntax: callSyntaxes.seed }))).toEqual([
    { name: 'get_weather', arguments: { units: { a: [1, true, null, "it's"], b: -1.5 } } },
  ])
})
