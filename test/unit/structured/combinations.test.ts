import { expectRefusal, judge } from './judge.js'

const integer = { type: 'integer' }
const string = { type: 'string' }
const samples = [
  null,
  true,
  0,
  5,
  11,
  2.5,
  '',
  'a',
  'abc',
  [],
  [1],
  {},
  { a: 1 },
  { a: 'x' },
  { b: 1 },
  { a: 1, b: 2 },
  { kind: 'x', a: 1 },
  { kind: 'y', b: 'z' },
  { kind: 'x' },
  { kind: 'z' },
]

describe('anyOf', () => {
  test('of types', () => {
    judge({ anyOf: [string, { type: 'null' }, { ...integer, minimum: 5 }] })
      .expectSound()
      .expectExact(samples)
    judge({ anyOf: [{ const: 'a' }] })
      .expectSound(5)
      .expectExact(samples)
  })

  test('with keywords beside it', () => {
    judge({
      type: ['string', 'integer'],
      anyOf: [
        { minimum: 3, type: 'number' },
        { type: ['string', 'null'], minLength: 2 },
      ],
    })
      .expectSound()
      .expectExact(samples)
    judge({ maximum: 10, anyOf: [integer, string], minLength: 1 })
      .expectSound()
      .expectExact(samples)
    const object = { type: 'object', properties: { a: integer, b: integer }, additionalProperties: false }
    judge({ ...object, anyOf: [{ required: ['a'] }, { required: ['b'] }] })
      .expectSound()
      .expectExact(samples)
  })

  test('within each other', () => {
    judge({ anyOf: [{ anyOf: [string, integer] }, { anyOf: [{ type: 'null' }, { anyOf: [{ type: 'boolean' }] }] }] })
      .expectSound()
      .expectExact(samples)
  })

  test('a choice that contradicts what stands beside it is left out', () => {
    judge({ type: 'string', anyOf: [integer, { maxLength: 1 }] })
      .expectSound(30)
      .expectExact(samples)
    judge({ anyOf: [false, string] })
      .expectSound(30)
      .expectExact(samples)
    expectRefusal({ type: 'boolean', anyOf: [integer, string] }, 'schema', /allows no value/)
    expectRefusal(
      { properties: { p: { anyOf: [false] } }, required: ['p'] },
      'required',
      /names 'p', for which no value is possible/,
    )
  })

  test('two of them', () => {
    judge({
      anyOf: [integer, string],
      allOf: [{ anyOf: [{ type: 'number', maximum: 5 }, { maxLength: 1, type: 'string' }, { type: 'null' }] }],
    })
      .expectSound()
      .expectExact(samples)
  })
})

describe('oneOf', () => {
  test.each<[string, unknown, unknown[]]>([
    ['types', { oneOf: [string, integer, { type: ['null', 'array'] }] }, [null, 0, 'a', [1]]],
    ['values', { oneOf: [{ const: 'a' }, { enum: ['abc', 5] }, { type: 'null' }] }, ['a', 'abc', 5, null]],
    [
      'a property',
      {
        oneOf: [
          { type: 'object', properties: { kind: { const: 'x' }, a: integer }, required: ['kind', 'a'] },
          { type: 'object', properties: { kind: { enum: ['y', 'z'] }, b: string }, required: ['kind'] },
        ],
      },
      [{ kind: 'x', a: 1 }, { kind: 'y', b: 'z' }, { kind: 'z' }],
    ],
    [
      'a property, with keywords beside it',
      {
        type: 'object',
        properties: { kind: string },
        required: ['kind'],
        oneOf: [{ properties: { kind: { const: 'x' } } }, { properties: { kind: { const: 'y' }, b: string } }],
      },
      [{ kind: 'x' }, { kind: 'y', b: 'z' }],
    ],
    [
      "a property's type",
      {
        oneOf: [
          { type: 'object', properties: { a: integer }, required: ['a'] },
          { type: 'object', properties: { a: string }, required: ['a'] },
        ],
      },
      [{ a: 1 }, { a: 'x' }],
    ],
    [
      'a property that one of them does not allow',
      {
        oneOf: [
          { type: 'object', properties: { a: integer }, required: ['a'], additionalProperties: false },
          { type: 'object', properties: { b: integer }, required: ['b'], additionalProperties: false },
        ],
      },
      [{ a: 1 }, { b: 1 }],
    ],
    [
      'a property of a property',
      {
        oneOf: ['x', 'y'].map(kind => ({
          type: 'object',
          required: ['head'],
          properties: { head: { type: 'object', required: ['kind'], properties: { kind: { const: kind } } } },
        })),
      },
      [{ head: { kind: 'x' } }, { head: { kind: 'y' } }],
    ],
  ])('told apart by %s', (_, schema, accepted) => {
    const judged = judge(schema)
      .expectSound()
      .expectAccepts(...accepted)
    for (const value of samples) if (!judged.isValid(value)) judged.expectRefuses(value)
  })

  test.each<[string, unknown]>([
    ['the same type', { oneOf: [string, { type: 'string', minLength: 3 }] }],
    ['integers and numbers', { oneOf: [integer, { type: 'number' }] }],
    [
      'a property that one does not require',
      {
        oneOf: [
          { type: 'object', properties: { kind: { const: 'x' } } },
          { type: 'object', properties: { kind: { const: 'y' } }, required: ['kind'] },
        ],
      },
    ],
    [
      'no type',
      {
        oneOf: [
          { properties: { kind: { const: 'x' } }, required: ['kind'] },
          { properties: { kind: { const: 'y' } }, required: ['kind'] },
        ],
      },
    ],
    ['values that overlap', { oneOf: [{ enum: ['a', 'b'] }, { enum: ['b', 'c'] }] }],
    ['a value of the type', { oneOf: [{ const: 'a' }, string] }],
    [
      'different properties that both may have',
      {
        oneOf: [
          { type: 'object', properties: { a: integer }, required: ['a'] },
          { type: 'object', properties: { b: integer }, required: ['b'] },
        ],
      },
    ],
    ['anything', { oneOf: [true, string] }],
  ])('refused: %s', (_, schema) => {
    expectRefusal(schema, 'oneOf', /branches 0 and 1 are not so. Use anyOf/)
  })
})

describe('allOf', () => {
  test('merges all that can be merged', () => {
    judge({
      allOf: [
        { type: ['string', 'integer', 'null'] },
        { type: ['integer', 'number', 'null'] },
        { minimum: 3 },
        { maximum: 10 },
      ],
    })
      .expectSound()
      .expectExact(samples)
    judge({ allOf: [{ type: 'number' }, { multipleOf: 1 }], minimum: 5 })
      .expectSound()
      .expectExact(samples)
    judge({ allOf: [{ minLength: 1 }, { maxLength: 2 }], type: 'string' })
      .expectSound()
      .expectExact(samples)
    judge({ allOf: [{ enum: [1, 'a', null] }, { enum: ['a', null, 7] }, { type: ['string', 'integer'] }] })
      .expectSound(10)
      .expectExact(samples)
    judge({ allOf: [{ pattern: '^a' }, { pattern: '^a' }], type: 'string' })
      .expectSound(10)
      .expectExact(samples)
  })

  test('objects', () => {
    const a = { type: 'object', properties: { a: integer }, required: ['a'] }
    const b = { type: 'object', properties: { b: integer } }
    judge({ allOf: [a, b] })
      .expectSound()
      .expectAccepts({ a: 1 }, { a: 1, b: 2 })
      .expectRefuses({ b: 1 }, {})
    expectRefusal(
      { allOf: [a, { ...b, additionalProperties: string }] },
      'required',
      /names 'a', for which no value is possible/,
    )
  })

  test('objects of which one is closed', () => {
    judge({
      allOf: [
        { type: 'object', properties: { a: integer, b: integer }, additionalProperties: false },
        { properties: { a: { maximum: 5 }, c: integer } },
      ],
    })
      .expectSound()
      .expectExact([{}, { a: 5 }, { a: 6 }, { a: 1, b: 1 }, { c: 1 }])
    judge({
      allOf: [
        { type: 'object', additionalProperties: integer },
        { properties: { a: { minimum: 3 } }, additionalProperties: { maximum: 9 } },
      ],
    })
      .expectSound()
      .expectExact([{}, { a: 2 }, { a: 3 }, { a: 'x' }, { a: 11 }, { b: 11 }, { b: 9 }, { b: 'x' }])
  })

  test('arrays', () => {
    judge({
      allOf: [
        { type: 'array', items: integer, minItems: 1 },
        { items: { minimum: 3 }, maxItems: 2 },
      ],
    })
      .expectSound()
      .expectExact([[], [3], [2], [3, 4], [3, 4, 5], ['a']])
    judge({
      allOf: [
        { type: 'array', prefixItems: [integer], items: string },
        { prefixItems: [{ minimum: 2 }, { maxLength: 1 }], items: { minLength: 1 } },
      ],
    })
      .expectSound()
      .expectExact([[], [2], [1], [2, 'a'], [2, ''], [2, 'ab'], [2, 'a', 'abc'], [2, 'a', '']])
  })

  test('refuses what it cannot merge', () => {
    expectRefusal(
      { allOf: [{ pattern: '^a' }, { pattern: 'b$' }] },
      'allOf[1].pattern',
      /is not supported together with allOf\[0\].pattern/,
    )
    expectRefusal(
      { allOf: [{ format: 'date' }, { format: 'time' }] },
      'allOf[1].format',
      /together with allOf\[0\].format/,
    )
    expectRefusal({ allOf: [{ type: 'string' }, { type: 'integer' }] }, 'schema', /allows no value/)
  })
})

describe('$ref', () => {
  test('to definitions of both drafts', () => {
    judge({
      $defs: { a: integer },
      type: 'object',
      properties: { x: { $ref: '#/$defs/a' } },
      additionalProperties: false,
    })
      .expectSound(30)
      .expectExact([{}, { x: 1 }, { x: 'a' }])
    judge({ definitions: { 'a/b~c d': integer }, $ref: '#/definitions/a~1b~0c%20d' }, 7)
      .expectSound(30)
      .expectExact(samples)
    judge({ $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/c' }, c: integer }, $ref: '#/$defs/a' })
      .expectSound(30)
      .expectExact(samples)
  })

  test('with keywords beside it', () => {
    judge({ $defs: { a: integer }, $ref: '#/$defs/a', minimum: 5 })
      .expectSound(30)
      .expectExact(samples)
    judge({ $defs: { a: { anyOf: [integer, string] } }, $ref: '#/$defs/a', description: 'x', type: 'string' })
      .expectSound(30)
      .expectExact(samples)
  })

  test('to itself', () => {
    const list = {
      type: 'object',
      properties: { v: integer, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
      required: ['v', 'next'],
      additionalProperties: false,
    }
    judge(list)
      .expectSound(200, 1, 12)
      .expectExact([
        { v: 1, next: null },
        { v: 1, next: { v: 2, next: { v: 3, next: null } } },
        { v: 1 },
        { v: 1, next: {} },
      ])
    const tree = {
      $defs: {
        node: {
          type: 'object',
          properties: { name: string, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
          required: ['name'],
          additionalProperties: false,
        },
      },
      $ref: '#/$defs/node',
    }
    judge(tree)
      .expectSound(200, 1, 14)
      .expectExact([
        { name: 'a' },
        {
          name: 'a',
          children: [
            { name: 'b', children: [] },
            { name: 'c', children: [{ name: 'd' }] },
          ],
        },
        { name: 'a', children: [{}] },
      ])
  })

  test('to each other', () => {
    const schema = {
      $defs: { a: { type: 'array', items: { $ref: '#/$defs/b' } }, b: { anyOf: [integer, { $ref: '#/$defs/a' }] } },
      $ref: '#/$defs/b',
    }
    judge(schema)
      .expectSound(200, 1, 12)
      .expectExact([1, [], [[1], 2, [[], [3]]], 'a', ['a']])
  })

  test('everything, as JSON itself is', () => {
    const schema = {
      $defs: {
        json: {
          anyOf: [
            string,
            { type: 'number' },
            { type: 'boolean' },
            { type: 'null' },
            { type: 'array', items: { $ref: '#/$defs/json' } },
            { type: 'object', additionalProperties: { $ref: '#/$defs/json' } },
          ],
        },
      },
      $ref: '#/$defs/json',
    }
    judge(schema)
      .expectSound(200, 1, 10)
      .expectAccepts([[[[[[[[{ a: [1] }]]]]]]]])
  })

  test.each<[unknown, string, RegExp]>([
    [{ $ref: '#/$defs/a' }, '$ref', /which is not there/],
    [{ $defs: {}, $ref: '#/$defs/__proto__' }, '$ref', /which is not there/],
    [{ $defs: { a: true }, $ref: '#/$defs/constructor' }, '$ref', /which is not there/],
    [{ properties: { a: { $ref: '#/properties/b' } } }, 'properties.a.$ref', /is not supported; '#'/],
    [{ $ref: 'https://example.com/schema' }, '$ref', /is not supported/],
    [{ $ref: '#/$defs/%' }, '$ref', /is no URI/],
    [{ $ref: '#' }, 'schema', /refers back to itself/],
    [
      { $defs: { a: { $ref: '#/$defs/b' }, b: { anyOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' },
      '$defs.b',
      /refers back to itself/,
    ],
    [{ allOf: [{ $ref: '#' }] }, 'schema', /refers back to itself/],
    [{ $defs: { a: { multipleOf: 5 } }, properties: { x: { $ref: '#/$defs/a' } } }, '$defs.a.multipleOf', /as 1 only/],
  ])('refused: %j', (schema, option, message) => {
    expectRefusal(schema, option, message)
  })

  test('definitions that nothing refers to do not matter', () => {
    judge({ $defs: { a: { contains: true, multipleOf: 2 } }, type: 'integer' }).expectSound(5)
  })
})
