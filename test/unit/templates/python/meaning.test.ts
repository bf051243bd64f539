import { CompiledTemplate } from '../../../../lib/templates/compiled-template.js'

const render = (source: string) =>
  new CompiledTemplate(source, { bosToken: '', eosToken: '' }).render([], false, { d: { items: 1, b: 2 } })

// The second of each pair is what Python's jinja2 3.1 writes, with the filter tojson that transformers has.
test.each([
  ["{{ {0: 'a', 512: 'b'}[512] }}{{ {1: 2}.get(1) }}{{ {1: 2} }}", 'b2{1: 2}'],
  ["{% for k, v in {0: 'a', 5: 'b'} | dictsort %}{{ k + 1 }}{{ v }}{% endfor %}", '1a6b'],
  ["{% for k in {3: 1} %}{{ k * 2 }}{% endfor %}{{ 3 in {3: 1} }}{{ '3' in {3: 1} }}", '6TrueFalse'],
  [
    "{{ '<a{}>{0}'.replace('{0}', '').format('b') }}{{ '{1}{0}{{}}'.format('a', 'b') }}{{ '{x!r}-{x}'.format(x='it') }}",
    "<ab>ba{}'it'-it",
  ],
  [
    "{{ none | selectattr('a') | list }}{{ none | map('upper') | list }}{{ nothing | selectattr('a') | list }}",
    '[][][]',
  ],
  [
    "[{{ nothing | trim }}{{ nothing | upper }}{{ nothing | replace('a', 'b') }}{{ nothing | length }}{{ nothing | list }}{{ nothing | join(',') }}]",
    '[0[]]',
  ],
  ['{{ none | trim }}{{ none | string }}{{ 5 | trim }}{{ none | upper }}{{ true | string }}', 'NoneNone5NONETrue'],
  ["{{ {'a': [1, 2.0, 'x', none, true], 'b': {}} | string }}", "{'a': [1, 2.0, 'x', None, True], 'b': {}}"],
  [
    "{{ d.items() | list }}{{ d['items'] }}{{ d.items | default('x') is callable }}{{ d | items | list }}",
    "[('items', 1), ('b', 2)]1True[('items', 1), ('b', 2)]",
  ],
  ['{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}', 'items=1;b=2;'],
  [
    "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}",
    '12;34;xy;6',
  ],
  [
    "{{ [3, 1, 2] | min }}{{ ['b', 'A'] | min }}{{ ['b', 'A'] | max }}{{ [] | min is defined }}{{ [{'n': 4}, {'n': 2}] | min(attribute='n') }}",
    "1AbFalse{'n': 2}",
  ],
  [
    "{{ ['a'] }}{{ ['it\\'s', '\"'] }}{{ (1, 'b') }}{{ [\"it's \\\"x\\\"\"] }}{{ ['a\\n\\t\\\\'] }}",
    "['a'][\"it's\", '\"'](1, 'b')['it\\'s \"x\"']['a\\n\\t\\\\']",
  ],
  [
    "{{ '' != false }}{{ '' == false }}{{ 0 == false }}{{ 1 == true }}{{ 1 == 1.0 }}{{ '1' == 1 }}{{ none == false }}{{ [] == [] }}{{ [1, {'a': 2}] == [1, {'a': 2}] }}{{ [1, 2] == (1, 2) }}{{ {} == {} }}",
    'TrueFalseTrueTrueTrueFalseFalseTrueTrueFalseTrue',
  ],
  [
    "{{ none in [none] }}{{ [1] in [[1], 2] }}{{ 'a' in {'a': 1} }}{{ 'a' in nothing }}{{ 2 not in [1] }}{{ 'b' in 'abc' }}",
    'TrueTrueTrueFalseTrueTrue',
  ],
  [
    "{{ none }}{{ true }}{{ 1.0 }}{{ 0.00001 }}{{ 1.5 }}{{ nothing }}{{ {'a': none} }}{{ -0.5 }}{{ 100000000000000000000.0 }}",
    "NoneTrue1.01e-051.5{'a': None}-0.51e+20",
  ],
  ["{{ 'x' ~ none ~ true ~ [1] ~ nothing ~ 1.0 }}", 'xNoneTrue[1]1.0'],
  [
    "{{ 'a,b,,c'.split(',') }}{{ 'a,b,c'.split(',', 1) }}{{ ' a  b c '.split() }}{{ ' a  b c '.split(none, 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ ' a b  c '.rsplit(none, 1) }}{{ 'abc'.split('x') }}{{ 'a,b,c'.split(',', maxsplit=1) }}",
    "['a', 'b', '', 'c']['a', 'b,c']['a', 'b', 'c']['a', 'b c ']['a,b', 'c'][' a b', 'c']['abc']['a', 'b,c']",
  ],
  [
    "{{ '\\n\\nxx \\n'.lstrip('\\n') }}|{{ 'xyax'.strip('xy') }}|{{ 'ab '.rstrip('b') }}|{{ '  a '.strip() }}|{{ ' a'.lstrip(' a') }}|{{ '--a-' | trim('-') }}",
    'xx \n|a|ab |a||a',
  ],
  [
    "{{ 'a-b-c'.partition('-') }}{{ 'a-b-c'.rpartition('-') }}{{ 'abc'.partition('-') }}{{ 'abc'.rpartition('-') }}",
    "('a', '-', 'b-c')('a-b', '-', 'c')('abc', '', '')('', '', 'abc')",
  ],
  [
    "{{ 'abcabc'.find('c') }}{{ 'abcabc'.rfind('c') }}{{ 'abc'.find('x') }}{{ 'aaaa'.count('aa') }}{{ 'abc'.count('') }}",
    '25-124',
  ],
  [
    "{{ 'aaa'.replace('a', 'b', 2) }}{{ 'ab'.replace('', '-') }}{{ 'ab'.replace('', '-', 1) }}{{ 'aaa' | replace('a', '$&', 1) }}{{ 'aaa' | replace('a', '$&') }}",
    'bba-a-b--ab$&aa$&$&$&',
  ],
  [
    "{{ 'ab\\ncd\\r\\n\\nx'.splitlines() }}{{ 'ab\\ncd\\n'.splitlines(true) }}{{ ''.splitlines() }}{{ '\\n'.splitlines() }}",
    "['ab', 'cd', '', 'x']['ab\\n', 'cd\\n'][]['']",
  ],
  [
    "{{ ', '.join(['a', 'b']) }}{{ '-'.join('abc') }}{{ 'ab'.removeprefix('a') }}{{ 'ab'.removesuffix('b') }}{{ 'ab'.removesuffix('') }}",
    'a, ba-b-cbaab',
  ],
  [
    "{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '-') }}|{{ 'a'.center(4, '-') }}|{{ 'ab'.center(5, '-') }}|{{ 'a'.center(3, '-') }}|{{ '-5'.zfill(4) }}|{{ 'abc'.zfill(2) }}",
    'a  |--a|-a--|--ab-|-a-|-005|abc',
  ],
  [
    "{{ 'hello wORLD it\\'s'.title() }}|{{ 'hELLO' | capitalize }}|{{ 'hello-wORLD it\\'s (x' | title }}|{{ 'aB'.swapcase() }}|{{ ''.capitalize() }}",
    "Hello World It'S|Hello|Hello-World It's (X|Ab|",
  ],
  [
    "{{ 'a1'.isalnum() }}{{ '12'.isdigit() }}{{ ''.isdigit() }}{{ 'ab'.isalpha() }}{{ ' '.isspace() }}{{ 'A1'.isupper() }}{{ 'a1'.islower() }}{{ '1'.islower() }}{{ 'aB'.islower() }}",
    'TrueTrueFalseTrueTrueTrueTrueFalseFalse',
  ],
  ["{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('bc') }}{{ 'abc'.startswith('') }}", 'TrueTrueTrue'],
  [
    "{{ 'ab' * 3 }}{{ [1] * 2 }}{{ 2 * 'x' }}{{ 7 % 3 }}{{ -7 % 3 }}{{ 7.5 % 2 }}{{ 'a' * -1 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ 4 / 2 }}",
    'ababab[1, 1]xx121.53-42.0',
  ],
  ["{{ 'a' < 'b' }}{{ [1, 2] < [1, 3] }}{{ 2 >= 2.0 }}{{ 'b' <= 'a' }}{{ (1, 2) > (1, 1) }}", 'TrueTrueTrueFalseTrue'],
  ["{{ [1] + [2] }}{{ (1, 3) + (2, 4) }}{{ 'a' + 'b' }}", '[1, 2](1, 3, 2, 4)ab'],
  [
    "{{ {} is iterable }}{{ nothing is iterable }}{{ true is number }}{{ 1 is number }}{{ 1.5 is float }}{{ true is integer }}{{ (1, 2) is sequence }}{{ {} is mapping }}{{ 'a' is lower }}{{ '1' is lower }}{{ none is none }}{{ 3 is odd }}",
    'TrueTrueTrueTrueTrueFalseTrueTrueTrueFalseTrueTrue',
  ],
  [
    "{{ ['a', 'b', 'a'] | unique | list }}{{ ['a', 'A'] | unique | list }}{{ [1, true, 2] | unique | list }}",
    "['a', 'b']['a'][1, 2]",
  ],
  [
    "{{ [1, 2, 3, 4] | select('even') | list }}{{ [1, 2, 3] | reject('gt', 1) | list }}{{ [0, 1, ''] | select | list }}{{ ['a', 'b'] | select('in', ['a']) | list }}",
    "[2, 4][1][1]['a']",
  ],
  [
    "{{ [{'a': 1}, {'a': none}, {}] | selectattr('a') | list }}{{ [{'a': {'b': 1}}, {'a': {}}] | selectattr('a.b', 'eq', 1) | list }}{{ [{'a': 1}, {}] | rejectattr('a', 'defined') | list }}{{ [{'a': 1}, {}] | selectattr('a', 'undefined') | list }}",
    "[{'a': 1}][{'a': {'b': 1}}][{}][{}]",
  ],
  [
    "{{ ['a', 'b'] | map('upper') | join('') }}{{ [{'a': 1}] | map(attribute='a') | list }}{{ [{}] | map(attribute='a', default=5) | list }}{{ ['a-b'] | map('replace', '-', '+') | list }}{{ [[1, 2]] | map('first') | list }}{{ [[1, 2]] | map(attribute=1) | list }}",
    "AB[1][5]['a+b'][1][2]",
  ],
  [
    "{{ ['b', 'A', 'c'] | sort }}{{ ['b', 'A'] | sort(case_sensitive=true) }}{{ [2, 1] | sort(reverse=true) }}{{ [{'n': 2}, {'n': 1}] | sort(attribute='n') }}{{ {'b': 1, 'A': 2} | dictsort }}{{ {'b': 1, 'a': 2} | dictsort(false, 'value') }}",
    "['A', 'b', 'c']['A', 'b'][2, 1][{'n': 1}, {'n': 2}][('A', 2), ('b', 1)][('b', 1), ('a', 2)]",
  ],
  [
    "{{ 'abc' | list }}{{ {'a': 1} | list }}{{ 'abc' | first }}{{ 'abc' | last }}{{ 'abc' | reverse }}{{ [1, 2] | reverse | list }}{{ {'a': 1} | first }}{{ {'a': 1, 'b': 2} | join('+') }}{{ [1, none, true] | join('/') }}",
    "['a', 'b', 'c']['a']accba[2, 1]aa+b1/None/True",
  ],
  [
    "{{ '42' | int }}{{ 'x' | int }}{{ 'x' | int(7) }}{{ '4.7' | int }}{{ 4.7 | int }}{{ -4.7 | int }}{{ '1.5' | float }}{{ none | int }}{{ 'x' | float }}{{ '12abc' | int }}{{ true | int }}",
    '420744-41.500.001',
  ],
  [
    "{{ [1, 2.5] | sum }}{{ [1, 2] | sum }}{{ [{'n': 2}] | sum(attribute='n') }}{{ -3 | abs }}{{ 2.5 | round }}{{ 2.567 | round(2) }}{{ 2.1 | round(0, 'ceil') | int }}{{ 'a b c' | wordcount }}{{ [1, 2] | count }}",
    '3.53232.02.57332',
  ],
  [
    "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(width=1, blank=true) }}|{{ 'a\\nb' | indent('> ') }}",
    'a\n    b\n\n    c|  a\n  b|a\n \n b|a\n> b',
  ],
  [
    "{{ {'b': 1, 'a': [1, '\u00e4\"\\n', 1.0, 0.0000001, none, true]} | tojson }}{{ '\u00e4\\x7f' | tojson(ensure_ascii=true) }}",
    '{"b": 1, "a": [1, "\u00e4\\"\\n", 1.0, 1e-07, null, true]}"\\u00e4\\u007f"',
  ],
  [
    "{{ {'b': {}, 'a': [], 'c': [1, {'x': 2}]} | tojson(indent=2) }}{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}{{ [1, 2] | tojson(separators=(',', ':')) }}{{ {1: 2} | tojson }}{{ (1, 2) | tojson }}{{ [1] | tojson(indent=0) }}{{ [1] | tojson(true, 2) }}",
    '{\n  "b": {},\n  "a": [],\n  "c": [\n    1,\n    {\n      "x": 2\n    }\n  ]\n}{"a": 2, "b": 1}[1,2]{"1": 2}[1, 2][\n1\n][\n  1\n]',
  ],
  [
    "{{ nothing | default('d') }}{{ none | default('d') }}{{ none | default('d', true) }}{{ '' | d('e', boolean=true) }}{{ nothing | d }}",
    'dNonede',
  ],
  [
    '{% for i in [1, 2, 3] %}{% if x is defined %}S{% endif %}{% set x = i %}{{ x }}{% endfor %}{{ x is defined }}',
    '123False',
  ],
  [
    '{% for i in [1, 2, 3] %}a{{ i }}{% if i == 2 %}b{% break %}{% endif %}c{% endfor %}|{% for i in [1, 2] %}a{% continue %}b{% else %}none{% endfor %}|{% for i in [] %}x{% else %}none{% endfor %}',
    'a1ca2b|aanone|none',
  ],
  [
    "{% for i in [1, 2, 3, 4] if i is even %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }};{% endfor %}",
    '1False24a;2True22b;',
  ],
  [
    "{% for c in '\u00e4b' %}{{ c }},{% endfor %}{% for x in nothing %}y{% endfor %}{% set a, b = (1, 2) %}{{ a }}{{ b }}",
    '\u00e4,b,12',
  ],
  ["{% set ns = namespace(a=1) %}{{ ns }}{% set ns.a = 'b' %}{{ ns.a }}", "<Namespace {'a': 1}>b"],
  [
    "{{ 'abc'[1:] }}{{ 'abc'[-1] }}{{ [1, 2, 3][::-1] }}{{ 'abc'[::-1] }}{{ [1, 2][5] is defined }}{{ (1, 2, 3)[:2] | list }}",
    'bcc[3, 2, 1]cbaFalse[1, 2]',
  ],
])('as Python: %s', (source, expected) => {
  expect(render(source)).toBe(expected)
})
