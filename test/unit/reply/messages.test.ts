import { reasoningFormat, reasoningIsOpen } from '../../../lib/reply/reasoning-format.js'
import type { ReplyPart } from '../../../lib/reply/reply-parts.js'
import type { ReplyReaderOptions } from '../../../lib/reply/reply-reader.js'
import { callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { messageFormat } from '../../../lib/tools/message-format.js'
import { read } from './replies.js'

const short = (parts: ReplyPart[]) =>
  parts.flatMap(part => {
    if (part.type === 'text' || part.type === 'reasoning') return [[part.type, part.text]]
    if (part.type === 'tool-call') return [[part.index, part.name, part.arguments]]
    return part.type === 'invalid-tool-call' ? [['invalid', part.reason]] : []
  })
const readAs =
  (name: keyof typeof callSyntaxes, options: ReplyReaderOptions = {}) =>
  (reply: string) =>
    short(read(reply, { syntax: callSyntaxes[name], ...options }))
const weather = { city: 'Bern', units: { t: ['<|end|>'] } }
const json = JSON.stringify(weather)

describe('gpt-oss', () => {
  const readReply = readAs('harmony')
  const thought = '<|channel|>analysis<|message|>Which city?<|end|><|start|>assistant'

  test.each([
    `${thought}<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>${json}<|call|>`,
    `${thought}<|channel|>commentary to=functions.get_weather<|message|>${json}`,
    `${thought} to=functions.get_weather<|channel|>commentary json<|message|>${json}<|call|>`,
    `${thought}<|channel|>analysis to=functions.get_weather code<|message|>${json}<|call|>`,
    `<|channel|>analysis<|message|>Which city?<|start|>assistant<|channel|>commentary to=get_weather<|message|>${json}`,
  ])('%s: reasoning and a call', reply => {
    expect(readReply(reply)).toEqual([
      ['reasoning', 'Which city?'],
      [0, 'get_weather', weather],
    ])
  })

  test('a call at the start of a reply, whose header the prompt has begun', () => {
    expect(readReply(` to=functions.now<|channel|>commentary json<|message|>{}<|call|>`)).toEqual([[0, 'now', {}]])
  })

  test('answers: with a header and without, before a call, without tools', () => {
    expect(readReply(`${thought}<|channel|>final<|message|>It is a < b.<|return|>`)).toEqual([
      ['reasoning', 'Which city?'],
      ['text', 'It is a < b.'],
    ])
    expect(readReply('No header at all, to=functions.now or not.')).toEqual([
      ['text', 'No header at all, to=functions.now or not.'],
    ])
    expect(
      readReply(
        `<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}<|call|>`,
      ),
    ).toEqual([
      ['text', 'Let me see.'],
      [0, 'now', {}],
    ])
    expect(readAs('harmony', { tools: false })(`${thought}<|channel|>final<|message|>Yes.`)).toEqual([
      ['reasoning', 'Which city?'],
      ['text', 'Yes.'],
    ])
    expect(readAs('harmony', { reasoning: false })(`${thought}<|channel|>final<|message|> Yes.`)).toEqual([
      ['text', 'Which city?Yes.'],
    ])
  })

  test('what is cut off, empty, or names no tool', () => {
    const call = `<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>${json}`
    expect(readReply(call.slice(0, -3))).toEqual([['invalid', 'The call has no end.']])
    expect(readReply('<|channel|>comm')).toEqual([])
    expect(readReply('<|channel|>final<|mess')).toEqual([])
    expect(readReply('<|channel|>analysis<|message|>Hm')).toEqual([['reasoning', 'Hm']])
    expect(readReply(call.replace('get_weather', 'browse'))).toEqual([['invalid', 'There is no tool named "browse".']])
  })

  test('an answer of some form quotes marks', () => {
    const quoting = JSON.stringify({ mark: '<|start|>assistant<|channel|>final<|message|><|end|>' })
    expect(readAs('harmony', { callsOrText: true })(`<|channel|>final<|message|>${quoting}`)).toEqual([
      ['text', quoting],
    ])
  })
})

test('Functionary 3.2: the prompt has written what comes before the first name', () => {
  const readReply = readAs('functionary-3.2')
  expect(readReply(`all\nLet me see.>>>get_weather\n${json}>>>now\n{}`)).toEqual([
    ['text', 'Let me see.'],
    [0, 'get_weather', weather],
    [1, 'now', {}],
  ])
  expect(readReply('now\n{}')).toEqual([[0, 'now', {}]])
  expect(readReply('all\nIn Python:\n>>> x = 1\n>>> x\n1')).toEqual([['text', 'In Python:\n>>> x = 1\n>>> x\n1']])
  expect(readReply('now is the time')).toEqual([['text', 'now is the time']])
})

test('Solar Open: messages of reasoning, of calls and of text', () => {
  const readReply = readAs('solar')
  const thought = '<|think|>Hm.<|end|><|begin|>assistant'
  expect(readReply(`${thought}<|content|>It is noon.<|end|>`)).toEqual([
    ['reasoning', 'Hm.'],
    ['text', 'It is noon.'],
  ])
  const call = `<|tool_call:begin|>k3v9x1a7qz<|tool_call:name|>get_weather<|tool_call:args|>${json}<|tool_call:end|>`
  expect(readReply(`${thought}<|tool_calls|>${call}${call}<|calls|>`)).toEqual([
    ['reasoning', 'Hm.'],
    [0, 'get_weather', weather],
    [1, 'get_weather', weather],
  ])
})

test('Muse: each call in a message of its own', () => {
  const call = (name: string) =>
    `<|start|>assistant to=${name}<|message|><atem:function_calls>\n<atem:invoke name="${name}">\n</atem:invoke>\n</atem:function_calls>`
  expect(readAs('atem')(` to=self<|message|>Hm.<|eom|>${call('now')}<|eom|>${call('now')}<|eot|>`)).toEqual([
    ['reasoning', 'Hm.'],
    [0, 'now', {}],
    [1, 'now', {}],
  ])
  expect(readAs('atem')(' to=user<|message|>It is noon.<|eot|>')).toEqual([['text', 'It is noon.']])
})

describe('reasoning, by what a template holds', () => {
  test.each([
    [
      '{{ "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>" }}',
      '<|START_RESPONSE|>Yes.<|END_RESPONSE|>',
    ],
    ['{{ "<|START_THINKING|>a<|END_THINKING|><|START_TEXT|>b<|END_TEXT|>" }}', '<|START_TEXT|>Yes.<|END_TEXT|>'],
    ['{{ "Here are my reasoning steps:\\n" }} [BEGIN FINAL RESPONSE]', 'Yes.\n[END FINAL RESPONSE]'],
    ['<think></think>, the answer between <response></response>', '<response>Yes.</response>'],
    [
      "{{ '<|open|>' }}{{ open_tag('think') }}",
      '<|open|>response<|sep|>Yes.<|close|>response<|sep|><|close|>message<|sep|>',
    ],
    ["{% set end = '</mm:think>' %}", 'Yes.'],
    ["{{ '<|channel>thought\\n' }}", 'Yes.'],
    ["{% set outer = '<|inner_suffix|>' %}", 'Yes.'],
    ["{% set T = ':x' %}{% set e = '</think{}>'.format(T) %}", 'Yes.'],
    ['{{ "[THINK]a[/THINK]" }}', 'Yes.'],
    ['{{ "<seed:think>a</seed:think>" }}', 'Yes.'],
    ['{{ "nothing" }}', 'Yes.'],
  ])('%s', (template, answer) => {
    const reasoning = reasoningFormat(template)
    const reply = `\nIs it?\n${reasoning.close}\n${answer}`
    const expected = [
      ['reasoning', 'Is it?'],
      ['text', 'Yes.'],
    ]
    expect(reasoningIsOpen(`<|assistant|>${reasoning.open}\n`, reasoning)).toBe(true)
    for (const tools of [{}, { tools: false as const }]) {
      expect(short(read(reasoning.open + reply, { reasoning, ...tools }))).toEqual(expected)
      expect(short(read(reply, { reasoning, reasoningOpen: true, ...tools }))).toEqual(expected)
    }
  })
})

test('a template whose replies are one message', () => {
  expect(messageFormat("{{ '<|im_start|>' + m.role }}")).toBeUndefined()
})
