import { expectRefusal, judge } from './judge.js'

const integer = { type: 'integer' }
/** All objects of the properties, each there or not, in order. */
const subsets = (...names: string[]) =>
  Array.from({ length: 2 ** names.length }, (_, bits) =>
    Object.fromEntries(names.filter((_, i) => bits & (1 << i)).map(name => [name, 1])),
  )

describe('properties', () => {
  const properties = { a: integer, b: integer, c: integer, d: integer }

  test('each may be left out, unless it is required', () => {
    for (const required of [...subsets('a', 'b', 'c', 'd')].map(object => Object.keys(object))) {
      judge({ type: 'object', properties, required, additionalProperties: false })
        .expectSound(60)
        .expectExact([
          ...subsets('a', 'b', 'c', 'd'),
          { a: 1, b: 'x', c: 1, d: 1 },
          { e: 1 },
          { a: 1, b: 1, c: 1, d: 1, e: 1 },
        ])
    }
  })

  test('come in order, with commas between and at most a space', () => {
    judge({ type: 'object', properties, required: ['b'] })
      .expectAcceptsTexts('{"b":1}', '{"a": 1, "b":2, "c": 3}')
      .expectRefusesTexts(
        '{"b":1,"a":1}',
        '{"b":1,}',
        '{,"b":1}',
        '{"b" :1}',
        '{ "b":1}',
        '{"b":1 }',
        '{"b":  1}',
        '{"b":1,  "c":1}',
        '{"b":1}{',
        '{"b":1,"b":1}',
      )
  })

  test('none', () => {
    judge({ type: 'object', properties: {} }).expectSound(5).expectAccepts({}).expectRefusesTexts('{"a":1}')
    judge({ type: 'object', additionalProperties: false })
      .expectSound(5)
      .expectExact([{}, { a: 1 }])
    judge({ type: 'object', properties: {}, additionalProperties: false })
      .expectSound(5)
      .expectExact([{}, { a: 1 }])
  })

  test('names of every kind', () => {
    const names = [
      '',
      'a b',
      '"',
      '\\',
      '\n',
      'ä',
      '\ud83d\ude00',
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '1',
      'a.b',
      'a/b~c',
      '#',
      'x'.repeat(300),
    ]
    const value = JSON.parse(`{${names.map(name => `${JSON.stringify(name)}:1`).join()}}`)
    const schema = JSON.parse(
      `{"type":"object","properties":{${names.map(name => `${JSON.stringify(name)}:{"type":"integer"}`).join()}},"required":${JSON.stringify(names)},"additionalProperties":false}`,
    )
    const judged = judge(schema).expectSound(20)
    expect(judged.accepts(value)).toBe(true)
    expect(judged.grammar.accepts('{"__proto__":1}')).toBe(false)
  })

  test('which nothing fulfils are left out', () => {
    judge({ type: 'object', properties: { a: integer, b: false }, additionalProperties: false })
      .expectSound(10)
      .expectExact([{}, { a: 1 }, { b: 1 }])
    judge({ type: 'object', properties: { a: integer, b: false }, additionalProperties: integer })
      .expectSound(100)
      .expectExact([{}, { a: 1 }, { b: 1 }, { a: 1, b: 1 }, { c: 1 }])
    expectRefusal(
      { properties: { o: { type: 'object', properties: { b: false }, required: ['b'] } } },
      'properties.o.required',
      /names 'b', for which no value is possible/,
    )
    expectRefusal({ type: 'object', additionalProperties: false, required: ['z'] }, 'required', /names 'z'/)
  })

  test('that are required and not named', () => {
    judge({ type: 'object', properties: { a: integer }, required: ['z'] })
      .expectSound(100)
      .expectAccepts({ z: 'x' }, { a: 1, z: [] })
      .expectRefuses({}, { a: 1 })
    judge({ type: 'object', required: ['z'], additionalProperties: integer })
      .expectSound(100)
      .expectAccepts({ z: 1 }, { z: 1, b: 2 })
      .expectRefuses({}, { z: 'x' }, { z: 1, b: 'x' })
  })

  test('many', () => {
    const names = Array.from({ length: 200 }, (_, i) => `name${i}`)
    const judged = judge({
      type: 'object',
      properties: Object.fromEntries(names.map(name => [name, integer])),
      required: [names[100]],
    }).expectSound(5)
    judged
      .expectAccepts({ [names[100]!]: 1 }, { [names[3]!]: 1, [names[100]!]: 1, [names[199]!]: 1 })
      .expectRefuses({ [names[101]!]: 1 })
  })
})

describe('additionalProperties', () => {
  test('a map', () => {
    judge({ type: 'object', additionalProperties: integer })
      .expectSound()
      .expectExact([{}, { a: 1 }, { a: 1, b: 2, '"': 3 }, { a: 'x' }, { a: 1, b: 'x' }])
    judge({ type: 'object', additionalProperties: true })
      .expectSound()
      .expectAccepts({}, { a: [1] })
  })

  test('beside names, which none of the others can be', () => {
    const schema = {
      type: 'object',
      properties: { ab: { type: 'string' }, abc: { type: 'null' }, x: { type: 'boolean' } },
      required: ['ab'],
      additionalProperties: integer,
    }
    judge(schema)
      .expectSound(1000)
      .expectExact([
        { ab: 'x' },
        {
          ab: 'x',
          abc: null,
          x: true,
          '': 1,
          a: 1,
          abd: 1,
          abcd: 1,
          xx: 1,
          b: 1,
          '"': 1,
          '\\': 1,
          '\n': 1,
          '\0': 1,
          ä: 1,
          __proto__x: 1,
        },
        { ab: 'x', abc: 1 },
        { ab: 1 },
        { ab: 'x', a: 'x' },
        { a: 1 },
        {},
      ])
      .expectRefusesTexts(
        '{"ab":"x","\\u0061b":1}',
        '{"ab":"x","ab":1}',
        '{"ab":"x","abc":1}',
        '{"ab":"x",}',
        '{"ab":"x" ,"a":1}',
      )
    judge({ type: 'object', properties: { a: integer, b: integer }, additionalProperties: { type: 'string' } })
      .expectSound(500)
      .expectExact([
        {},
        { a: 1 },
        { b: 1 },
        { a: 1, b: 1 },
        { a: 1, c: 'x' },
        { b: 1, c: 'x', d: 'y' },
        { c: 'x' },
        { c: 1 },
        { a: 'x' },
      ])
    judge({
      type: 'object',
      properties: { '': integer, '\ud83d\ude00"': integer },
      additionalProperties: { type: 'string' },
    })
      .expectSound(500)
      .expectExact([{ '': 1, a: 'x' }, { '': 'x' }, { '\ud83d\ude00"': 1, '\ud83d\ude00': 'x', '"': 'y' }])
  })

  test('names that are too long for it', () => {
    expectRefusal(
      { properties: { o: { properties: { ['x'.repeat(201)]: true }, additionalProperties: true } } },
      'properties.o',
      /more than 200 characters/,
    )
  })
})

describe('minProperties and maxProperties', () => {
  const objects = [...subsets('a', 'b', 'c')]
  const closed = { type: 'object', properties: { a: integer, b: integer, c: integer }, additionalProperties: false }

  test('of named properties', () => {
    for (const limits of [
      { minProperties: 0 },
      { minProperties: 1 },
      { minProperties: 3 },
      { maxProperties: 3 },
      { maxProperties: 9 },
      { maxProperties: 0 },
      { minProperties: 1, maxProperties: 3 },
    ])
      judge({ ...closed, ...limits })
        .expectSound(60)
        .expectExact(objects)
    judge({ ...closed, required: ['b'], minProperties: 1 })
      .expectSound(60)
      .expectExact(objects)
    judge({ ...closed, required: ['b', 'c'], minProperties: 2, maxProperties: 2 })
      .expectSound(60)
      .expectExact(objects)
    expectRefusal({ ...closed, minProperties: 2 }, 'minProperties', /leaves a choice/)
    expectRefusal({ ...closed, maxProperties: 2 }, 'maxProperties', /leaves a choice/)
    expectRefusal({ ...closed, minProperties: 4 }, 'minProperties', /asks for 4 properties, and the schema names 3/)
    expectRefusal(
      { ...closed, required: ['a', 'b'], maxProperties: 1 },
      'schema',
      /required names more properties than maxProperties/,
    )
  })

  test('of a map', () => {
    for (const limits of [
      { minProperties: 1 },
      { maxProperties: 2 },
      { minProperties: 1, maxProperties: 1 },
      { maxProperties: 0 },
    ])
      judge({ type: 'object', additionalProperties: integer, ...limits })
        .expectSound(60)
        .expectExact(objects)
    expectRefusal({ type: 'object', minProperties: 2 }, 'minProperties', /as 1 for one without names/)
    expectRefusal(
      { type: 'object', properties: { a: integer }, additionalProperties: true, maxProperties: 2 },
      'maxProperties',
      /both named and other/,
    )
  })
})

describe('propertyNames', () => {
  const numbers = { type: 'object', additionalProperties: { type: 'integer' } }

  test.each([
    true,
    {},
    { type: 'string' },
    { type: ['string', 'null'], description: 'a name' },
    { anyOf: [{ type: 'string' }, { const: 'a' }] },
  ])('%j says nothing', propertyNames => {
    const judged = judge({ ...numbers, propertyNames }).expectSound(100)
    expect(judged.text).toBe(judge(numbers).text)
    judge({ ...numbers, propertyNames, properties: { a: { type: 'string' } } })
      .expectSound(100)
      .expectAccepts({ a: 'x', b: 5 })
  })

  const objects = [{}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }, { c: 3 }, { a: 1, c: 3 }, { a: 'x' }, { a: 1, b: 2, c: 3 }]

  test.each<[unknown]>([
    [{ enum: ['a', 'b'] }],
    [{ type: 'string', enum: ['a', 'b', 5] }],
    [{ anyOf: [{ const: 'a' }, { const: 'b' }] }],
    [{ $ref: '#/$defs/name' }],
    [{ enum: ['a', 'b', 'long'], maxLength: 1 }],
  ])('%j lists the names', propertyNames => {
    const $defs = { name: { enum: ['a', 'b'] } }
    judge({ ...numbers, $defs, propertyNames })
      .expectSound(100)
      .expectExact(objects)
    judge({ ...numbers, $defs, propertyNames, required: ['a', 'b'] })
      .expectSound(100)
      .expectExact(objects)
    judge({ ...numbers, $defs, propertyNames, required: ['b'] })
      .expectSound(100)
      .expectExact(objects)
    judge({ ...numbers, $defs, propertyNames, minProperties: 1 })
      .expectSound(100)
      .expectExact(objects)
    judge({ ...numbers, $defs, propertyNames, properties: { b: { type: 'integer', minimum: 2 }, c: true } })
      .expectSound(100)
      .expectExact([{}, { b: 2 }, { b: 1 }, { b: 2, a: 1 }, { c: 3 }])
    judge({ $defs, propertyNames, properties: { b: true } })
      .expectSound(100)
      .expectAccepts({ b: 1 })
    judge({ $defs, propertyNames }).expectSound(100).expectAccepts({ a: 1, b: [] }).expectRefuses({ c: 1 })
  })

  test.each([
    [{ pattern: '^a+$' }],
    [{ minLength: 2, maxLength: 3 }],
    [{ format: 'uuid' }],
    [{ anyOf: [{ enum: ['x', 'y'] }, { pattern: '^a+$' }] }],
    [{ maxLength: 0 }],
  ])('%j says how names are', propertyNames => {
    const names = ['', 'a', 'aa', 'aaaa', 'x', 'ab', 'äö', '123e4567-e89b-12d3-a456-426614174000']
    judge({ ...numbers, propertyNames })
      .expectSound(100)
      .expectExact([{}, ...names.map(name => ({ [name]: 1 })), ...names.map(name => ({ [name]: 'x' }))])
    judge({ ...numbers, propertyNames, minProperties: 1 })
      .expectSound(100)
      .expectRefuses({})
  })

  test('that no name fulfils', () => {
    judge({ ...numbers, propertyNames: false })
      .expectSound(5)
      .expectExact(objects)
    judge({ ...numbers, propertyNames: { type: 'integer' } })
      .expectSound(5)
      .expectExact(objects)
    expectRefusal(
      { ...numbers, propertyNames: { enum: ['a'] }, required: ['b'] },
      'required',
      /names 'b', which is none of propertyNames/,
    )
  })

  test('together with another', () => {
    judge({ allOf: [{ propertyNames: { enum: ['a', 'b', 'c'] } }, { propertyNames: { enum: ['a', 'b'] } }, numbers] })
      .expectSound(50)
      .expectExact(objects)
    judge({ anyOf: [{ type: 'string' }, { ...numbers, propertyNames: { const: 'a' } }] })
      .expectSound(50)
      .expectExact(objects)
  })

  test('what is not supported', () => {
    expectRefusal(
      { ...numbers, propertyNames: { pattern: '^a' }, properties: { a: true } },
      'propertyNames',
      /only where it lists names itself/,
    )
    expectRefusal(
      { ...numbers, propertyNames: { pattern: '^a' }, required: ['a'] },
      'propertyNames',
      /only where it lists names itself/,
    )
    // whether or not others may come, and whatever the named ones may be
    for (const others of [undefined, false, true]) {
      for (const named of [
        ...(others === false ? [] : [{ required: ['b'] }]),
        { properties: { b: true } },
        { properties: { aa: false } },
      ])
        expectRefusal(
          { propertyNames: { pattern: '^a+$' }, additionalProperties: others, ...named },
          'propertyNames',
          /only where it lists names itself/,
        )
    }
    expectRefusal({ ...numbers, propertyNames: { not: {} } }, 'propertyNames.not', /is not supported/)
    expectRefusal({ ...numbers, propertyNames: 5 }, 'propertyNames', /must be a schema/)
    expectRefusal(
      { propertyNames: { enum: ['a'] }, enum: [{ a: 1 }] },
      'enum',
      /lists an object where other keywords speak of objects too/,
    )
  })
})
