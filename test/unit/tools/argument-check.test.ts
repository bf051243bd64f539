import { formats } from '../../../lib/structured/json-schema/formats.js'
import { jsonSchemaGrammar } from '../../../lib/structured/json-schema.js'
import { argumentCheck } from '../../../lib/tools/argument-check.js'
import type { JsonSchema } from '../../../lib/tools/tool-definitions.js'
import { GbnfGrammar } from '../../tools/gbnf.js'
import { seeded } from '../../tools/random.js'

const object = (properties: JsonSchema, more: JsonSchema = {}): JsonSchema => ({ type: 'object', properties, ...more })

test.each<[string, JsonSchema, object, object, RegExp]>([
  ['a type', object({ n: { type: 'integer' } }), { n: 3 }, { n: 'many' }, /n: .*"string".*"integer"/],
  ['what is required', object({ a: {} }, { required: ['a'] }), { a: null }, {}, /"a"/],
  ['required names of every object', object({}, { required: ['toString'] }), { toString: 1 }, {}, /"toString"/],
  ['a choice', object({ unit: { enum: ['C', 'F'] } }), { unit: 'F' }, { unit: 'K' }, /unit: .*"C"/],
  ['a bound', object({ n: { minimum: 1, maximum: 5 } }), { n: 5 }, { n: 6 }, /n: 6 is greater/],
  ['items', object({ all: { items: { type: 'string' } } }), { all: ['a'] }, { all: ['a', 2] }, /all\/1: /],
  ['a format', object({ day: { type: 'string', format: 'date' } }), { day: '2026-02-03' }, { day: 'soon' }, /day: /],
  [
    'a reference',
    object({ to: { $ref: '#/$defs/to' } }, { $defs: { to: { type: 'string', minLength: 2 } } }),
    { to: 'ab' },
    { to: 'a' },
    /^The arguments are not as they must be. to: String is too short/,
  ],
  ['no further ones', object({}, { additionalProperties: false }), {}, { a: 1 }, /a/],
  [
    'tuples of an older draft',
    object({ at: { items: [{ type: 'number' }] } }, { $schema: 'http://json-schema.org/draft-07/schema#' }),
    { at: [1] },
    { at: ['x'] },
    /at\/0/,
  ],
])('%s', (_, schema, good, bad, reason) => {
  const check = argumentCheck(schema)
  expect(check(good)).toBeUndefined()
  expect(check(bad)).toMatch(reason)
  expect(check(bad)).toMatch(reason)
})

test('what it is told does not grow with what is wrong', () => {
  const long = Array.from({ length: 500 }, (_, i) => `choice ${i}`)
  const names = Object.fromEntries(long.map(name => [name, { enum: long }]))
  const bad = Object.fromEntries(long.map(name => [name, 1]))
  expect(argumentCheck(object(names))(bad)!.length).toBeLessThan(800)
})

test.each<[string, JsonSchema]>([
  ['a reference to nothing', object({ a: { $ref: '#/nowhere' } })],
  ['a reference that is its own', object({ a: { $ref: '#/properties/a' } })],
  ['a pattern that is none', object({ a: { pattern: '(' } })],
  ['a pattern with an escape too many', object({ a: { pattern: '^z\\-z$' } })],
  ['keywords that are not what they should be', object({ a: { enum: 7, anyOf: {} } })],
])('a schema that cannot be checked lets arguments pass: %s', (_, schema) => {
  expect(argumentCheck(schema)({ a: 'x' })).toBeUndefined()
})

test('a pattern that cannot be checked leaves the rest checked, and the schema as it is', () => {
  const schema = object({ a: { pattern: 'a\\-b' }, b: { type: 'boolean' } })
  const before = JSON.stringify(schema)
  expect(argumentCheck(schema)({ a: 'x', b: 'y' })).toMatch(/b: /)
  expect(JSON.stringify(schema)).toBe(before)
  expect(Object.getOwnPropertyNames(schema)).toEqual(['type', 'properties'])
})

// Else a model that is held to the grammar could never write what passes.
test('what a grammar lets a model write passes', () => {
  const strings = [...formats.keys()].map(format => ({ type: 'string', format }))
  const schemas: JsonSchema[] = [
    ...strings.map(schema => object({ a: schema }, { required: ['a'] })),
    object({ a: { type: 'integer', minimum: -3, maximum: 1000 }, b: { type: 'number', exclusiveMaximum: 0.25 } }),
    object({ a: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' }, b: { type: 'string', minLength: 2, maxLength: 4 } }),
    object({ a: { anyOf: [{ type: 'null' }, { enum: ['x', 1, [2]] }] }, b: { const: { c: ['d'] } } }),
    object({ a: { prefixItems: [{ type: 'boolean' }], items: { type: 'integer' } } }),
    object({ a: { $ref: '#' }, b: { type: 'array', items: { type: 'string' }, minItems: 1 } }, { required: ['b'] }),
  ]
  const random = seeded(11)
  for (const schema of schemas) {
    const check = argumentCheck(schema)
    const grammar = new GbnfGrammar(jsonSchemaGrammar(schema))
    for (let i = 0; i < 40; i++) {
      const text = grammar.sentence(random, 12)
      expect([text, check(JSON.parse(text))]).toEqual([text, undefined])
    }
  }
})
