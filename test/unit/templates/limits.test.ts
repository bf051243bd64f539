import { Interpreter } from '@huggingface/jinja'
import { StreamingLLMError } from '../../../lib/errors.js'
import { ChatTemplate, piecesText } from '../../../lib/templates/chat-template.js'
import { hookedMethods } from '../../../lib/templates/jinja-runtime.js'
import {
  assistant,
  chatml,
  cleaning,
  gemma,
  headers,
  inst,
  json,
  make,
  reasoning,
  system,
  thrown,
  user,
} from './samples.js'

const specialTokens = ['<s>']
const rendering =
  (source: string, options = {}) =>
  () =>
    new ChatTemplate(source, { specialTokens, ...options }).render([user('x')], true)
const failure = (work: () => unknown) => {
  const error = thrown(work)
  expect(error).toBeInstanceOf(StreamingLLMError)
  expect(error).toMatchObject({ code: 'TEMPLATE_FAILED' })
  return error as StreamingLLMError
}

test('what there is none of is undefined, as for others', () => {
  const source =
    "{% set system = messages | selectattr('role', 'equalto', 'system') | list | first %}{% if system %}S{% else %}none{% endif %}" +
    "{{ [] | first }}{{ [] | last }}{{ ([] | first) is defined }}{{ [] | first | default('d') }}"
  expect(piecesText(new ChatTemplate(source, { specialTokens }).render([{ role: 'user', content: 'x' }], true))).toBe(
    'noneFalsed',
  )
})

describe('templates that fail', () => {
  test.each([['{% for x in %}'], ['{{ "open'], ['{% if true %}'], ['{{ 1 +* 2 }}'], ['{# open']])(
    'does not compile: %s',
    source => {
      expect(failure(() => new ChatTemplate(source, { specialTokens })).message).toMatch(
        /failed to compile: .*`chatTemplate`/,
      )
    },
  )

  test.each(['{% if true %}', '{{ x', '{% for m in messages %}{{ m }}', '{% set x = [1, ', '{% macro f(x) %}'])(
    'one that ends too early says so: %j',
    source => {
      expect(failure(() => new ChatTemplate(source, { specialTokens })).message).toMatch(
        /failed to compile: Unexpected end of input/,
      )
    },
  )

  test.each([
    ['{{ nothing + 1 }}'],
    ['{{ nothing() }}'],
    ['{{ messages | unheard_of }}'],
    ['{{ messages + 1 }}'],
    ['{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'],
    ['{% for m in 5 %}{% endfor %}'],
  ])('does not render: %s', source => {
    expect(failure(rendering(source)).message).toMatch(/failed to render: .*`chatTemplate`/)
  })

  test('raise_exception gives the message of the template', () => {
    const error = failure(() => make(inst).render([user('a'), user('b')], true))
    expect(error.message).toContain('Roles have to take turns')
    expect(error.details.templateMessage).toContain('Roles have to take turns')
    expect(failure(() => make(gemma).render([system('s'), user('b')], true)).message).toContain('no system role')
  })

  test('a template that always fails has no traits, and says why when used', () => {
    const template = new ChatTemplate('{{ raise_exception("never") }}', { specialTokens })
    expect(template.incremental).toBe(false)
    expect(template.rewritesReasoning).toBe(false)
    expect(template.renderSystem('s')).toBeUndefined()
    expect(failure(() => template.render([user('x')], true)).message).toContain('never')
  })
})

describe('hostile templates', () => {
  // Doubled that often, what begins with one character has more of them than memory could hold.
  const doubled = (start: string, times: number) =>
    `{% set ns = namespace(s=${start}) %}{% for i in range(${times}) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`
  /** A list of ten lists of ten lists each, and so on. */
  const nested = (levels: number) =>
    `{% set ns = namespace(l=['x']) %}{% for i in range(${levels}) %}{% set ns.l = [ns.l${', ns.l'.repeat(9)}] %}{% endfor %}`
  const manyNames = (count: number, name: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => name(i)).join(',')

  const tools_of = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i]))

  test.each([
    ['loops in loops', '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'],
    ['a huge range', '{% for a in range(1000000000) %}{% endfor %}'],
    ['a range that gets nowhere', '{% for a in range(2 ** 60, 2 ** 60 + 4000000) %}{% endfor %}'],
    ['a range without an end', '{% for a in range(10 ** 308 * 10) %}{% endfor %}'],
    [
      'endless macros',
      '{% macro f(n) %}{% for i in range(50) %}{{ f(n) if n < 3 else f(n) }}{% endfor %}{% endmacro %}{{ f(0) }}',
    ],
    ['doubling', `${doubled('"ab"', 100)}{{ ns.s }}`],
    ['doubling what is not written', `${doubled('"ab"', 100)}{{ ns.s | length }}`],
    ['doubling a list', `${doubled('[1]', 100)}{{ ns.s | length }}`],
    [
      'a slow comparison of everything',
      '{% for a in range(3000) %}{% for b in range(3000) %}{{ a * b }}{% endfor %}{% endfor %}',
    ],
    [
      'splitting what was doubled',
      "{% set ns = namespace(s='x,x,x,x,') %}{% for i in range(25) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s.split(',') | length }}",
    ],
    ['splitting it at white space', `${doubled('"x "', 19)}{{ ns.s.split() | length }}`],
    [
      'splitting by an alias',
      `${doubled('"x,"', 18)}{% set f = ns.s.split %}{% for i in range(9) %}{{ f(",") | length }}{% endfor %}`,
    ],
    [
      'splitting in a call block',
      `${doubled('"x,"', 18)}{% set f = ns.s.split %}{% for i in range(9) %}{% call f(",", -1) %}{% endcall %}{% endfor %}`,
    ],
    ['joining with something long', `${doubled('"x"', 15)}{{ range(9000) | join(ns.s) | length }}`],
    ['joining characters with something long', `${doubled('"x"', 15)}{{ ns.s | join(ns.s) | length }}`],
    ['replacing nothing with something long', `${doubled('"x"', 15)}{{ ns.s.replace("", ns.s) | length }}`],
    ['replacing by a filter', `${doubled('"x"', 15)}{{ ns.s | replace("x", ns.s) | length }}`],
    ['indenting much', '{{ "a\\nb" | indent(100000000) | length }}'],
    ['indenting many lines', `${doubled('"\\n"', 15)}{{ ns.s | indent(1000, true, true) | length }}`],
    ['JSON with a huge indent', '{{ messages | tojson(indent=100000000) | length }}'],
    ['JSON of lists in lists', `${nested(20)}{{ ns.l | tojson }}`],
    ['writing lists in lists', `${nested(20)}{{ ns.l }}`],
    ['lists in lists as text', `${nested(20)}{{ ns.l | string }}`],
    ['lists in lists joined to a text', `${nested(20)}{{ (ns.l ~ "") | length }}`],
    ['lists in lists added to a text', `${nested(20)}{{ (ns.l + "") | length }}`],
    ['lists in lists compared with others', `${nested(20)}{% set a = ns.l %}${nested(20)}{{ a == ns.l }}`],
    ['lists in lists put in order', `${nested(20)}{% set a = ns.l %}${nested(20)}{{ a < ns.l }}`],
    ['a text many times', '{{ ("ab" * 100000000) | length }}'],
    ['a list many times', '{{ ([1] * 100000000) | length }}'],
    ['filled up to much', '{{ "a".ljust(100000000) | length }}{{ "a".zfill(100000000) }}'],
    ['filled up again and again', '{% for i in range(90000) %}{% set x = "a".center(100000) %}{% endfor %}'],
    ['formatting with much', `${doubled('"{0}"', 15)}{{ ns.s.format(ns.s) | length }}`],
    ['formatting again and again', `${doubled('"{0}"', 14)}{% for i in range(90) %}{{ ns.s.format("") }}{% endfor %}`],
    ['lists in lists formatted', `${nested(20)}{{ "{}".format(ns.l) | length }}`],
    ['writing what is escaped', `${doubled('"\x01"', 18)}{{ [ns.s] | string | length }}`],
    [
      'a mapping written within others',
      `{% set ns = namespace(l={1: 2}) %}{% for i in range(40) %}{% set ns.l = {1: ns.l, 2: ns.l} %}{% endfor %}{{ ns.l }}`,
    ],
    ['stripping many characters', `${doubled('"x"', 18)}{% for i in range(90) %}{{ ns.s.strip(ns.s) }}{% endfor %}`],
    ['trimming over and over', `${doubled('" "', 19)}{% for i in range(1000) %}{{ ns.s | trim }}{% endfor %}`],
    [
      'splitting from the end',
      `${doubled('"x,"', 18)}{% for i in range(9) %}{{ ns.s.rsplit(",", 1) | length }}{% endfor %}`,
    ],
    ['lines of much', `${doubled('"\n"', 19)}{{ ns.s.splitlines() | length }}`],
    [
      'counting what is everywhere',
      `${doubled('"x"', 19)}{% for i in range(9000) %}{{ ns.s.count("xy") }}{% endfor %}`,
    ],
    ['joining by a method', `${doubled('"x"', 15)}{{ ns.s.join(range(9000)) | length }}`],
    [
      'looping through a long text',
      `${doubled('"x"', 19)}{% for i in range(9) %}{% for c in ns.s %}{% endfor %}{% endfor %}`,
    ],
    ['the last of a long text', `${doubled('"x"', 19)}{% for i in range(9000) %}{{ ns.s | last }}{% endfor %}`],
    ['lists within a list made unique', `{% for i in range(900) %}{{ range(900) | map("list") }}{% endfor %}`],
    [
      'unique lists',
      `{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = ns.l + [[i]] %}{% endfor %}{{ ns.l | unique | length }}`,
    ],
    ['mapping over and over', '{% for i in range(9000) %}{{ range(900) | map("string") | list | length }}{% endfor %}'],
    [
      'selecting over and over',
      '{% for i in range(9000) %}{{ range(900) | select("gt", 5) | list | length }}{% endfor %}',
    ],
    ['adding up over and over', '{% for i in range(9000) %}{{ range(900) | sum }}{% endfor %}'],
    [
      'the least of long texts',
      `${doubled('"x"', 19)}{% for i in range(9000) %}{{ [ns.s, ns.s ~ i] | min | length }}{% endfor %}`,
    ],
    ['counting words', `${doubled('"x "', 18)}{% for i in range(900) %}{{ ns.s | wordcount }}{% endfor %}`],
    [
      'pairs of large mappings',
      '{% for i in range(90000) %}{{ tools_of.items() | length }}{% for k in tools_of %}{% endfor %}{% endfor %}',
    ],
    [
      'a filter by a filter by a filter',
      `{{ messages | map("map", "map", "map") | list }}{% for i in range(900000) %}{{ [i] | map("abs") }}{% endfor %}`,
    ],
    [
      'text that is kept when a loop is left',
      `${doubled('"x"', 19)}{% for i in range(9) %}{{ ns.s }}{% continue %}{% endfor %}`,
    ],
    ['lists in lists joined', `${nested(20)}{{ ns.l | join(", ") | length }}`],
    ['JSON of itself', '{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns | tojson }}'],
    ['raising lists in lists', `${nested(20)}{{ raise_exception(ns.l) }}`],
    ['a range up to lists in lists', `${nested(20)}{{ range(ns.l) }}`],
    ['pairs of too many characters', `${doubled('"x"', 19)}{{ namespace([ns.s]) }}`],
    ['sorting again and again', '{% for i in range(1000) %}{% set x = range(10000) | sort %}{% endfor %}'],
    [
      'searching what is everywhere and nowhere',
      `${doubled('"x"', 19)}{% set m = ns.s[:200000] %}{{ (m ~ "y") in ns.s }}{{ ("y" ~ m) in ns.s }}`,
    ],
    [
      'comparing long texts',
      `${doubled('"x"', 19)}{% for i in range(100000) %}{{ (ns.s ~ i) == (ns.s ~ i) }}{% endfor %}`,
    ],
    ['long keys', `${doubled('"x"', 19)}{% for i in range(10000) %}{% set x = {ns.s ~ i: 1} %}{% endfor %}`],
    [
      'characters of ever new texts',
      `${doubled('"x"', 19)}{% for i in range(100000) %}{% set x = (ns.s ~ i)[0] %}{% endfor %}`,
    ],
    ['slices of long texts', `${doubled('"x"', 19)}{% for i in range(1000) %}{% set x = ns.s[1:] %}{% endfor %}`],
    ['cases of long texts', `${doubled('"x"', 19)}{% for i in range(1000) %}{% set x = ns.s | upper %}{% endfor %}`],
    ['tests of long texts', `${doubled('"x"', 19)}{% for i in range(1000) %}{% set x = ns.s is lower %}{% endfor %}`],
    [
      'macros with many parameters',
      `{% macro f(${manyNames(5_000, i => `a${i}`)}) %}{% endmacro %}{% for i in range(10000) %}{{ f() }}{% endfor %}`,
    ],
    [
      'a long macro defined over and over',
      `{% for i in range(10000) %}{% macro f() %}${'{{ 1 }}'.repeat(10_000)}{% endmacro %}{% endfor %}`,
    ],
    [
      'a long call block over and over',
      `{% macro g() %}{% endmacro %}{% for i in range(10000) %}{% call g() %}${'{{ 1 }}'.repeat(10_000)}{% endcall %}{% endfor %}`,
    ],
    ['dates over and over', '{% for i in range(100000) %}{{ strftime_now("%B %b") }}{% endfor %}'],
    ['a date of much', `${doubled('"%B"', 17)}{{ strftime_now(ns.s) | length }}`],
    ['many arguments', `${doubled('[1]', 17)}{% for i in range(100) %}{{ namespace(*ns.s) }}{% endfor %}`],
    ['jumps over and over', '{% for i in range(90000) %}{% for j in [1] %}{% break %}{% endfor %}{% endfor %}'],
  ])('%s', (_, source) => {
    // No time is measured: what is counted comes to the same on every machine.
    expect(failure(rendering(source, { variables: { tools_of } })).message).toMatch(
      /failed to render: .*`chatTemplate`/,
    )
  })

  test('says what was too much', () => {
    expect(
      failure(rendering('{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}')).details,
    ).toEqual({
      doing: 'render',
      exceeded: 'steps',
      limit: expect.any(Number),
    })
    const error = failure(rendering(`${doubled('"ab"', 100)}{{ ns.s }}`))
    expect(error.message).toContain('writes a text of more than the limit')
    expect(error.details.exceeded).toBe('characters')
  })

  test('one that is slow, yet within the limits, is not let go on for all that is to be found out about it', () => {
    const busy = `{% for a in range(2000) %}{{ '' }}{% endfor %}${chatml.source}`
    const template = make({ ...chatml, source: busy }, { limits: { steps: 50_000 } })
    expect(piecesText(template.render([user('x')], true))).toContain('x')
    expect(template.incremental).toBe(false)
    expect(make(chatml).incremental).toBe(true)
  })

  test('output beyond the limit, to which what is written by people adds', () => {
    const source = '{% for a in range(200) %}0123456789{% endfor %}'
    const written = 8 * ('x'.length + '<s>'.length)
    const limited = (size: number) => rendering(source, { bosToken: '<s>', limits: { size } })
    expect(failure(limited(1999 - written)).details).toEqual({ doing: 'render', exceeded: 'characters', limit: 1999 })
    expect(limited(2000 - written)()).toHaveLength(1)
  })

  test('a source beyond the limits', () => {
    expect(failure(() => new ChatTemplate('x'.repeat(250_001), { specialTokens })).details).toEqual({
      length: 250_001,
      limit: 250_000,
    })
    expect(failure(() => new ChatTemplate(`\n${' '.repeat(200_000)}x`, { specialTokens })).details).toEqual({
      whiteSpace: 200_001,
      limit: 1000,
    })
  })

  test.each([
    ['tags', '{{ 1 }}'.repeat(14_000)],
    ['sums', `{{ ${'1+'.repeat(100_000)}1 }}`],
    ['brackets', `{{ ${'['.repeat(200_000)}`],
    ['conditions', '{% if 1 %}'.repeat(20_000)],
    ['literals', `{{ ${Array.from({ length: 20_000 }, (_, i) => `"<|${i}" in "x"`).join(' or ')} }}`],
    ['one literal', `{{ "${'<|x'.repeat(80_000)}" in messages[0].content }}`],
    ['members', `{{ messages${'.x'.repeat(100_000)} }}`],
    ['generations', '{% generation %}'.repeat(10_000)],
    ['comments', '{#-'.repeat(60_000)],
  ])('a source that is nothing but %s is compiled and rendered, or refused', (_, source) => {
    const specialTokens = ['<s>', ...Array.from({ length: 1_000 }, (_, i) => `<|reserved_${i}|>`)]
    try {
      const template = new ChatTemplate(source, { specialTokens })
      expect(template.incremental).toBe(false)
      template.render([user('<|reserved_1|>')], true)
    } catch (error) {
      expect(error).toMatchObject({ code: 'TEMPLATE_FAILED' })
    }
  })

  test.each([
    ['"{0.constructor}".format("x")'],
    ['"{0[a]}".format({"a": 1})'],
    ['"{:>99999999}".format("x")'],
    ['messages | constructor'],
    ['messages | toString'],
    ['messages | map("constructor") | list'],
    ['messages | map("__proto__") | list'],
    ['messages | select("constructor") | list'],
    ['messages | selectattr("role", "valueOf") | list'],
    ['messages is hasOwnProperty'],
  ])('JavaScript is not in reach by names either: %s', expression => {
    expect(failure(rendering(`{{ ${expression} }}`)).message).toMatch(/failed to render: .*`chatTemplate`/)
  })

  test('what is named as JavaScript names its own is a key as any other', () => {
    const source =
      '{% set m = {"constructor": 1, "__proto__": 2} %}{{ m.constructor }}{{ m["__proto__"] }}{{ m.get("toString") }}' +
      '{{ [{"__proto__": 3}] | map(attribute="__proto__") | first }}{{ {} == {"__proto__": 1} }}{{ m | tojson }}'
    expect(piecesText(rendering(source)())).toBe('12None3False{"constructor": 1, "__proto__": 2}')
  })

  test('a machine that stands still meanwhile is not held against a template', () => {
    let stood = 0
    const template = make(
      { ...chatml, source: `{{ stand() }}${chatml.source}` },
      {
        variables: {
          stand: () => {
            const end = performance.now() + 1_500
            while (performance.now() < end);
            return stood++ < 0
          },
        },
      },
    )
    expect(piecesText(template.render([user('hello')], true))).toContain('hello')
    expect(stood).toBeGreaterThan(0)
  })

  test('nothing of JavaScript is in reach', () => {
    for (const path of [
      'messages.constructor',
      '"".constructor',
      'raise_exception.constructor',
      'messages.__proto__',
      'process',
      'globalThis',
      'work',
      '"x".__class__',
      '"x"["constructor"]',
      '{}.constructor',
      '{}["__proto__"]',
      '{"a": 1}.toString',
      'loop.constructor',
      '"x".strip.constructor',
      '[].map',
      '"{}".format.__globals__',
    ]) {
      expect(piecesText(rendering(`{{ "none" if ${path} is undefined else "some" }}`)())).toBe('none')
    }
  })
})

describe('messages', () => {
  test.each([['user<|im_end|>'], [''], ['a b'], ['ä'], ['user\n'], ['x'.repeat(65)], [5 as unknown as string]])(
    'role %j is refused',
    role => {
      expect(thrown(() => make(chatml).render([{ role, content: 'x' }], true))).toMatchObject({
        code: 'INVALID_OPTION',
        details: { message: 0 },
      })
      expect(thrown(() => make(chatml).continueTurn([{ role, content: 'x' }]))).toMatchObject({
        code: 'INVALID_OPTION',
      })
    },
  )

  test('contents must be strings', () => {
    expect(
      thrown(() => make(chatml).render([{ role: 'user', content: ['x'] as unknown as string }], true)),
    ).toMatchObject({ code: 'INVALID_OPTION' })
    expect(thrown(() => make(chatml).render([undefined as never], true))).toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('so many that no text of them could be tokenized are no fault of the template', () => {
    const content = 'x'.repeat(2 ** 20)
    const history = Array.from({ length: 600 }, () => user(content)) // more than a string can hold
    expect(thrown(() => make(chatml).render(history, true))).toMatchObject({
      code: 'TEXT_TOO_LONG',
      details: { message: 64, limit: 64 * 2 ** 20 },
    })
    expect(thrown(() => make(chatml).continueTurn(history))).toMatchObject({ code: 'TEXT_TOO_LONG' })
    expect(make(chatml).render(history.slice(0, 20), true)).toHaveLength(1)
  })

  test('tools are none and dates are there', () => {
    const text = piecesText(make(headers).render([user('x')], true))
    expect(text).not.toContain('Environment')
    expect(text).toContain(`It is ${new Date().getFullYear()}.`)
  })
})

describe('cost', () => {
  // A ratio within one run: what else the machine does meets both sides.
  test('a turn costs the same with 20,000 special tokens as with one', () => {
    const few = make(chatml, { specialTokens: ['<|im_end|>'] })
    const many = make(chatml, {
      specialTokens: ['<|im_end|>', ...Array.from({ length: 20_000 }, (_, i) => `<|reserved_${i}|>`)],
    })
    const timed = (template: ChatTemplate, i: number) => {
      const start = performance.now()
      template.continueTurn([user(`What about ${i}? And <|im_end|> here, please.`)])
      return performance.now() - start
    }
    for (let i = 0; i < 50; i++) for (const each of [few, many]) timed(each, i)
    const ratios = Array.from({ length: 101 }, (_, i) => timed(many, i) / timed(few, i)).sort((a, b) => a - b)
    expect(ratios[50]).toBeLessThan(3)
  })

  test('a long history is rendered in whole', () => {
    const messages = Array.from({ length: 5000 }, (_, i) => [user(`q${i}`), assistant(`a${i}`)]).flat()
    expect(make(chatml).render(messages, true)).toHaveLength(1)
  })

  test('long messages are rendered, by templates that look through them', () => {
    const paragraph = 'A line of some words, and what there is to say.\n'
    const messages = [
      user(paragraph.repeat(40_000)),
      assistant(`<think>${paragraph.repeat(20_000)}</think>${paragraph}`),
      user('x'),
    ]
    for (const sample of [chatml, headers, inst, reasoning, json, cleaning]) {
      expect(piecesText(make(sample).render(messages, true)).length).toBeGreaterThan(1_900_000)
    }
  })

  test('many tools are rendered', () => {
    const parameters = {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [`p${i}`, { type: 'string', description: 'What it is.' }]),
      ),
    }
    const tools = Array.from({ length: 300 }, (_, i) => ({
      type: 'function',
      function: { name: `tool_${i}`, description: 'Does it.', parameters },
    }))
    const source = `{% for t in tools %}{{ t.function | tojson(indent=4) }}{% for n, p in t.function.parameters.properties.items() %}{{ n ~ p.type ~ p.description }}{% endfor %}{% endfor %}${chatml.source}`
    expect(
      piecesText(make({ ...chatml, source }, { variables: { tools } }).render([user('x')], true)).length,
    ).toBeGreaterThan(300_000)
  })

  test('jinja has the methods that its work is counted by', () => {
    for (const name of hookedMethods) expect(Interpreter.prototype).toHaveProperty(name, expect.any(Function))
  })
})
