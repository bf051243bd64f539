import { z } from 'zod'
import { checkGrammar } from '../../../lib/structured/grammar-check.js'
import { jsonSchemaGrammar } from '../../../lib/structured/json-schema.js'
import { promptSchema, readSchema } from '../../../lib/structured/schema.js'
import { parseTools } from '../../../lib/tools/tools.js'
import { GbnfGrammar } from '../../tools/gbnf.js'
import { seeded } from '../../tools/random.js'

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
    [
      "Valibot's own kind, a plain object with keys like a JSON schema's",
      {
        kind: 'schema',
        type: 'number',
        '~run': () => ({}),
        get '~standard'() {
          return standard
        },
      },
    ],
    ["ArkType's, a function", Object.assign(() => 5, { '~standard': standard })],
    [
      'an instance of a class with a getter on the prototype',
      new (class {
        type = 'number'
        get '~standard'() {
          return standard
        }
      })(),
    ],
    [
      'a plain object that hides it, with methods',
      Object.defineProperty({ type: 'number', parse: () => 5 }, '~standard', { value: standard }),
    ],
    ['a plain object that hides it, with nothing else', Object.defineProperty({}, '~standard', { value: standard })],
  ])('%s', (_, given) => {
    expect(read(given).schema).toEqual({ type: 'integer' })
    expect(read(given).validate).toBeDefined()
  })

  test('a JSON schema of a key that is not hidden and no Standard Schema stays as it is, to be refused by name', () => {
    expect(read({ type: 'string', '~standard': 5 })).toEqual({
      schema: { type: 'string', '~standard': 5 },
      ofLibrary: false,
    })
  })
})

describe('a library that cannot write a schema as JSON Schema', () => {
  test.each<[z.ZodType, string]>([
    [z.object({ d: z.date() }), 'Date cannot be represented in JSON Schema'],
    [z.bigint(), 'BigInt cannot be represented in JSON Schema'],
    [z.object({ s: z.set(z.string()) }), 'Set cannot be represented in JSON Schema'],
  ])('%# is told by its reason, and where', (given, reason) => {
    for (const where of ['responseFormat', 'tools.add.parameters']) {
      expect(() => readSchema(given, 'ask', where)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.stringMatching(new RegExp(`^ask: '${where}' .*zod.*${reason}`)),
          details: expect.objectContaining({ call: 'ask', option: where }),
          cause: expect.objectContaining({ message: reason }),
        }),
      )
    }
  })
})

describe('what Zod says of strings', () => {
  const samples = 200

  /** Random texts of the grammar, each of which Zod has to take. */
  function expectValid(given: z.ZodType, min = 2): void {
    const { schema, ofLibrary } = read(given)
    const source = jsonSchemaGrammar(schema, 'ask', ofLibrary)
    checkGrammar(source, 'ask')
    const grammar = new GbnfGrammar(source)
    const random = seeded(1)
    const seen = new Set<string>()
    for (let i = 0; i < samples; i++) {
      const text = grammar.sentence(random)
      seen.add(text)
      const result = given.safeParse(JSON.parse(text))
      if (!result.success) throw new Error(`${text}: ${result.error.message}\n${source}`)
    }
    expect(seen.size).toBeGreaterThanOrEqual(min)
  }

  test.each<[string, z.ZodType]>([
    ['iso.datetime', z.iso.datetime()],
    ['iso.datetime with an offset', z.iso.datetime({ offset: true })],
    ['iso.datetime, local', z.iso.datetime({ local: true })],
    ['iso.datetime to the millisecond', z.iso.datetime({ precision: 3 })],
    ['iso.date', z.iso.date()],
    ['iso.time', z.iso.time()],
    ['iso.duration', z.iso.duration()],
    ['uuid', z.uuid()],
    ['uuidv4', z.uuidv4()],
    ['uuidv6', z.uuidv6()],
    ['uuidv7', z.uuidv7()],
    ['guid', z.guid()],
    ['email', z.email()],
    ['email with a length', z.email().max(254)],
    ['email with a pattern', z.email({ pattern: z.regexes.html5Email })],
    ['url', z.url()],
    ['hostname', z.hostname()],
    ['ipv4', z.ipv4()],
    ['ipv6', z.ipv6()],
    ['cidrv4', z.cidrv4()],
    ['cidrv6', z.cidrv6()],
    ['mac', z.mac()],
    ['cuid', z.cuid()],
    ['cuid2', z.cuid2()],
    ['ulid', z.ulid()],
    ['xid', z.xid()],
    ['ksuid', z.ksuid()],
    ['nanoid', z.nanoid()],
    ['base64', z.base64()],
    ['base64url', z.base64url()],
    ['e164', z.e164()],
    ['hex', z.hex()],
    ['hash', z.hash('sha256')],
    ['startsWith', z.string().startsWith('ab')],
    ['endsWith', z.string().endsWith('ab')],
    ['includes', z.string().includes('ab')],
    ['lowercase', z.string().lowercase()],
    ['uppercase', z.string().uppercase()],
    [
      'regex',
      z
        .string()
        .regex(/^[a-z]+$/)
        .min(2)
        .max(5),
    ],
    [
      'the older ways to say it',
      z.object({
        id: z.string().uuid(),
        at: z.string().datetime(),
        mail: z.string().email().nullable(),
        kind: z.array(z.string().uuid()).max(2),
      }),
    ],
  ])('%s', (_, given) => expectValid(given))

  test.each<[string, z.ZodType, number?]>([
    ['of any names', z.record(z.string(), z.number())],
    ['of all names of an enum', z.record(z.enum(['a', 'b']), z.int())],
    ['of one name', z.record(z.literal('a'), z.int())],
    ['of some names', z.partialRecord(z.enum(['a', 'b']), z.int())],
    ['of a union of names', z.record(z.union([z.literal('a'), z.literal('b')]), z.int())],
    ['of names with a pattern', z.record(z.string().regex(/^[a-z]{2}$/), z.int())],
    ['of names with a format', z.record(z.uuid(), z.boolean())],
    ['of numbers as names', z.record(z.number(), z.boolean())],
    ['of names with a length', z.record(z.string().min(2).max(5), z.boolean())],
    ['of names said elsewhere', z.record(z.enum(['a', 'b']).meta({ id: 'Name' }), z.int())],
  ])('records: %s', (_, given) => expectValid(given))

  test.each<[z.ZodType, RegExp]>([
    [z.jwt(), /'format' 'jwt' is not supported/],
    [z.emoji(), /'pattern' has look-around/],
    [z.string().startsWith('a').endsWith('b'), /is not supported together with/],
  ])('%# has no grammar, and is refused by name', (given, message) => {
    const { schema, ofLibrary } = read(given)
    expect(() => jsonSchemaGrammar(schema, 'ask', ofLibrary)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) }),
    )
  })

  test('a pattern that no grammar is made of gives way to a known format, and so does one beside a length', () => {
    const grammar = (given: object) => jsonSchemaGrammar({ type: 'string', ...given }, 'ask', true)
    expect(grammar({ format: 'date', pattern: '^(?=2)\\d{4}-' })).toBe(grammar({ format: 'date' }))
    expect(grammar({ format: 'email', pattern: '^[a-z]+@[a-z]+$', minLength: 4 })).toBe(
      grammar({ format: 'email', minLength: 4 }),
    )
  })

  test('what is repeated without end in a format comes to one', () => {
    const grammar = new GbnfGrammar(jsonSchemaGrammar(z.toJSONSchema(z.iso.datetime()), 'ask', true))
    const at = (digits: string) => grammar.accepts(`"2024-02-29T23:59:59.${digits}Z"`)
    expect([at('1'), at('123456789'), at('1'.repeat(20)), at('1'.repeat(21))]).toEqual([true, true, true, false])
  })

  test('in what Zod wrote and was changed later', () => {
    const written = z.toJSONSchema(z.object({ id: z.uuid(), a: z.string() }))
    written.properties!['a'] = { const: 'x' }
    const { schema, ofLibrary } = read(written)
    expect(
      new GbnfGrammar(jsonSchemaGrammar(schema, 'ask', ofLibrary)).accepts(
        '{"id":"00000000-0000-0000-0000-000000000000","a":"x"}',
      ),
    ).toBe(true)
  })

  test('a model is told the format where there is one, else the pattern', () => {
    const forPrompt = promptSchema(
      read(z.object({ id: z.uuid(), code: z.string().startsWith('ab'), format: z.string(), pattern: z.string() }))
        .schema,
    )
    expect(forPrompt['properties']).toEqual({
      id: { type: 'string', format: 'uuid' },
      code: { type: 'string', pattern: '^ab.*' },
      format: { type: 'string' },
      pattern: { type: 'string' },
    })
  })
})

describe('the parameters of a tool', () => {
  test("are told by formats and held to by Zod's patterns", () => {
    const { forPrompt, definitions, ofLibrary } = parseTools(
      {
        find: { parameters: z.object({ id: z.uuidv4() }) },
        plain: { parameters: { type: 'object', properties: { a: { type: 'string', pattern: '^x' } } } },
      },
      'createChat',
    )!
    expect(forPrompt['find']!.parameters!['properties']).toEqual({ id: { type: 'string', format: 'uuid' } })
    expect(forPrompt['plain']).toEqual(definitions['plain'])
    expect([...ofLibrary]).toEqual(['find'])
    const grammar = new GbnfGrammar(jsonSchemaGrammar(definitions['find']!.parameters, 'tools.find', true))
    expect(grammar.accepts('{"id":"123e4567-e89b-42d3-a456-426614174000"}')).toBe(true)
    expect(grammar.accepts('{"id":"123e4567-e89b-12d3-a456-426614174000"}')).toBe(false)
  })

  test('that Zod cannot write are refused with their place', () => {
    expect(() => parseTools({ add: { parameters: z.object({ d: z.date() }) } }, 'createChat')).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        details: expect.objectContaining({ option: 'tools.add.parameters' }),
      }),
    )
  })
})
