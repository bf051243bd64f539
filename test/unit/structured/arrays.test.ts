import { expectRefusal, judge } from './judge.js'

const integer = { type: 'integer' }
const ones = (length: number) => Array.from({ length }, () => 1)

describe('items', () => {
  test('every length within, and none outside', () => {
    const arrays = Array.from({ length: 12 }, (_, i) => ones(i))
    for (const limits of [
      {},
      { minItems: 1 },
      { minItems: 3 },
      { maxItems: 4 },
      { minItems: 2, maxItems: 5 },
      { minItems: 1, maxItems: 1 },
      { maxItems: 0 },
      { maxItems: 1 },
      { minItems: 0 },
    ]) {
      judge({ type: 'array', items: integer, ...limits })
        .expectSound(60)
        .expectExact([...arrays, [1, 'x'], ['x']])
    }
  })

  test('with commas between and at most a space', () => {
    judge({ type: 'array', items: integer })
      .expectAcceptsTexts('[]', '[1]', '[1, 2,3]')
      .expectRefusesTexts('[,1]', '[1,]', '[1 ,2]', '[ 1]', '[1 ]', '[1,  2]', '[1 2]', '[')
  })

  test('many', () => {
    judge({ type: 'array', items: integer, minItems: 1500, maxItems: 2500 })
      .expectSound(2)
      .expectAccepts(ones(1500), ones(2000), ones(2500))
      .expectRefuses(ones(1499), ones(2501))
    expectRefusal(
      { properties: { a: { type: 'array', items: integer, minItems: 100_002 } } },
      'properties.a',
      /more than 100000/,
    )
  })

  test('of objects and arrays', () => {
    judge({
      type: 'array',
      items: {
        type: 'array',
        items: { type: 'object', properties: { a: integer }, required: ['a'], additionalProperties: false },
      },
    })
      .expectSound()
      .expectExact([[], [[]], [[{ a: 1 }], [{ a: 2 }, { a: 3 }]], [{ a: 1 }], [[{}]]])
  })

  test('false', () => {
    judge({ type: 'array', items: false })
      .expectSound(5)
      .expectExact([[], [1]])
    expectRefusal({ type: 'array', items: false, minItems: 1 }, 'minItems', /asks for 1 items, and 0 are possible/)
  })

  test('uniqueItems', () => {
    judge({ type: 'array', items: integer, uniqueItems: false }).expectSound(5)
    expectRefusal({ type: 'array', uniqueItems: true }, 'uniqueItems', /is not supported/)
  })
})

describe('prefixItems', () => {
  const prefixItems = [{ type: 'string' }, integer, { type: 'boolean' }]
  const full = ['a', 1, true, null, null, null]
  const arrays = [...Array.from({ length: 7 }, (_, i) => full.slice(0, i)), ['a', 'b'], [1], ['a', 1, true, 5]]

  test('with every limit', () => {
    for (const items of [{ type: 'null' }, false]) {
      for (let minItems = 0; minItems <= 5; minItems++) {
        for (let maxItems = Math.max(minItems, 0); maxItems <= 6; maxItems++) {
          if (items === false && minItems > 3) continue
          judge({ type: 'array', prefixItems, items, minItems, maxItems }).expectSound(20).expectExact(arrays)
        }
      }
    }
  })

  test('without items', () => {
    judge({ type: 'array', prefixItems })
      .expectSound(60)
      .expectAccepts(...arrays.slice(0, 4))
      .expectRefuses(['a', 'b'])
      .expectRefusesTexts('["a",1,true,null]')
    judge({ type: 'array', prefixItems, minItems: 5 })
      .expectSound(60)
      .expectAccepts(full.slice(0, 5), [...full, 'x'])
    expectRefusal(
      { type: 'array', prefixItems, items: false, minItems: 4 },
      'minItems',
      /asks for 4 items, and 3 are possible/,
    )
  })

  test('of which one is impossible', () => {
    judge({ type: 'array', prefixItems: [integer, false, integer] })
      .expectSound(10)
      .expectExact([[], [1], [1, 1]])
  })

  test('as draft-07 writes it', () => {
    judge({ type: 'array', items: prefixItems, additionalItems: { type: 'null' } }, 7)
      .expectSound(60)
      .expectExact(arrays)
    judge({ type: 'array', items: prefixItems, additionalItems: false }, 7).expectSound(60).expectExact(arrays)
    expectRefusal(
      { type: 'array', items: integer, additionalItems: false },
      'additionalItems',
      /needs an array as 'items'/,
    )
    expectRefusal({ type: 'array', items: [integer], prefixItems: [integer] }, 'prefixItems', /cannot stand beside/)
  })
})
