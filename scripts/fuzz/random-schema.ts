import type { SeededRandom } from '../../test/tools/tiny-random.js'

const types = ['string', 'number', 'integer', 'boolean', 'null', 'array', 'object']
const patterns = [
  '^a+$',
  '^[A-Z]{2}-\\d+$',
  'x',
  '^(a|b)*$',
  '(a+)+$',
  '^\\p{L}{1,3}$',
  '^.{0,300}$',
  '^[^"]*$',
  '[',
  '^(?=a)',
  '\\b',
  '^((a{0,50}){0,50})$',
  '^\\u{1F600}$',
  '^a{3,1}$',
  '',
]
const formats = [
  'date',
  'time',
  'date-time',
  'email',
  'uuid',
  'ipv4',
  'ipv6',
  'hostname',
  'uri',
  'duration',
  'unheard-of',
  'toString',
]
const keys = [
  'a',
  'b',
  'ab',
  '',
  'a b',
  '"',
  'ä',
  '__proto__',
  'constructor',
  'toString',
  '\n',
  '\ud83d',
  'x'.repeat(70),
  '0',
]
const numbers = [
  0,
  1,
  2,
  3,
  -1,
  5,
  10,
  0.5,
  -0.25,
  100,
  1e3,
  1e6,
  2 ** 31,
  2 ** 53,
  1e21,
  1e308,
  -1e308,
  5e-324,
  -0,
  0.1,
  1 / 3,
]

/** A JSON schema, or what looks like one. `hostile`: may hold what is no JSON, or behaves as no JSON does. */
export function randomSchema(random: SeededRandom, hostile: boolean): unknown {
  const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)]!
  const chance = (probability: number): boolean => random.uniform() < probability
  const list = <T>(max: number, make: () => T): T[] => Array.from({ length: random.integer(max + 1) }, make)

  const value = (depth: number): unknown =>
    pick([
      () => pick(numbers),
      () => pick(keys),
      () => pick(formats),
      () => null,
      () => chance(0.5),
      () => (depth <= 0 ? 1 : list(3, () => value(depth - 1))),
      () => (depth <= 0 ? 'x' : Object.fromEntries(list(3, () => [pick(keys), value(depth - 1)]))),
    ])()
  /** What a keyword mostly has, and now and then anything else. */
  const mostly = (usual: () => unknown): unknown => (chance(0.02) ? value(2) : usual())
  const count = () => pick([0, 1, 2, 3, 4, 7, 20, 300, 99_999, 1e9, 1.5, -1])

  const keywords: Record<string, (depth: number) => unknown> = {
    type: () => (chance(0.8) ? pick(types) : list(3, () => pick(types))),
    enum: () => (chance(0.02) ? Array.from({ length: 30_000 }, (_, i) => `v${i}`) : list(5, () => value(2))),
    const: () => value(2),
    properties: depth => Object.fromEntries(list(4, () => [pick(keys), schema(depth - 1)])),
    required: () => list(3, () => pick(keys)),
    additionalProperties: depth => (chance(0.5) ? chance(0.5) : schema(depth - 1)),
    propertyNames: () => pick([{ enum: list(3, () => pick(keys)) }, { pattern: pick(patterns) }, { maxLength: 3 }]),
    minProperties: count,
    maxProperties: count,
    minItems: count,
    maxItems: count,
    minLength: count,
    maxLength: count,
    items: depth => schema(depth - 1),
    prefixItems: depth => list(3, () => schema(depth - 1)),
    pattern: () => pick(patterns),
    format: () => pick(formats),
    minimum: () => pick(numbers),
    maximum: () => pick(numbers),
    exclusiveMinimum: () => pick(numbers),
    exclusiveMaximum: () => pick(numbers),
    anyOf: depth => list(chance(0.05) ? 40 : 3, () => schema(depth - 1)),
    oneOf: depth => list(3, () => schema(depth - 1)),
    allOf: depth => list(3, () => schema(depth - 1)),
    $ref: () =>
      pick([
        '#',
        '#/$defs/a',
        '#/$defs/b',
        '#/definitions/a',
        '#/properties/a',
        'https://example.com',
        '#/$defs/%',
        '#/$defs/a/items',
      ]),
    $defs: depth => Object.fromEntries(list(3, () => [pick(['a', 'b']), schema(depth - 1)])),
    description: () => 'words',
    title: () => 'words',
    default: () => value(1),
    multipleOf: () => pick(numbers),
    uniqueItems: () => chance(0.5),
    not: depth => schema(depth - 1),
    if: depth => schema(depth - 1),
  }
  const common = [
    'type',
    'properties',
    'items',
    'required',
    'anyOf',
    'enum',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
    'minimum',
    'maximum',
    'pattern',
    '$ref',
  ]
  const byType: Record<string, string[]> = {
    string: ['minLength', 'maxLength', 'pattern', 'format'],
    number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
    integer: ['minimum', 'maximum'],
    array: ['items', 'prefixItems', 'minItems', 'maxItems'],
    object: ['properties', 'required', 'additionalProperties'],
    boolean: [],
    null: [],
  }
  const schema = (depth: number): unknown => {
    if (hostile && chance(0.08)) return hostility()
    if (chance(0.05)) return chance(0.8)
    const made: Record<string, unknown> = {}
    const type = pick(types)
    if (chance(0.7)) {
      made['type'] = type
      for (const key of byType[type]!) if (depth > 0 && chance(0.5)) made[key] = mostly(() => keywords[key]!(depth))
    } else {
      const names = chance(0.7) ? common : Object.keys(keywords)
      for (let i = random.integer(4); i >= 0; i--) {
        const key = pick(names)
        made[key] =
          depth <= 0 && /Of$|tems$|roperties$|defs$|not|if/.test(key) ? undefined : mostly(() => keywords[key]!(depth))
      }
    }
    if (chance(0.1)) made['$defs'] = keywords['$defs']!(depth)
    return made
  }

  /** What no JSON does. */
  const hostility = (): unknown =>
    pick([
      () => {
        const self: Record<string, unknown> = { type: 'object' }
        self['properties'] = { a: self }
        return self
      },
      () => ({
        get type() {
          throw new Error('a getter')
        },
      }),
      () => ({
        get type(): unknown {
          return {
            toString() {
              throw new Error('a text')
            },
          }
        },
      }),
      () =>
        new Proxy(
          {},
          {
            get: (_, key) => {
              throw new Error(String(key))
            },
            ownKeys: () => {
              throw new TypeError('keys')
            },
          },
        ),
      () => {
        const endless: object = new Proxy(
          {},
          {
            get: () => endless,
            has: () => true,
            ownKeys: () => ['a', 'type'],
            getOwnPropertyDescriptor: () => ({ value: endless, enumerable: true, configurable: true }),
          },
        )
        return endless
      },
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      },
      () => new Proxy([], { get: (target, key) => (key === 'length' ? 2 ** 32 : Reflect.get(target, key)) }),
      () => 5n,
      () => () => 1,
      () => Symbol('s'),
      () => Number.NaN,
      () => new Date(),
      () => new Map(),
      () => undefined,
      () => Infinity,
      () => {
        let deep: unknown = {}
        for (let i = 0; i < 20_000; i++) deep = { items: deep }
        return deep
      },
      () => ({
        '~standard': {
          version: 1,
          vendor: pick([
            5n,
            'x',
            {
              toString() {
                throw new Error('vendor')
              },
            },
          ]),
          validate: () => null,
          jsonSchema: pick([
            undefined,
            { input: () => pick([null, undefined, 5, [], {}]) },
            {
              input: () => {
                throw { toString: null }
              },
            },
          ]),
        },
      }),
      () => ({
        type: 'string',
        toJSON: () => {
          throw new Error('json')
        },
      }),
      () => Object.assign(Object.create({ type: 'string' }), { minLength: 1 }),
      () => ({ enum: Array.from({ length: 200 }, (_, i) => 'x'.repeat(i * 40)) }),
    ])()
  return hostile && chance(0.2) ? hostility() : schema(1 + random.integer(4))
}
