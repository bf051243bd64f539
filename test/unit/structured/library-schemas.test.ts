import { z } from 'zod'
import { readSchema } from '../../../lib/structured/schema.js'

const read = (given: unknown) => readSchema(given, 'ask', 'responseFormat')

describe('what is a JSON schema and what a schema of a library', () => {
  const Pair = z.object({ a: z.string(), b: z.string() })

  test('what Zod wrote is data: changes to it count, and nothing checks the value by the old schema', () => {
    for (const io of ['input', 'output'] as const) {
      const written = z.toJSONSchema(Pair, { io })
      written.properties!['b'] = { enum: ['only this'] }
      const { schema, validate } = read(written)
      expect(schema).toBe(written)
      expect(validate).toBeUndefined()
    }
  })

  test('a schema of Zod is one, though it has a key `type`', async () => {
    const { schema, validate } = read(Pair)
    expect(schema).toMatchObject({ type: 'object', required: ['a', 'b'] })
    expect(await validate!({ a: 'x' })).toMatchObject({ issues: [expect.anything()] })
    expect(read(z.string()).validate).toBeDefined()
  })

  const jsonSchema = { input: () => ({ type: 'integer' }) }
  const standard = { version: 1, vendor: 'other', validate: (value: unknown) => ({ value }), jsonSchema }

  test.each<[string, object]>([
    ["Valibot's toStandardJsonSchema, a plain object with nothing else", { '~standard': standard }],
    ["Valibot's own kind, a plain object with keys like a JSON schema's", { kind: 'schema', type: 'number', '~run': () => ({}), get '~standard'() { return standard } }],
    ["ArkType's, a function", Object.assign(() => 5, { '~standard': standard })],
    ['an instance of a class with a getter on the prototype', new class { type = 'number'; get '~standard'() { return standard } }()],
    ['a plain object that hides it, with methods', Object.defineProperty({ type: 'number', parse: () => 5 }, '~standard', { value: standard })],
    ['a plain object that hides it, with nothing else', Object.defineProperty({}, '~standard', { value: standard })],
  ])('%s', (_, given) => {
    expect(read(given).schema).toEqual({ type: 'integer' })
    expect(read(given).validate).toBeDefined()
  })

  test('a JSON schema of a key that is not hidden and no Standard Schema stays as it is, to be refused by name', () => {
    expect(read({ type: 'string', '~standard': 5 })).toEqual({ schema: { type: 'string', '~standard': 5 } })
  })
})

describe('a library that cannot write a schema as JSON Schema', () => {
  test.each<[z.ZodType, string]>([
    [z.object({ d: z.date() }), 'Date cannot be represented in JSON Schema'],
    [z.bigint(), 'BigInt cannot be represented in JSON Schema'],
    [z.object({ s: z.set(z.string()) }), 'Set cannot be represented in JSON Schema'],
  ])('%# is told by its reason, and where', (given, reason) => {
    for (const where of ['responseFormat', 'tools.add.parameters']) {
      expect(() => readSchema(given, 'ask', where)).toThrow(expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(new RegExp(`^ask: '${where}' .*zod.*${reason}`)),
        details: expect.objectContaining({ call: 'ask', option: where }),
        cause: expect.objectContaining({ message: reason }),
      }))
    }
  })
})
