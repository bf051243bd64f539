import { parseLiteral } from '../../../lib/reply/literal-value.js'
import { callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { called, random, read, readPieces, text } from './replies.js'

const now = { name: 'now', arguments: {} }

describe('lfm2', () => {
  const readLfm = (reply: string) => read(reply, { syntax: callSyntaxes.lfm2 })
  const weather = {
    name: 'get_weather',
    arguments: { city: 'L\'Île [x], (y) = "z"\n', days: 2, detailed: true, units: { t: ['C', null, { k: 1.5 }] } },
  }
  const arguments_ =
    'city="L\'Île [x], (y) = \\"z\\"\\n", days=2, detailed=True, units={\'t\': [\'C\', None, {"k": 1.5}]}'

  test('two calls in a list, behind text or reasoning', () => {
    const calls = `<|tool_call_start|>[get_weather(${arguments_}), now()]<|tool_call_end|>`
    expect(called(readLfm(calls))).toEqual([weather, now])
    expect(text(readLfm(calls))).toBe('')
    const behind = readLfm(`<think>Where?</think>I look.${calls}`)
    expect(called(behind)).toEqual([weather, now])
    expect(text(behind)).toBe('I look.')
  })

  test.each([
    '<|tool_call_start|>[now(), now()]<|tool_call_end|>',
    '<|tool_call_start|>now()\nnow()<|tool_call_end|>',
    '<|tool_call_start|> [ now ( ) , now( ) ] <|tool_call_end|>',
    '<|tool_call_start|>[now()]<|tool_call_end|><|tool_call_start|>[now()]<|tool_call_end|>',
    '<|tool_call_start|>[{"name": "now", "arguments": {}}, {"name": "now"}]<|tool_call_end|>',
  ])('%s', reply => {
    expect(called(readLfm(reply))).toEqual([now, now])
    expect(text(readLfm(reply)).trim()).toBe('')
  })

  test('arguments without a name are those at their place; words without quotes are text', () => {
    const parts = readLfm('<|tool_call_start|>[get_weather("Rome", 3), get_weather(city=New York, days = 1,)]')
    expect(called(parts)).toEqual([
      { name: 'get_weather', arguments: { city: 'Rome', days: 3 } },
      { name: 'get_weather', arguments: { city: 'New York', days: 1 } },
    ])
    expect(called(readLfm('<|tool_call_start|>[get_weather(city=12)]<|tool_call_end|>'))).toEqual([
      { name: 'get_weather', arguments: { city: '12' } },
    ])
  })

  test.each([
    '<|tool_call_start|>[get_weather(city="Ro',
    '<|tool_call_start|>[get_weather(city="Rome"',
    '<|tool_call_start|>[get_weather(city="a", city="b")]<|tool_call_end|>',
    '<|tool_call_start|>[get_weather("a", 1, True, {}, 5)]<|tool_call_end|>',
    '<|tool_call_start|>[other()]<|tool_call_end|>',
    '<|tool_call_start|>hello there<|tool_call_end|>',
  ])('%s is none', reply => {
    expect(readLfm(reply).at(-1)).toMatchObject({ type: 'invalid-tool-call', raw: reply })
  })
})

describe('gemma4', () => {
  const readGemma = (reply: string) => read(reply, { syntax: callSyntaxes.gemma4 })
  const quoted = (value: string) => `<|"|>${value}<|"|>`
  const city = 'L\'Île "x", {y}: [z]'
  const call = `<|tool_call>call:get_weather{city:${quoted(city)},days:2,detailed:true,units:{t:[${quoted('C')},null,{k:1.5},{}],e:[]}}<tool_call|>`
  const weather = {
    name: 'get_weather',
    arguments: { city, days: 2, detailed: true, units: { t: ['C', null, { k: 1.5 }, {}], e: [] } },
  }

  test('two calls, behind text', () => {
    const parts = readGemma(`I look.${call}<|tool_call>call:now{}<tool_call|>`)
    expect(called(parts)).toEqual([weather, now])
    expect(text(parts)).toBe('I look.')
  })

  test('keys and values as in JSON, and words without quotes', () => {
    const json = '<|tool_call>call:get_weather{"city": "a \\"b\\", c", "units": {"t": ["C"]}}<tool_call|>'
    expect(called(readGemma(json))).toEqual([
      { name: 'get_weather', arguments: { city: 'a "b", c', units: { t: ['C'] } } },
    ])
    expect(called(readGemma('<|tool_call>call:get_weather{city:Rome}<tool_call|>'))).toEqual([
      { name: 'get_weather', arguments: { city: 'Rome' } },
    ])
  })

  test.each([
    '<|tool_call>call:get_weather{city:<|"|>Ro',
    '<|tool_call>call:get_weather{city:<|"|>Rome<|"|>',
    '<|tool_call>get_weather{}<tool_call|>',
    '<|tool_call>call:other{}<tool_call|>',
  ])('%s is none', reply => {
    expect(readGemma(reply).at(-1)).toMatchObject({ type: 'invalid-tool-call', raw: reply })
  })
})

test("Python's literals", () => {
  const cases: [string, unknown][] = [
    ['True', true],
    ['None', null],
    ['-1_000', -1000],
    ['1e3', 1000],
    ['.5', 0.5],
    ["'a\\'b\\x41\\u00e9\\n\\d'", "a'bAé\n\\d"],
    ['("a", 1,)', ['a', 1]],
    ['{\'a\': {1: []}, "b": (True,)}', { a: { 1: [] }, b: [true] }],
  ]
  for (const [literal, value] of cases) expect(parseLiteral(literal)).toEqual({ value })
  for (const none of ['', 'a', '1 2', "'a", '[1', '{1}', 'f()', '1.2.3', '--1', '[,]'])
    expect(parseLiteral(none)).toBeUndefined()
  expect(parseLiteral('['.repeat(100_000))).toBeUndefined()
})

test('whatever is cut off or changed, nothing is thrown, and pieces are read as the whole', () => {
  const next = random(3)
  const replies = [
    '<|tool_call_start|>[get_weather(city=\'a, "b"\', units={"t": [1, \'x\']}), now()]<|tool_call_end|> so',
    '<|tool_call>call:get_weather{city:<|"|>a, "b"<|"|>,units:{t:[1,<|"|>x<|"|>]}}<tool_call|> so',
  ]
  const scraps = [
    '"',
    "'",
    '<|"|>',
    '\\',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ',',
    '=',
    ':',
    '<',
    'call:',
    '\n',
    '<tool_call|>',
  ]
  for (let i = 0; i < 400; i++) {
    const reply = replies[i % 2]!
    const at = next(reply.length)
    const changed = reply.slice(0, at) + scraps[next(scraps.length)]! + reply.slice(at + next(4))
    const syntax = callSyntaxes[i % 2 === 0 ? 'lfm2' : 'gemma4']
    const whole = readPieces([changed], { syntax })
    expect(readPieces(changed.split(''), { syntax })).toEqual(whole)
  }
})

describe('quotes within the quotes of a text', () => {
  test.each([
    ["'it's here'", "it's here"],
    ["'(it\\'s', days=2", "(it's"],
    ["'a 'b' c' ", "a 'b' c"],
    ['"a "b" \\n"', 'a "b" \n'],
    ["''", ''],
  ])('%s', (text, city) => {
    const reply = `<|tool_call_start|>[get_weather(city=${text}), now()]<|tool_call_end|>`
    const calls = read(reply, { syntax: callSyntaxes.lfm2 }).filter(part => part.type === 'tool-call')
    expect(calls).toMatchObject([{ arguments: { city } }, { name: 'now' }])
  })
})
