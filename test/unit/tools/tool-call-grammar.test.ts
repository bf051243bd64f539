import { choice, literal, reference, sequence } from '../../../lib/structured/grammar/pieces.js'
import { GrammarRules } from '../../../lib/structured/grammar/rules.js'
import { checkSource } from '../../../lib/structured/grammar-check.js'
import { anyValue } from '../../../lib/structured/json-schema/any-value.js'
import { schemaGrammar } from '../../../lib/structured/json-schema.js'
import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { looseText, textUntil } from '../../../lib/tools/grammar-text.js'
import { genericFormat } from '../../../lib/tools/tool-call-format.js'
import {
  type GrammarSubject,
  type ToolCallGrammarOptions,
  toolCallGrammar,
} from '../../../lib/tools/tool-call-grammar.js'
import type { JsonSchema } from '../../../lib/tools/tool-definitions.js'
import { writeCalls } from '../../../lib/tools/write-calls.js'
import { GbnfGrammar } from '../../tools/gbnf.js'
import { read, tools } from '../reply/replies.js'

const names = Object.keys(callSyntaxes) as CallSyntaxName[]
const format = (name: CallSyntaxName, parallel = true) => ({ ...genericFormat, syntax: callSyntaxes[name], parallel })

/** Which texts a grammar takes. Throws for what is no grammar, and for rules that aren't there or are there twice. */
class Gbnf {
  readonly #grammar: GbnfGrammar

  constructor(source: string) {
    checkSource(source)
    this.#grammar = new GbnfGrammar(source)
    expect(this.#grammar.unusedRules()).toEqual([])
  }

  takes(text: string): boolean {
    return this.#grammar.accepts(text)
  }
}

const asked: GrammarSubject[] = []
const parameters: ToolCallGrammarOptions['parameters'] = (tool, rules) => {
  asked.push(tool)
  return schemaGrammar(tool.parameters, 'test', false, { rules, hint: tool.hint }).root
}
const make = (
  name: CallSyntaxName,
  choice: Parameters<typeof toolCallGrammar>[2] = 'auto',
  more: object = {},
  parallel = true,
) => {
  const made = toolCallGrammar(format(name, parallel), tools, choice, { parameters, ...more })!
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
    const mark = callSyntaxes[name].open.find(mark => text.startsWith(mark) && !/[="]$/.test(mark))
    if (mark !== undefined) expect(make(name).gbnf.takes(text.replace(mark, `${mark}\n `))).toBe(true)
  })
})

describe.each(names)('%s with an answer of its own form', name => {
  // With rules that have the names of the calls' own, and mean others.
  const rules = new GrammarRules()
  const space = rules.rule('space', rules.optional('space', literal(' ')))
  const call = rules.rule('call', choice([literal('"call": '), literal('"tool": ')]))
  const answer = { rules, root: sequence(literal('{'), space, call, anyValue(rules), literal('}')) }
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
    // Where a reply is several messages, so is its reasoning.
    if (callSyntaxes[name].messages !== undefined) return
    expect(read(`<think>Hm.</think>\n${written}`, options)).toEqual(
      read(`<think>Hm.</think>\n${written}`, { syntax: callSyntaxes[name] }),
    )
  })
})

test('no grammar without a call', () => {
  expect(toolCallGrammar(genericFormat, tools, 'none', { parameters })).toBeUndefined()
  expect(toolCallGrammar(genericFormat, {}, 'required', { parameters })).toBeUndefined()
})

test('a tool that is not there', () => {
  expect(() => toolCallGrammar(genericFormat, tools, { tool: 'toString' }, { parameters })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

test('a tool without parameters has an empty schema; names of any kind', () => {
  asked.length = 0
  const made = toolCallGrammar(genericFormat, { 'a"b\\c': {} }, 'auto', { parameters })!
  expect(asked).toEqual([{ name: 'a"b\\c', hint: 'a"b\\c', parameters: { type: 'object', properties: {} } }])
  expect(
    new Gbnf(made.grammar).takes(writeCalls(genericFormat.syntax, [{ id: '', name: 'a"b\\c', arguments: {} }])),
  ).toBe(true)
})

test.each(['mistral', 'mistral-ids'] as const)('%s: ids are nine letters and digits, and nothing else', name => {
  const { gbnf } = make(name)
  const text = writeCalls(callSyntaxes[name], [now])
  expect([gbnf.takes(text), text.includes(now.id)]).toEqual([true, true])
  for (const id of ['Yesadysel \n', 'Yesadysel ', ' Yesadysel', 'Yesad', 'Yesadysel0', ''])
    expect([id, gbnf.takes(text.replace(now.id, id))]).toEqual([id, false])
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

  test('half of a surrogate pair, which no text has, is asked for as what stands in its place', () => {
    const schema = { type: 'object', properties: { city: { enum: ['a\ud800'] } }, required: ['city'] }
    const made = toolCallGrammar(format('qwen3-coder'), { get_weather: { parameters: schema } }, 'auto', {
      parameters,
    })!
    expect(new Gbnf(made.grammar).takes(call(element('city', 'a\ufffd')))).toBe(true)
  })

  test('a choice of texts, and definitions that are referred to', () => {
    asked.length = 0
    const schema = {
      type: 'object',
      properties: { unit: { enum: ['C', 'F'] }, more: { $ref: '#/$defs/x' } },
      $defs: { x: { type: 'integer' } },
    }
    const made = toolCallGrammar(format('qwen3-coder'), { get_weather: { parameters: schema } }, 'auto', {
      parameters,
    })!
    const gbnf = new Gbnf(made.grammar)
    expect(gbnf.takes(call(element('unit', 'C'), element('more', '7')))).toBe(true)
    expect(gbnf.takes(call(element('unit', 'K')))).toBe(false)
    expect(asked).toEqual([
      {
        name: 'get_weather',
        hint: 'get_weather-more',
        parameters: { $ref: '#/$defs/x', $defs: { x: { type: 'integer' } } },
      },
    ])
  })
})

describe('text of grammars', () => {
  test('names that are taken are not given again, whatever grammar they come from', () => {
    const own = new GrammarRules()
    const [one, other] = [literal('a'), literal('b')].map(piece => own.rule('call', choice([piece, literal('c')])))
    expect([one!.text, other!.text]).toEqual(['call', 'call-2'])
    const rules = new GrammarRules(own)
    const third = rules.rule('call', choice([literal('x'), literal('y')]))
    expect(third.text).toBe('call-3')
    expect(rules.toText(sequence(other!, third))).toBe(
      'root ::= call-2 call-3\ncall-2 ::= "b" | "c"\ncall-3 ::= "x" | "y"\n',
    )
    expect(own.rule('call', choice([literal('z'), literal('c')])).text).toBe('call-3')
    expect(own.toText(reference('call'))).not.toContain('"x"')
  })

  test.each<[CallSyntaxName, string[]]>([
    ['hermes', ['pick-size-call', 'pick-size-object', 'root-call', 'root-object']],
    ['qwen3-coder', ['pick-size-call', 'pick-size-how-big-object', 'root-call', 'root-of-array']],
  ])(
    '%s: rules are called after their tool, and after its argument where that has a schema of its own',
    (name, named) => {
      const of = (properties: JsonSchema) => ({ parameters: { type: 'object', properties } })
      const size = { type: 'object', properties: { x: { enum: [1, 2] } } }
      const tools = { pick_size: of({ 'how big': size }), root: of({ of: { type: 'array' } }) }
      const { grammar } = toolCallGrammar(format(name), tools, 'auto', { parameters })!
      const rules = [...grammar.matchAll(/^(\S+) ::=/gm)].map(([, rule]) => rule)
      expect(rules).toEqual(expect.arrayContaining(named))
      expect(rules.filter(rule => rule!.startsWith('answer'))).toEqual([])
    },
  )

  test('what looks like a rule is none', () => {
    const rules = new GrammarRules()
    rules.rule('a', choice([literal('x'), literal('y')]))
    expect(rules.toText(literal('a" a [a] <a> # a'))).toBe('root ::= "a\\" a [a] <a> # a"\n')
  })

  test('each schema may take as much as one alone', () => {
    const rules = new GrammarRules()
    rules.beginSchema()
    const large = (first: string) => rules.define(rules.reserve('large'), literal(first + 'x'.repeat(600_000)))
    large('a')
    expect(() => large('b')).toThrow(/needs a grammar of more than/)
    rules.beginSchema()
    expect(() => large('c')).not.toThrow()
  })

  test('what is not written for a schema is not held to the size of one', () => {
    const long = { type: 'object', properties: { text: { type: 'string', enum: ['\u0001'.repeat(300_000)] } } }
    const asked = { long: { parameters: long }, get_weather: tools['get_weather']! }
    const { grammar } = toolCallGrammar(format('qwen3-coder'), asked, 'auto', { parameters })!
    expect(grammar.length).toBeGreaterThan(1_200_000)
  })

  test('a schema that no grammar can be made of leaves the rules of others sound', () => {
    const endless = { type: 'object', properties: { a: { $ref: '#' }, b: { type: 'integer' } }, required: ['a', 'b'] }
    const made = toolCallGrammar(
      format('hermes'),
      { endless: { parameters: endless }, get_weather: tools['get_weather']! },
      'auto',
      {
        parameters: (tool, rules) => {
          if (tool.name !== 'endless') return parameters(tool, rules)
          expect(() => parameters(tool, rules)).toThrow(/infinitely recursive/)
          return schemaGrammar({ type: 'object' }, 'test', false, { rules }).root
        },
      },
    )!
    const gbnf = new Gbnf(made.grammar)
    const call = (name: string, args: object) => writeCalls(callSyntaxes['hermes'], [{ id: '', name, arguments: args }])
    expect(gbnf.takes(call('endless', { any: [1] }))).toBe(true)
    expect(gbnf.takes(call('get_weather', { city: 'a', days: 2 }))).toBe(true)
    expect(gbnf.takes(call('get_weather', { any: [1] }))).toBe(false)
  })

  test('literals', () => {
    expect(literal('a"\\\n\t').text).toBe('"a\\"\\\\\\x0A\\x09"')
    expect(looseText(new GrammarRules(), 'a \n b').text).toBe('"a" space "b"')
  })

  test('text up to a marker', () => {
    for (const marker of ['</think>', 'aab', 'abab', '\n]^-\\', 'x']) {
      const rules = new GrammarRules()
      const gbnf = new Gbnf(rules.toText(textUntil(rules, 'until', marker)))
      const alphabet = [...new Set(marker), 'z', marker.slice(0, -1), marker.slice(0, 2)]
      const texts = Array.from({ length: 3000 }, (_, n) =>
        Array.from({ length: n % 6 }, (_, i) => alphabet[Math.floor(n / (i * 7 + 1)) % alphabet.length]).join(''),
      )
      for (const text of new Set(texts)) {
        const whole = text + marker
        expect(gbnf.takes(whole)).toBe(whole.indexOf(marker) === whole.length - marker.length)
        if (!text.endsWith(marker)) expect(gbnf.takes(text)).toBe(false)
      }
    }
  })
})
