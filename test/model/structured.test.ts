import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import { z } from 'zod'
import { type JsonSchema, loadModel, type Model } from '../../lib/index.js'
import { jsonSchemaGrammar } from '../../lib/structured/json-schema.js'
import { realModelPath } from '../tools/real-model-path.js'

const ajv = new Ajv2020({ strict: false })
;(addFormatsModule as unknown as (ajv: Ajv2020) => void)(ajv)

let model: Model
beforeAll(async () => {
  model = await loadModel(realModelPath, { gpu: false, threads: 1 }) // as test/tools/real-model.ts says
})
afterAll(() => model.close())

const name = { type: 'string', pattern: '^[A-Z][a-z]{1,10}$' }
const schemas: Record<string, JsonSchema> = {
  'objects, required, additionalProperties': {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 20 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      member: { type: 'boolean' },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  },
  'additionalProperties with a schema': {
    type: 'object',
    additionalProperties: { type: 'integer', minimum: 0, maximum: 9 },
    minProperties: 1,
    maxProperties: 2,
  },
  arrays: { type: 'array', items: { type: 'integer', minimum: -5, maximum: 5 }, minItems: 2, maxItems: 5 },
  'strings with a pattern': {
    type: 'object',
    properties: { code: { type: 'string', pattern: '^[A-Z]{2}-\\d{3}$' }, name },
    required: ['code', 'name'],
  },
  'strings with a format': {
    type: 'object',
    properties: { day: { type: 'string', format: 'date' }, id: { type: 'string', format: 'uuid' } },
    required: ['day', 'id'],
  },
  'numbers with a range': {
    type: 'object',
    properties: {
      low: { type: 'number', minimum: -1.5, exclusiveMaximum: 0 },
      high: { type: 'number', exclusiveMinimum: 10, maximum: 12.25 },
    },
    required: ['low', 'high'],
  },
  'enum and const': {
    type: 'object',
    properties: { colour: { enum: ['red', 'green', 'blue', null, 3] }, kind: { const: 'paint' } },
    required: ['colour', 'kind'],
  },
  anyOf: {
    anyOf: [
      { type: 'object', properties: { circle: { type: 'integer', minimum: 1, maximum: 9 } }, required: ['circle'] },
      { type: 'object', properties: { square: { type: 'integer', minimum: 1, maximum: 9 } }, required: ['square'] },
      { type: 'null' },
    ],
  },
  oneOf: {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'cat' }, lives: { type: 'integer', minimum: 1, maximum: 9 } },
        required: ['kind', 'lives'],
      },
      {
        type: 'object',
        properties: { kind: { const: 'dog' }, barks: { type: 'boolean' } },
        required: ['kind', 'barks'],
      },
    ],
  },
  '$ref and $defs': {
    $defs: {
      person: {
        type: 'object',
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 10 },
          friend: { anyOf: [{ $ref: '#/$defs/leaf' }, { type: 'null' }] },
        },
        required: ['name', 'friend'],
      },
      leaf: { type: 'object', properties: { name: { type: 'string', maxLength: 10 } }, required: ['name'] },
    },
    $ref: '#/$defs/person',
  },
}

describe('a JSON schema', () => {
  test(`is fulfilled by 200 of 200 replies at temperature 1`, async () => {
    const perSchema = 200 / Object.keys(schemas).length
    const failures: string[] = []
    let count = 0
    for (const schema of Object.values(schemas)) jsonSchemaGrammar(schema) // throws here, before anything is at work
    await Promise.all(
      Object.entries(schemas).map(async ([title, schema], s) => {
        const valid = ajv.compile(schema)
        const chat = model.createChat({ window: 400 })
        for (let i = 0; i < perSchema; i++) {
          const { text, value } = await chat.ask('Give me an example.', {
            responseFormat: schema,
            temperature: 1,
            topK: 0,
            topP: 1,
            minP: 0,
            seed: 100 * s + i,
            maxTokens: 300,
          })
          await chat.undo()
          count++
          if (!valid(value)) failures.push(`${title}: ${text}`)
        }
        await chat.close()
      }),
    )
    expect(failures).toEqual([])
    expect(count).toBe(200)
  })

  test.each([
    'multipleOf',
    'uniqueItems',
    'not',
    'if',
    'dependentRequired',
    'contains',
    'patternProperties',
    'unevaluatedProperties',
  ])('%s is refused by name', keyword => {
    const chat = model.createChat()
    const value = {
      multipleOf: 3,
      uniqueItems: true,
      not: {},
      if: {},
      dependentRequired: {},
      contains: {},
      patternProperties: {},
      unevaluatedProperties: false,
    }[keyword]
    expect(() =>
      chat.stream('x', { responseFormat: { type: 'object', properties: { a: { [keyword]: value } } } }),
    ).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(keyword) }))
  })

  test('that has no room says so, and the chat goes on', async () => {
    const chat = model.createChat()
    const asked = chat.ask('A long one.', {
      responseFormat: { type: 'array', items: { type: 'integer' }, minItems: 50, maxItems: 50 },
      maxTokens: 10,
    })
    await expect(asked).rejects.toMatchObject({ code: 'OUTPUT_INCOMPLETE' })
    expect((await chat.ask('Hello', { maxTokens: 5 })).text).not.toBe('')
    await chat.close()
  })
})

describe('a schema of Zod', () => {
  const Person = z.object({
    name: z.string().min(1).max(20),
    email: z.email(),
    born: z.iso.date(),
    tags: z.array(z.enum(['a', 'b'])).max(2),
    size: z.number().min(0).max(2).optional(),
  })

  test('gives a typed value, checked by Zod', async () => {
    const chat = model.createChat()
    const { value } = await chat.ask('Make up a person.', {
      responseFormat: Person,
      temperature: 1,
      seed: 4,
      maxTokens: 300,
    })
    const typed: z.infer<typeof Person> = value
    expect(Person.parse(typed)).toEqual(typed)
    await chat.close()
  })

  test('that refuses what a grammar cannot know says what it refuses', async () => {
    const chat = model.createChat()
    const Even = z.object({
      number: z
        .int()
        .min(1)
        .max(1)
        .refine(number => number % 2 === 0, 'must be even'),
    })
    await expect(chat.ask('A number?', { responseFormat: Even, maxTokens: 50 })).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
      message: expect.stringContaining('must be even'),
    })
    await chat.close()
  })
})

describe('tools on a real model', () => {
  test('a call that is required is one, with arguments as its schema wants them, and the model goes on', async () => {
    const asked: unknown[] = []
    const chat = model.createChat({
      system: 'Use the tool.',
      tools: {
        weather: {
          description: 'The weather in a city',
          parameters: z.object({ city: z.string().max(20), days: z.int().min(1).max(7) }),
          execute: args => {
            asked.push(args)
            return 'sunny'
          },
        },
      },
    })
    const types: string[] = []
    for await (const event of chat.stream('What is the weather in Paris?', {
      toolChoice: 'required',
      maxTokens: 120,
      seed: 2,
    }))
      types.push(event.type)
    expect(asked).toEqual([{ city: expect.any(String), days: expect.any(Number) }])
    expect(types).toContain('tool-result')
    expect(chat.messages.map(({ role }) => role).slice(0, 4)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    await chat.close()
  })

  test('and a response format: each reply is calls or the answer', async () => {
    const Report = z.object({ city: z.string().max(20), sky: z.enum(['clear', 'grey']) })
    for (let seed = 1; seed <= 8; seed++) {
      const asked: unknown[] = []
      const chat = model.createChat({
        system: 'Use the tool.',
        tools: {
          weather: {
            description: 'The weather in a city',
            parameters: z.object({ city: z.string().max(20) }),
            execute: args => {
              asked.push(args)
              return 'grey'
            },
          },
        },
      })
      const { value, reason } = await chat.ask('What is the weather in Paris?', {
        responseFormat: Report,
        toolChoice: seed % 2 === 0 ? 'required' : 'auto',
        maxToolRounds: 2,
        temperature: 1,
        seed,
        maxTokens: 300,
      })
      expect(reason).toBe('end')
      expect(Report.parse(value)).toEqual(value)
      if (seed % 2 === 0) expect(asked.length).toBeGreaterThan(0)
      await chat.close()
    }
  })
})
