import { judge } from './judge.js'

const samples = [
  null,
  true,
  false,
  0,
  -1,
  7,
  2.5,
  1e30,
  '',
  'a',
  'true',
  [],
  [1],
  [null, 'a'],
  {},
  { a: 1 },
  { a: { b: [] } },
]

describe('type', () => {
  test.each(['null', 'boolean', 'number', 'string', 'array', 'object'])('%s', type => {
    judge({ type }).expectSound().expectExact(samples)
  })

  test('integer', () => {
    judge({ type: 'integer' })
      .expectSound()
      .expectExact(samples.filter(value => value !== 1e30))
  })

  test('several, with null', () => {
    judge({ type: ['string', 'null'] })
      .expectSound()
      .expectExact(samples)
    judge({ type: ['integer', 'array'] })
      .expectSound()
      .expectExact(samples.filter(value => value !== 1e30))
    judge({ type: ['integer', 'number'] })
      .expectSound()
      .expectExact(samples)
  })

  test('one that is missing is that of the keywords', () => {
    judge({ minLength: 1 }).expectSound().expectAccepts('a').expectRefuses('').expectRefusesTexts('5', 'null')
    judge({ minimum: 3, maxItems: 1 })
      .expectSound()
      .expectAccepts(3, [], [1])
      .expectRefuses(2, [1, 2])
      .expectRefusesTexts('""')
    judge({ type: ['string', 'object'], minLength: 1 })
      .expectSound()
      .expectAccepts('a', {})
      .expectRefuses('', 5)
  })
})

describe('enum and const', () => {
  const values = [
    'red',
    'green',
    'grey',
    'gr',
    '',
    5,
    -2.5,
    1e21,
    true,
    null,
    [1, { a: 'b' }],
    { 'a "b"': ['\n', '\ud83d\ude00', 'ä', '\u2028'] },
    '\\',
    '^',
    ']',
    '-',
    '\x7f',
    '\0',
    '__proto__',
  ]

  test('exactly the values', () => {
    judge({ enum: values })
      .expectSound()
      .expectExact([...values, ...samples, 'gre', 'reds', 'g'])
    for (const value of values)
      judge({ const: value })
        .expectSound(3)
        .expectExact([...values, ...samples])
  })

  test('beginnings of each other', () => {
    const nested = Array.from({ length: 120 }, (_, i) => 'a'.repeat(i))
    judge({ enum: nested })
      .expectSound()
      .expectExact([...nested, 'a'.repeat(120), 'b', 'ab'])
    judge({ enum: [1, 12, 123, 1234] })
      .expectSound()
      .expectExact([1, 12, 123, 1234, 12345, 2])
    judge({ enum: ['\ud83d\ude00', '\ud83d\ude01', '\ud83d'] })
      .expectSound(20)
      .expectAccepts('\ud83d\ude00', '\ud83d\ude01', '\ud83d')
  })

  test('a value twice', () => {
    const { text } = judge({ enum: ['a', { b: 1, c: 2 }, 'a', { c: 2, b: 1 }] }).expectSound(20)
    expect(text).toBe('root ::= answer\nanswer ::= "\\"a\\"" | "{\\"b\\":1,\\"c\\":2}"\n')
  })

  test('with other keywords', () => {
    judge({ type: 'string', enum: ['a', 1, null] })
      .expectSound(20)
      .expectExact(['a', 1, null])
    judge({ type: ['integer', 'null'], enum: [1, 1.5, null, 'a'] })
      .expectSound(20)
      .expectExact([1, 1.5, null, 'a'])
    judge({ enum: [1, 2, 3, 4, 'a'], minimum: 2, exclusiveMaximum: 4 })
      .expectSound(20)
      .expectExact([1, 2, 3, 4, 'a'])
    judge({ enum: ['', 'a', 'ab', '\ud83d\ude00', 'abc', 7], minLength: 1, maxLength: 2 })
      .expectSound(20)
      .expectExact(['', 'a', 'ab', '\ud83d\ude00', 'abc', 7])
    judge({ enum: [1, 2, 3], const: 2 })
      .expectSound(5)
      .expectExact([1, 2, 3])
    judge({ enum: [[1], 'a'], minLength: 1 })
      .expectSound(5)
      .expectExact([[1], 'a', ''])
  })

  test('a thousand values leave few ways open', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `value-${i}`)
    const { text } = judge({ enum: many })
      .expectSound(200)
      .expectAccepts(...many.slice(0, 50))
      .expectRefuses('value-1000')
    expect(text).toMatch(/"\\"value-" answer/)
    expect(text.match(/value-/g)).toHaveLength(1)
  })
})

describe('any value', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 'x' : [nested(depth - 1)])
  const nestedObject = (depth: number): unknown => (depth === 0 ? 1 : { 'a "key"': nestedObject(depth - 1) })

  test.each([
    [true],
    [{}],
    [
      {
        title: 'anything',
        description: 'x',
        default: 1,
        examples: [2],
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: 'y',
        $comment: 'z',
        deprecated: true,
        readOnly: true,
        writeOnly: true,
      },
    ],
  ])('%j', schema => {
    judge(schema)
      .expectSound()
      .expectAccepts(...samples, nested(5), nestedObject(5), [[], {}, [1, [2]], { a: [{ b: null }], c: true }])
    judge(schema).expectRefusesTexts(
      JSON.stringify(nested(6)),
      JSON.stringify(nestedObject(6)),
      '',
      ' 1',
      '1 ',
      '[1,]',
      '[,1]',
      '{"a"}',
      '[1  ,2]',
      '{"a":  1}',
      '01',
      '.5',
      '1.',
      '+1',
      '-',
      'nul',
      '"\t"',
      '"a',
      "'a'",
      '"\\x"',
      '"\\u12"',
    )
    judge(schema).expectAcceptsTexts('[1, 2]', '{"a": 1, "b":2}', '"\\u00e4\\/\\b"')
  })

  test('an object and an array of anything', () => {
    judge({ type: 'object' })
      .expectSound()
      .expectAccepts({}, { a: nested(5) }, { a: 1, b: 'c' })
    judge({ type: 'array' })
      .expectSound()
      .expectAccepts([], [1, 'a', nested(5)])
  })
})
