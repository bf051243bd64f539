import { jsonSchemaGrammar } from '../../../lib/structured/json-schema.js'
import { cpuMilliseconds } from '../../tools/cpu-time.js'
import { expectRefusal, judge, refusal } from './judge.js'

describe('keywords that are not supported', () => {
  test.each([
    'not',
    'if',
    'then',
    'else',
    'contains',
    'minContains',
    'maxContains',
    'patternProperties',
    'dependentRequired',
    'dependentSchemas',
    'dependencies',
    'unevaluatedItems',
    'unevaluatedProperties',
    '$anchor',
    '$dynamicRef',
    '$recursiveRef',
    '$vocabulary',
    'contentEncoding',
    'contentMediaType',
    'nullable',
    'discriminator',
    '__proto__',
    'constructor',
    'x-mine',
  ])('%s', keyword => {
    const schema = JSON.parse(`{"type":"object","properties":{"age":{${JSON.stringify(keyword)}:true}}}`)
    expectRefusal(schema, `properties.age${keyword.startsWith('x') ? '.x-mine' : `.${keyword}`}`, /is not supported/)
  })

  test('a slip of the pen', () => {
    expectRefusal({ propertys: {} }, 'propertys', "did you mean 'properties'?")
    expectRefusal({ type: 'string', maxlength: 5 }, 'maxlength', "did you mean 'maxLength'?")
  })

  test('at every place', () => {
    const bad = { not: {} }
    expectRefusal({ items: bad }, 'items.not', /is not supported/)
    expectRefusal({ prefixItems: [true, bad] }, 'prefixItems[1].not', /is not supported/)
    expectRefusal({ additionalProperties: bad }, 'additionalProperties.not', /is not supported/)
    expectRefusal(
      { anyOf: [true, { oneOf: [{ allOf: [bad] }] }] },
      'anyOf[1].oneOf[0].allOf[0].not',
      /is not supported/,
    )
    expectRefusal(
      { properties: { 'a b': { properties: { 'c"': bad } } } },
      'properties["a b"].properties["c\\""].not',
      /is not supported/,
    )
    expectRefusal({ properties: { not: bad } }, 'properties.not.not', /is not supported/)
  })
})

describe('keywords that are written wrong', () => {
  test.each<[unknown, string, RegExp]>([
    [{ type: 'text' }, 'type', /must be null, boolean, number, string, array, object or integer/],
    [{ type: [] }, 'type', /not empty/],
    [{ type: 5 }, 'type', /must be/],
    [{ type: ['string', null] }, 'type', /must be/],
    [{ enum: [] }, 'enum', /not empty/],
    [{ enum: 'a' }, 'enum', /must be an array/],
    [{ minimum: '5' }, 'minimum', /must be a number/],
    [{ exclusiveMinimum: true }, 'exclusiveMinimum', /must be a number/],
    [{ maximum: null }, 'maximum', /must be a number/],
    [{ exclusiveMaximum: false }, 'exclusiveMaximum', /must be a number/],
    [{ minLength: -1 }, 'minLength', /integer from 0/],
    [{ maxLength: 1.5 }, 'maxLength', /integer from 0/],
    [{ minItems: '1' }, 'minItems', /integer from 0/],
    [{ maxItems: 2 ** 60 }, 'maxItems', /integer from 0/],
    [{ minProperties: -1 }, 'minProperties', /integer/],
    [{ maxProperties: {} }, 'maxProperties', /integer/],
    [{ pattern: 5 }, 'pattern', /must be a string/],
    [{ format: 5 }, 'format', /must be a string/],
    [{ $ref: 5 }, '$ref', /must be a string/],
    [{ properties: [] }, 'properties', /must be an object/],
    [{ properties: { a: 5 } }, 'properties.a', /must be a schema/],
    [{ properties: null }, 'properties', /must be an object/],
    [{ required: 'a' }, 'required', /must be an array/],
    [{ required: [5] }, 'required[0]', /must be a string/],
    [{ items: 5 }, 'items', /must be a schema/],
    [{ prefixItems: {} }, 'prefixItems', /must be an array/],
    [{ prefixItems: [] }, 'prefixItems', /not empty/],
    [{ additionalProperties: 'no' }, 'additionalProperties', /must be a schema/],
    [{ anyOf: [] }, 'anyOf', /not empty/],
    [{ oneOf: {} }, 'oneOf', /must be an array/],
    [{ allOf: [5] }, 'allOf[0]', /must be a schema/],
    [{ uniqueItems: 1 }, 'uniqueItems', /is not supported/],
    [5, 'schema', /must be a schema/],
    [null, 'schema', /must be a schema/],
    [[], 'schema', /must be a schema/],
    ['{}', 'schema', /must be a schema/],
    [undefined, 'schema', /must be JSON/],
  ])('%j', (schema, option, message) => {
    expectRefusal(schema, option, message)
  })
})

describe('schemas that contradict themselves', () => {
  test.each<[unknown, RegExp]>([
    [false, /allows no value/],
    [{ minimum: 2, maximum: 1 }, /least number is not below the greatest/],
    [{ exclusiveMinimum: 1, maximum: 1 }, /least number/],
    [{ type: 'integer', exclusiveMinimum: 1, exclusiveMaximum: 2 }, /allows no integer/],
    [{ minLength: 2, maxLength: 1 }, /minLength is above maxLength/],
    [{ minItems: 2, maxItems: 1 }, /minItems is above maxItems/],
    [{ minProperties: 2, maxProperties: 1 }, /minProperties is above/],
    [{ required: ['a', 'b'], maxProperties: 1 }, /required names more/],
    [{ type: 'string', enum: [1, null] }, /none of enum or const/],
    [{ const: 'a', minLength: 2 }, /none of enum or const/],
    [{ const: 1, enum: [2, 3] }, /none of enum or const/],
    [{ type: 'integer', const: 1.5 }, /none of enum or const/],
    [{ allOf: [true, false] }, /allows no value/],
  ])('%j', (schema, message) => {
    expectRefusal(schema, 'schema', message)
    // an array whose items nothing fulfils can still be empty
    if (!JSON.stringify(schema).includes('false'))
      expectRefusal({ properties: { a: { items: schema } } }, 'properties.a.items', message)
  })

  test('that never come to an end', () => {
    expectRefusal(
      { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] },
      'schema',
      /is infinitely recursive/,
    )
    expectRefusal(
      { properties: { tree: { type: 'array', items: { $ref: '#/properties/tree' }, minItems: 1 } } },
      'properties.tree.items.$ref',
      /is not supported/,
    )
    expectRefusal(
      {
        $defs: { t: { type: 'array', items: { $ref: '#/$defs/t' }, minItems: 1 } },
        properties: { t: { $ref: '#/$defs/t' } },
      },
      'schema',
      /is infinitely recursive/,
    )
  })
})

describe('what could not be checked beside enum', () => {
  test.each<[unknown, string]>([
    [{ enum: ['a'], pattern: '^a' }, 'pattern'],
    [{ enum: ['2024-01-01'], format: 'date' }, 'format'],
    [{ enum: [{ a: 1 }], required: ['a'] }, 'enum'],
    [{ const: [1], items: { type: 'integer' } }, 'enum'],
  ])('%j', (schema, option) => {
    expectRefusal(schema, option, /beside values|other keywords speak/)
  })

  test('is taken where it does not matter', () => {
    judge({ enum: [5, null], pattern: '^a', required: ['a'] })
      .expectSound(5)
      .expectExact([5, null, 'a'])
  })
})

describe('objects that are no JSON', () => {
  const getter = {
    type: 'object',
    get properties() {
      throw new Error('read')
    },
  }
  const cycle: Record<string, unknown> = { type: 'array' }
  cycle.items = cycle
  class Schema {
    type = 'string'
  }

  test.each<[string, unknown, string, RegExp]>([
    ['a getter', getter, 'properties', /is a getter/],
    ['a setter', Object.defineProperty({}, 'type', { set() {}, enumerable: true }), 'type', /is a getter/],
    ['a cycle', cycle, 'items', /contains itself; a schema does so by \$ref/],
    ['a function', { type: () => 'string' }, 'type', /a value of type function/],
    ['a symbol', { type: Symbol('x') }, 'type', /a value of type symbol/],
    ['a bigint', { minimum: 5n }, 'minimum', /a value of type bigint/],
    ['NaN', { minimum: NaN }, 'minimum', /got NaN/],
    ['infinity', { maximum: Infinity }, 'maximum', /got Infinity/],
    ['a class', { properties: { a: new Schema() } }, 'properties.a', /must be a plain object/],
    ['a date', { const: new Date(0) }, 'const', /must be a plain object/],
    ['a map', new Map(), 'schema', /must be a plain object/],
    ['a hole', { enum: [1, , 3] }, 'enum[1]', /a value of type undefined/],
  ])('%s', (_, schema, option, message) => {
    expectRefusal(schema, option, message)
  })

  test('undefined is absent, and what stands beside the own keys does not count', () => {
    const inherited = Object.assign(Object.create(null), { type: 'string', minLength: undefined, [Symbol('x')]: 5 })
    Object.defineProperty(inherited, 'hidden', { value: 5, enumerable: false })
    judge(inherited).expectSound(5).expectAccepts('')
  })

  test('the same object twice is no cycle', () => {
    const shared = { type: 'integer' }
    expect(judge({ properties: { a: shared, b: shared }, additionalProperties: false }).expectSound(5).text).toContain(
      'integer',
    )
  })

  test('a proxy that shows a schema', () => {
    judge(new Proxy({ type: 'integer' }, {})).expectSound(5)
  })
})

describe('limits', () => {
  const nested = (depth: number, inner: unknown): unknown => {
    for (let i = 0; i < depth; i++) inner = { items: inner }
    return inner
  }
  const chain = (length: number, link: (name: string) => unknown) => ({
    $defs: Object.fromEntries(
      Array.from({ length }, (_, i) => [`d${i}`, i === length - 1 ? { type: 'integer' } : link(`#/$defs/d${i + 1}`)]),
    ),
    $ref: '#/$defs/d0',
  })

  test('values, depth and characters', () => {
    expect(refusal({ enum: Array.from({ length: 20_001 }, (_, i) => i) }).message).toContain('more than 20000 values')
    expect(refusal({ description: 'x'.repeat(1_000_001) }).message).toContain('more than 1000000 characters')
    expect(refusal(nested(101, {})).message).toContain('nested more than 100 deep')
    expect(refusal(nested(100_000, {})).message).toContain('nested more than 100 deep')
    expect(refusal({ enum: new Array(2 ** 31) }).message).toContain('more than 20000 values')
    const branch = (depth: number): unknown => {
      const inner = depth === 0 ? {} : branch(depth - 1)
      return { anyOf: [inner, inner] }
    }
    expect(refusal(branch(30)).message).toContain('more than 20000 values')
    judge(nested(60, { type: 'integer' })).expectSound(5, 1, 5)
  })

  test('references in a row', () => {
    judge(chain(90, $ref => ({ $ref }))).expectSound(5)
    judge(chain(150, $ref => ({ type: 'array', items: { $ref } })))
    expect(refusal(chain(300, $ref => ({ $ref }))).message).toContain('more than 100 references')
    expect(refusal(chain(300, $ref => ({ allOf: [{ $ref }] }))).message).toContain('more than 100 references')
    expect(refusal(chain(300, $ref => ({ type: 'array', items: { $ref } }))).message).toContain(
      'nested more than 200 deep',
    )
    expect(refusal(chain(4500, $ref => ({ items: { $ref } }))).message).toContain('nested more than 200 deep')
  })

  test('combinations', () => {
    expect(refusal(chain(40, $ref => ({ anyOf: [{ $ref }, { $ref, minimum: 1 }] }))).message).toContain(
      'more than 200 combinations',
    )
    const anyOf = Array.from({ length: 15 }, (_, i) => ({ minLength: i }))
    expect(refusal({ type: 'string', allOf: [{ anyOf }, { anyOf }, { anyOf }] }).message).toContain(
      'more than 200 combinations',
    )
  })

  test('the size of the grammar', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`p${i}`, { type: 'string', maxLength: 500 + i }]),
    )
    expect(refusal({ type: 'object', properties }).message).toMatch(
      /needs a grammar that is too large: the grammar has more than 50000 rules/,
    )
    expect(refusal({ type: 'string', pattern: `^(${'a?'.repeat(990)})*$` }).message).toContain(
      'needs a grammar of more than 1000000 characters',
    )
  })

  test('none takes long', () => {
    const start = cpuMilliseconds()
    const kinds = Array.from({ length: 60 }, (_, i) => ({ type: 'string', minLength: i }))
    const branch = { type: 'object', properties: { a: { anyOf: kinds }, b: { anyOf: kinds } }, required: ['a', 'b'] }
    const hard = [
      { oneOf: Array.from({ length: 40 }, () => branch) },
      {
        oneOf: [
          { ...branch, anyOf: kinds },
          { ...branch, anyOf: kinds },
        ],
      },
      chain(90, $ref => ({ allOf: [{ $ref }, { $ref }] })),
      chain(40, $ref => ({ anyOf: [{ $ref }, { $ref }] })),
      { enum: Array.from({ length: 15_000 }, (_, i) => `${i * 7919}`) },
      { type: 'string', pattern: `^${'('.repeat(50)}a?${'b?)*'.repeat(50)}$` },
    ]
    for (const schema of hard) {
      try {
        jsonSchemaGrammar(schema)
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_OPTION' })
      }
    }
    expect(cpuMilliseconds() - start).toBeLessThan(30_000) // a second or less; a way that grows with the square takes minutes
  })
})

test('the call that is named', () => {
  expect(() => jsonSchemaGrammar({ not: {} })).toThrow(/^responseFormat: 'not' is not supported/)
})
