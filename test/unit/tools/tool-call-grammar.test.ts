import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { literal, looseLiteral, renameRules, untilRules } from '../../../lib/tools/grammar-text.js'
import { genericFormat } from '../../../lib/tools/tool-call-format.js'
import { type GrammarSubject, toolCallGrammar } from '../../../lib/tools/tool-call-grammar.js'
import { writeCalls } from '../../../lib/tools/write-calls.js'
import { read, tools } from '../reply/replies.js'
import { Gbnf } from './gbnf.js'

const names = Object.keys(callSyntaxes) as CallSyntaxName[]
const format = (name: CallSyntaxName, parallel = true) => ({ ...genericFormat, syntax: callSyntaxes[name], parallel })

// As far as these tests need it: any JSON of the schema's type, with rules that all tools have in common.
const json = [
  'value ::= object | array | string | number | "true" | "false" | "null"',
  'object ::= "{" (pair ("," ws pair)*)? "}" # pairs',
  'pair ::= string ":" ws value',
  'array ::= "[" (value ("," ws value)*)? "]"',
  'string ::= "\\"" ([^"\\\\] | "\\\\" ["nu\\\\])* "\\""',
  'number ::= "-"? [0-9]+',
  'ws ::= " "?',
].join('\n')
const asked: GrammarSubject[] = []
const parametersGrammar = (tool: GrammarSubject) => {
  asked.push(tool)
  const rule = { string: 'string', integer: 'number', boolean: '"true" | "false"', object: 'object' }[
    tool.parameters.type as string
  ]
  return `root ::= ${rule}\n${json}`
}
const make = (
  name: CallSyntaxName,
  choice: Parameters<typeof toolCallGrammar>[2] = 'auto',
  more: object = {},
  parallel = true,
) => {
  const made = toolCallGrammar(format(name, parallel), tools, choice, { parametersGrammar, ...more })!
  return { ...made, gbnf: new Gbnf(made.grammar) }
}

const weather = {
  id: 'abcdefghi',
  name: 'get_weather',
  arguments: { city: 'Zürich "x"', days: 3, detailed: true, units: { t: ['C'] } },
}
const now = { id: '123456789', name: 'now', arguments: {} }

describe.each(names)('%s', name => {
  const written = (...calls: (typeof weather | typeof now)[]) => writeCalls(callSyntaxes[name], calls)

  test('takes what the model writes, and begins with a trigger', () => {
    const { gbnf, triggers } = make(name)
    for (const text of [written(weather), written(now), written(weather, now, weather)]) {
      expect(gbnf.takes(text)).toBe(true)
      expect(triggers.some(trigger => text.startsWith(trigger))).toBe(true)
      expect(read(text, { syntax: callSyntaxes[name] }).some(part => part.type === 'invalid-tool-call')).toBe(false)
    }
  })

  test('takes nothing else', () => {
    const { gbnf } = make(name)
    for (const text of [
      '',
      'text',
      written(weather).slice(0, -1),
      `${written(weather)} so`,
      written({ ...now, name: 'other' }),
    ]) {
      expect(gbnf.takes(text)).toBe(false)
    }
  })

  test('one call only', () => {
    for (const { gbnf } of [make(name, 'auto', {}, false), make(name, 'auto', { parallel: false })]) {
      expect(gbnf.takes(written(weather))).toBe(true)
      expect(gbnf.takes(written(weather, now))).toBe(false)
    }
  })

  test('required, or of one tool: from the start, or after the reasoning', () => {
    const required = make(name, 'required')
    expect(required.triggers).toEqual([])
    expect(required.gbnf.takes(written(now))).toBe(true)
    const one = make(name, { tool: 'now' })
    expect(one.triggers).toEqual([])
    expect(one.gbnf.takes(written(now))).toBe(true)
    expect(one.gbnf.takes(written(weather))).toBe(false)
    const after = make(name, 'required', { reasoningClose: '</think>' })
    expect(after.triggers).toEqual(['</think>'])
    expect(after.gbnf.takes(`</think>\n\n${written(now)}`)).toBe(true)
    expect(make(name, 'auto', { reasoningClose: '</think>' }).triggers).toEqual(make(name).triggers)
  })

  test('white space may follow what opens calls', () => {
    const text = written(weather)
    const mark = callSyntaxes[name].open.find(mark => text.startsWith(mark) && !mark.endsWith('='))
    if (mark !== undefined) expect(make(name).gbnf.takes(text.replace(mark, `${mark}\n `))).toBe(true)
  })
})

describe.each(names)('%s with an answer of its own form', name => {
  const answer = `root ::= "{" space "\\"call\\": " value "}"\nspace ::= " "?\ncall ::= "x"\n${json}`
  const written = writeCalls(callSyntaxes[name], [weather])
  const given = '{ "call": {"name": "now"}}'

  test('takes either, from the start', () => {
    const { gbnf, triggers } = make(name, 'auto', { answer })
    expect(triggers).toEqual([])
    for (const text of [written, given]) expect(gbnf.takes(text)).toBe(true)
    for (const text of ['', 'text', written + given, given + written, `so ${given}`])
      expect(gbnf.takes(text)).toBe(false)
  })

  test('takes either after the reasoning', () => {
    const { gbnf, triggers } = make(name, 'auto', { answer, reasoningClose: '</think>' })
    expect(triggers).toEqual(['</think>'])
    for (const text of [written, given])
      expect([gbnf.takes(`</think>\n${text}`), gbnf.takes(text)]).toEqual([true, false])
  })

  test('takes calls alone where they are required', () => {
    const { gbnf } = make(name, 'required', { answer })
    expect([gbnf.takes(written), gbnf.takes(given)]).toEqual([true, false])
  })

  test('is read as what it is', () => {
    const options = { syntax: callSyntaxes[name], callsOrText: true }
    const quoting = JSON.stringify({ call: written, think: '<think>' })
    expect(read(quoting, options)).toEqual([{ type: 'text', text: quoting }])
    expect(read(`<think>Hm.</think>\n${quoting}`, options)).toEqual([
      { type: 'reasoning', text: 'Hm.' },
      { type: 'text', text: quoting },
    ])
    expect(read(written, options)).toEqual(read(written, { syntax: callSyntaxes[name] }))
    expect(read(`<think>Hm.</think>\n${written}`, options)).toEqual(
      read(`<think>Hm.</think>\n${written}`, { syntax: callSyntaxes[name] }),
    )
  })
})

test('no grammar without a call', () => {
  expect(toolCallGrammar(genericFormat, tools, 'none', { parametersGrammar })).toBeUndefined()
  expect(toolCallGrammar(genericFormat, {}, 'required', { parametersGrammar })).toBeUndefined()
})

test('a tool that is not there', () => {
  expect(() => toolCallGrammar(genericFormat, tools, { tool: 'toString' }, { parametersGrammar })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

test('a tool without parameters has an empty schema; names of any kind', () => {
  asked.length = 0
  const made = toolCallGrammar(genericFormat, { 'a"b\\c': {} }, 'auto', { parametersGrammar })!
  expect(asked).toEqual([{ name: 'a"b\\c', parameters: { type: 'object', properties: {} } }])
  expect(
    new Gbnf(made.grammar).takes(writeCalls(genericFormat.syntax, [{ id: '', name: 'a"b\\c', arguments: {} }])),
  ).toBe(true)
})

describe('qwen3-coder', () => {
  const element = (key: string, value: string) => `<parameter=${key}>\n${value}\n</parameter>\n`
  const call = (...elements: string[]) =>
    `<tool_call>\n<function=get_weather>\n${elements.join('')}</function>\n</tool_call>`

  test('arguments in their order, the needed ones always', () => {
    const { gbnf } = make('qwen3-coder')
    expect(gbnf.takes(call(element('city', 'a')))).toBe(true)
    expect(gbnf.takes(call(element('city', ''), element('detailed', 'false')))).toBe(true)
    expect(gbnf.takes(call(element('days', '1')))).toBe(false)
    expect(gbnf.takes(call(element('days', '1'), element('city', 'a')))).toBe(false)
    expect(gbnf.takes(call(element('city', 'a'), element('days', 'x')))).toBe(false)
  })

  test('text with starts of its own end in it', () => {
    const { gbnf } = make('qwen3-coder')
    for (const text of ['\n', '\n\n\n', '</parameter', '\n</parameter\n', '\n<\n</p\n</', 'a < b'])
      expect(gbnf.takes(call(element('city', text)))).toBe(true)
  })

  test('a choice of texts, and definitions that are referred to', () => {
    asked.length = 0
    const parameters = {
      type: 'object',
      properties: { unit: { enum: ['C', 'F'] }, more: { $ref: '#/$defs/x' } },
      $defs: { x: { type: 'integer' } },
    }
    const made = toolCallGrammar(format('qwen3-coder'), { get_weather: { parameters } }, 'auto', {
      parametersGrammar: tool => {
        asked.push(tool)
        return 'root ::= [0-9]'
      },
    })!
    const gbnf = new Gbnf(made.grammar)
    expect(gbnf.takes(call(element('unit', 'C'), element('more', '7')))).toBe(true)
    expect(gbnf.takes(call(element('unit', 'K')))).toBe(false)
    expect(asked).toEqual([
      { name: 'get_weather', parameters: { $ref: '#/$defs/x', $defs: { x: { type: 'integer' } } } },
    ])
  })
})

describe('text of grammars', () => {
  test('rules are renamed, but not what only looks like them', () => {
    expect(renameRules('root ::= a_b "root \\" a" [a-z\\]] <[12]> c{2,3} | d-1+ # root\nc ::= "x"', 'p')).toBe(
      'p-root ::= p-a-b "root \\" a" [a-z\\]] <[12]> p-c{2,3} | p-d-1+ # root\np-c ::= "x"',
    )
  })

  test('literals', () => {
    expect(literal('a"\\\n\t')).toBe('"a\\"\\\\\\n\\t"')
    expect(looseLiteral('a \n b')).toBe('"a" space "b"')
  })

  test('text up to a marker', () => {
    for (const marker of ['</think>', 'aab', 'abab', '\n]^-\\', 'x']) {
      const gbnf = new Gbnf(`root ::= until\n${untilRules('until', marker).join('\n')}`)
      const alphabet = [...new Set(marker), 'z', marker.slice(0, -1), marker.slice(0, 2)]
      for (let n = 0; n < 3000; n++) {
        const text = Array.from(
          { length: n % 6 },
          (_, i) => alphabet[Math.floor(n / (i * 7 + 1)) % alphabet.length],
        ).join('')
        const whole = text + marker
        expect(gbnf.takes(whole)).toBe(whole.indexOf(marker) === whole.length - marker.length)
        if (!text.endsWith(marker)) expect(gbnf.takes(text)).toBe(false)
      }
    }
  })
})
