import { seeded } from '../../tools/random.js'
import { judge } from './judge.js'

/** A schema, and a maker of values that fulfil it, of those that its grammar is meant to have. */
interface Sample {
  schema: Record<string, unknown>
  make(): unknown
}

function makeSamples(seed: number) {
  const random = seeded(seed)
  const pick = <T>(...choices: readonly T[]): T => choices[random.below(choices.length)]!
  const text = (length: number) =>
    Array.from({ length }, () => pick('a', 'B', '7', ' ', '"', '\\', '\n', 'ä', '\ud83d\ude00', '{', ',', '\0')).join(
      '',
    )
  const leaves: (() => Sample)[] = [
    () => ({ schema: { type: 'null' }, make: () => null }),
    () => ({ schema: { type: 'boolean' }, make: () => random.chance(0.5) }),
    () => {
      const minimum = random.below(2000) - 1000
      const maximum = minimum + random.below(1500)
      return {
        schema: { type: 'integer', minimum, maximum },
        make: () => minimum + random.below(maximum - minimum + 1),
      }
    },
    () => {
      const minimum = (random.below(2000) - 1000) / 100
      const maximum = (minimum * 100 + 1 + random.below(1500)) / 100
      return {
        schema: { type: 'number', minimum, exclusiveMaximum: maximum },
        make: () => Number((minimum + ((maximum - minimum) * random.below(1000)) / 1001).toFixed(8)) || 0,
      }
    },
    () => {
      const minLength = random.below(4)
      const maxLength = minLength + random.below(6)
      return {
        schema: { type: 'string', minLength, maxLength },
        make: () => text(minLength + random.below(maxLength - minLength + 1)),
      }
    },
    () => ({ schema: { type: 'string' }, make: () => text(random.below(20)) }),
    () => {
      const values = Array.from({ length: 1 + random.below(5) }, () =>
        pick<unknown>(text(3), random.below(100), null, true, [1, text(2)], { a: text(1) }),
      )
      return { schema: { enum: values }, make: () => pick(...values) }
    },
    () => ({ schema: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' }, make: () => `AB-${random.below(1000)}` }),
    () => ({
      schema: { type: 'string', format: 'date' },
      make: () => `20${10 + random.below(20)}-0${1 + random.below(9)}-${10 + random.below(19)}`,
    }),
    () => ({ schema: {}, make: () => pick<unknown>(1, 'x', null, [1, { a: [] }]) }),
  ]
  const branches: ((depth: number) => Sample)[] = [
    depth => {
      const item = make(depth - 1)
      const minItems = random.below(3)
      const maxItems = minItems + random.below(4)
      return {
        schema: { type: 'array', items: item.schema, minItems, maxItems },
        make: () => Array.from({ length: minItems + random.below(maxItems - minItems + 1) }, item.make),
      }
    },
    depth => {
      const first = Array.from({ length: 1 + random.below(3) }, () => make(depth - 1))
      return {
        schema: { type: 'array', prefixItems: first.map(({ schema }) => schema), items: false },
        make: () => first.slice(0, random.below(first.length + 1)).map(each => each.make()),
      }
    },
    depth => object(depth, false),
    depth => object(depth, true),
    depth => {
      const value = make(depth - 1)
      return {
        schema: { type: 'object', additionalProperties: value.schema },
        make: () => Object.fromEntries(Array.from({ length: random.below(3) }, (_, i) => [text(2) + i, value.make()])),
      }
    },
    depth => {
      const options = [make(depth - 1), make(depth - 1)]
      return { schema: { anyOf: options.map(({ schema }) => schema) }, make: () => pick(...options).make() }
    },
    depth => {
      const options = ['x', 'y', 'z'].map(kind => ({ kind, value: make(depth - 1) }))
      const oneOf = options.map(({ kind, value }) => ({
        type: 'object',
        properties: { kind: { const: kind }, value: value.schema },
        required: ['kind', 'value'],
      }))
      return {
        schema: { oneOf },
        make: () => {
          const { kind, value } = pick(...options)
          return { kind, value: value.make() }
        },
      }
    },
    depth => {
      const { schema, make: value } = make(depth - 1)
      return { schema: { allOf: [schema, { description: 'the same' }, {}] }, make: value }
    },
  ]
  const make = (depth: number): Sample =>
    depth === 0 || random.chance(0.25) ? pick(...leaves)() : pick(...branches)(depth)

  function object(depth: number, open: boolean): Sample {
    const members = Array.from({ length: 1 + random.below(4) }, (_, i) => ({
      name: pick('', 'a', 'ab', 'b"', 'ä') + 'xyzw'[i],
      required: random.chance(0.5),
      ...make(depth - 1),
    }))
    const schema = {
      type: 'object',
      properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
      required: members.filter(({ required }) => required).map(({ name }) => name),
      additionalProperties: open ? { type: 'null' } : false,
    }
    return {
      schema,
      make: () =>
        Object.fromEntries([
          ...members.filter(({ required }) => required || random.chance(0.5)).map(({ name, make }) => [name, make()]),
          ...(open && random.chance(0.5) ? [[`other${text(2)}`, null]] : []),
        ]),
    }
  }
  return make
}

test('whatever the schema, sentences are valid and valid values are accepted', () => {
  for (let seed = 1; seed <= 250; seed++) {
    const { schema, make } = makeSamples(seed)(3)
    const judged = judge(schema).expectSound(25, seed)
    judged.expectAccepts(...Array.from({ length: 12 }, make))
    // of values that were made for another schema, none is accepted that is not valid
    const other = makeSamples(seed + 1000)(3)
    for (const value of Array.from({ length: 12 }, other.make)) if (!judged.isValid(value)) judged.expectRefuses(value)
  }
})

test('a sentence that was damaged is accepted only where it is still valid', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seeded(seed)
    const judged = judge(makeSamples(seed)(3).schema)
    for (let i = 0; i < 20; i++) {
      const characters = Array.from(judged.grammar.sentence(random))
      if (characters.length > 400) continue
      const at = random.below(characters.length)
      characters.splice(
        at,
        random.below(2),
        ...(random.chance(0.5) ? [characters[random.below(characters.length)]!] : []),
      )
      const text = characters.join('')
      if (!judged.grammar.accepts(text)) continue
      expect([text, judged.isValid(JSON.parse(text))]).toEqual([text, true])
    }
  }
})
