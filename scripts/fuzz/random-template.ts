import type { SeededRandom } from '../../test/tools/tiny-random.js'

const names = [
  'x',
  'y',
  'ns',
  'messages',
  'm',
  'tools',
  'bos_token',
  'loop',
  'f',
  'add_generation_prompt',
  'nothing',
  'namespace',
  'range',
  'strftime_now',
  'raise_exception',
  'varargs',
  'kwargs',
  'caller',
]
const members = [
  'content',
  'role',
  's',
  'l',
  'items',
  'keys',
  'values',
  'get',
  'split',
  'strip',
  'lstrip',
  'rstrip',
  'upper',
  'lower',
  'title',
  'capitalize',
  'startswith',
  'endswith',
  'replace',
  'length',
  'index0',
  'last',
  'dictsort',
  'previtem',
  '0',
]
const filters = [
  'length',
  'join',
  'join(x)',
  'join(", ")',
  'tojson',
  'tojson(indent=2)',
  'tojson(indent=y)',
  'tojson(ensure_ascii=true, sort_keys=true)',
  'string',
  'list',
  'first',
  'last',
  'reverse',
  'sort',
  'sort(attribute="content")',
  'sort(true)',
  'unique',
  'map(attribute="content")',
  'selectattr("role")',
  'rejectattr("role", "equalto", "user")',
  'items',
  'dictsort',
  'trim',
  'upper',
  'lower',
  'title',
  'capitalize',
  'int',
  'float',
  'abs',
  'default("x", true)',
  'indent',
  'indent(y)',
  'indent(200, true, true)',
  'replace("x", y)',
  'replace("", x)',
  'safe',
  'bool',
  'unheard_of',
]
const tests = [
  'defined',
  'none',
  'string',
  'number',
  'iterable',
  'mapping',
  'lower',
  'upper',
  'odd',
  'even',
  'true',
  'sequence',
  'callable',
  'boolean',
  'unheard_of',
]
const numbers = [
  '0',
  '1',
  '2',
  '-1',
  '3',
  '10',
  '100',
  '1000',
  '100000',
  '1000000000',
  '1e5',
  '0.5',
  '9007199254740993',
  '9'.repeat(400),
]
const texts = [
  "'x'",
  "'x,x,'",
  "''",
  "' '",
  "'<|im_end|>'",
  "'</think>'",
  "'\\n'",
  "'ab'",
  "'%B %d'",
  "'\\u0130'",
  "'{}'",
]

/** What fits whatever it is applied to, so that most of a program is run to its end. */
const calmNames = ['x', 'y', 'bos_token', 'ns.s', 'messages[0].content', 'm']
const calmFilters = [
  'string',
  'string | length',
  'tojson',
  'string | upper',
  'string | trim',
  'default("x", true)',
  'string | title',
  'string | replace("x", "yy")',
  'string | list | join("-")',
  'string | list | unique | first',
  'tojson(indent=2)',
  'string | indent(3)',
]

/**
 * A template that is right by the grammar of templates, does much, and means nothing. Half of them do little that
 * cannot be done.
 */
export function randomTemplate(random: SeededRandom): string {
  const calm = random.integer(2) === 0
  const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)]!
  const chance = (probability: number): boolean => random.uniform() < probability

  const expression = (depth: number): string => {
    if (depth <= 0 || chance(0.25))
      return pick([
        () => pick(names),
        () => pick(numbers),
        () => pick(texts),
        () => 'ns.s',
        () => 'ns.l',
        () => 'messages[0].content',
      ])()
    const inner = () => expression(depth - 1)
    if (calm && chance(0.97)) {
      return pick([
        () => pick(calmNames),
        () => pick(texts),
        () => `(${inner()} ~ ${inner()})`,
        () => `(${inner()} | ${pick(calmFilters)})`,
        () => `(${inner()} ${pick(['==', '!='])} ${inner()})`,
        () => `(${inner()} ${pick(['and', 'or'])} ${inner()})`,
        () => `(${inner()} if ${inner()} else ${inner()})`,
        () => `(${inner()} is ${pick(['defined', 'none', 'string', 'mapping'])})`,
        () => `f(${inner()})`,
        () => `[${inner()}, ${inner()}][${pick(['0', '-1'])}]`,
        () => `(${inner()} | string)[${pick(['1:', ':3', '::-1', ':-1'])}]`,
        () => `(not ${inner()})`,
        () =>
          `(${inner()} | string).${pick(['split(",")', 'strip()', 'startswith("x")', 'upper()', 'replace("a", "b")'])}`,
      ])()
    }
    return pick([
      () =>
        `(${inner()} ${pick(['+', '~', '-', '*', '/', '//', '%', '**', '==', '!=', '<', '>', '>=', 'in', 'not in', 'and', 'or', '~', '+'])} ${inner()})`,
      () => `(${inner()} | ${pick(filters)})`,
      () => `${inner()} | ${pick(filters)}`,
      () => `(${inner()}).${pick(members)}`,
      () => `(${inner()}).${pick(members)}(${chance(0.5) ? inner() : ''}${chance(0.2) ? `, ${inner()}` : ''})`,
      () => `(${inner()})[${inner()}]`,
      () =>
        `(${inner()})[${chance(0.5) ? inner() : ''}:${chance(0.5) ? inner() : ''}${chance(0.3) ? `:${inner()}` : ''}]`,
      () => `(${inner()} is ${chance(0.3) ? 'not ' : ''}${pick(tests)})`,
      () => `(${inner()} if ${inner()} else ${inner()})`,
      () => `[${Array.from({ length: random.integer(4) }, inner).join(', ')}]`,
      () => `{${chance(0.5) ? `${pick(texts)}: ${inner()}` : `(${inner()}): ${inner()}`}}`,
      () => `range(${inner()}${chance(0.3) ? `, ${inner()}` : ''})`,
      () =>
        `${pick(names)}(${chance(0.7) ? inner() : ''}${chance(0.2) ? `, y=${inner()}` : ''}${chance(0.1) ? `, *${inner()}` : ''})`,
      () => `namespace(${chance(0.5) ? inner() : `s=${inner()}`})`,
      () => `-${inner()}`,
      () => `not ${inner()}`,
    ])()
  }
  const tag = (text: string): string => `{%${chance(0.3) ? '-' : ''} ${text} ${chance(0.3) ? '-' : ''}%}`
  const block = (depth: number): string =>
    Array.from({ length: 1 + random.integer(3) }, () => statement(depth)).join('')
  const statement = (depth: number): string => {
    if (depth <= 0) return pick([() => `{{ ${expression(2)} }}`, () => 'text ', () => '<|im_end|>'])()
    const body = () => block(depth - 1)
    return pick([
      () => `{{ ${expression(3)} }}`,
      () => `{{ ${expression(3)} }}`,
      () => tag(`set ${pick(['x', 'y', 'ns.s', 'ns.l', 'ns.s'])} = ${expression(3)}`),
      () => tag(`set ns.s = ns.s ${pick(['+', '~'])} ${pick(['ns.s', 'x', 'ns.l'])}`),
      () =>
        tag(
          `set ns.l = ${pick(['ns.l + ns.l', '[ns.l, ns.l]', 'ns.l + [ns]', '[ns.s] + ns.l', '{"a": ns.l, "b": ns.l}'])}`,
        ),
      () =>
        `${tag(`for ${pick(['m', 'x', 'x, y'])} in ${pick([expression(2), 'messages', chance(0.2) ? 'range(2000)' : 'range(4)', 'ns.l', 'messages if m.role'])}`)}${body()}${tag('endfor')}`,
      () => `${tag(`for i in range(${chance(0.2) ? 40 : 3})`)}${body()}${tag('endfor')}`,
      () => `${tag(`if ${expression(2)}`)}${body()}${chance(0.5) ? `${tag('else')}${body()}` : ''}${tag('endif')}`,
      () =>
        `${tag(`macro f(x${chance(0.5) ? ', y=1' : ''})`)}${body()}${chance(0.3) ? '{{ f(x) }}' : ''}${tag('endmacro')}{{ f(${expression(1)}) }}`,
      () => `${tag('call f(1)')}${body()}${tag('endcall')}`,
      () => `${tag(`filter ${pick(filters)}`)}${body()}${tag('endfilter')}`,
      () => `${tag('set x')}${body()}${tag('endset')}`,
      () => tag(pick(['break', 'continue'])),
      () => '{# a remark #}',
    ])()
  }
  const beginning =
    "{% set ns = namespace(s='x,', l=[1, 'x']) %}{% set x = 'x,' %}{% set y = 3 %}{% macro f(x, y=2) %}{{ x }}{% endmacro %}"
  return beginning + Array.from({ length: 1 + random.integer(4) }, () => statement(3)).join('')
}
