import { decimal } from '../../../lib/structured/json-schema/decimal.js'
import { seeded } from '../../tools/random.js'
import { expectRefusal, judge } from './judge.js'

describe('integers', () => {
  test('every one in a range, and none outside', () => {
    const around = Array.from({ length: 400 }, (_, i) => i - 150)
    judge({ type: 'integer', minimum: -5, maximum: 120 }).expectSound().expectExact(around)
    judge({ type: 'integer', exclusiveMinimum: -5, exclusiveMaximum: 120 }).expectSound().expectExact(around)
    judge({ type: 'integer', minimum: -0.5, maximum: 9.5 }).expectSound().expectExact(around)
    judge({ type: 'integer', minimum: -120.5, exclusiveMaximum: -9.2 }).expectSound().expectExact(around)
  })

  test('ranges of every kind', () => {
    const random = seeded(5)
    for (let i = 0; i < 150; i++) {
      const size = 10 ** random.below(5)
      const low = random.below(2 * size) - size
      const high = low + random.below(size + 1)
      const bounds = {
        [random.chance(0.5) ? 'minimum' : 'exclusiveMinimum']: low - 1,
        [random.chance(0.5) ? 'maximum' : 'exclusiveMaximum']: high + 1,
      }
      const near = [low, high, 0].flatMap(each => Array.from({ length: 25 }, (_, j) => each + j - 12))
      const far = Array.from({ length: 60 }, () => random.below(4 * size) - 2 * size)
      judge({ type: 'integer', ...bounds })
        .expectSound(40, i)
        .expectExact([...near, ...far])
    }
  })

  test('open at one end', () => {
    judge({ type: 'integer', minimum: 0 })
      .expectSound()
      .expectExact([0, 1, 9, 10, 123456789012345, -1, -10])
      .expectRefusesTexts('-0', '00', '1.0', '1e3')
    judge({ type: 'integer', minimum: 17 }).expectSound().expectExact([16, 17, 18, 20, 99, 100, 1e14, 6, -17, 170])
    judge({ type: 'integer', maximum: -17 }).expectSound().expectExact([-16, -17, -18, -20, -99, -100, -1e14, 0, 17])
    judge({ type: 'integer', exclusiveMaximum: 0 }).expectSound().expectExact([-1, 0, 1, -10])
    judge({ type: 'integer', maximum: 0 }).expectSound().expectExact([-1, 0, 1, -10])
  })

  test('the largest ones', () => {
    const largest = Number.MAX_SAFE_INTEGER
    judge({ type: 'integer', minimum: -largest, maximum: largest })
      .expectSound()
      .expectAccepts(largest, -largest, 0, 1e15)
      .expectRefusesTexts('9007199254740992', '-9007199254740992')
    judge({ type: 'integer', maximum: 1e300 })
      .expectSound()
      .expectAccepts(largest)
      .expectRefusesTexts('9007199254740992')
    judge({ type: 'integer', minimum: -1e300 }).expectSound()
    judge({ type: 'integer' })
      .expectSound()
      .expectAccepts(0, 999999999999999, -999999999999999)
      .expectRefusesTexts('1000000000000000', '-0', '1.0', '1e2')
    expectRefusal({ type: 'integer', minimum: 2 ** 53 }, 'schema', 'allows no integer')
  })

  test('multipleOf 1', () => {
    judge({ type: 'number', multipleOf: 1, minimum: 1.5, maximum: 3 }).expectSound(30).expectExact([1, 1.5, 2, 3, 2.5])
    judge({ type: 'integer', multipleOf: 1 }).expectSound(30)
    expectRefusal(
      { properties: { age: { type: 'number', multipleOf: 0.01 } } },
      'properties.age.multipleOf',
      /supported as 1 only/,
    )
  })
})

describe('numbers', () => {
  test('without bounds', () => {
    judge({ type: 'number' })
      .expectSound()
      .expectAcceptsTexts(
        '0',
        '-1',
        '0.5',
        '-0.25',
        '123456789012345',
        '1.23456789012345',
        '12345.6789012345',
        '1e10',
        '1.5E-7',
        '2e+99',
        '0.00000000000001',
      )
      .expectRefusesTexts('1234567890123456', '1.234567890123456', '01', '1e100', '1.', '.5', '00.5')
  })

  test('decimal bounds', () => {
    const close = [
      0.05, 0.049, 0.0499999, 0.05000001, 0.1, 0.5, 1, 9.99, 10, 12.4, 12.49999999, 12.5, 12.50000001, 12.6, 13, 100,
      -0.05, -1, 0,
    ]
    judge({ type: 'number', minimum: 0.05, maximum: 12.5 }).expectSound().expectExact(close)
    judge({ type: 'number', exclusiveMinimum: 0.05, exclusiveMaximum: 12.5 }).expectSound().expectExact(close)
    judge({ type: 'number', minimum: -12.5, maximum: -0.05 })
      .expectSound()
      .expectExact(close.map(each => -each || 0))
    judge({ type: 'number', minimum: -0.05, exclusiveMaximum: 0.05 })
      .expectSound()
      .expectExact([...close, ...close.map(each => -each || 0)])
    judge({ type: 'number', minimum: 0.05, maximum: 12.5 })
      .expectAcceptsTexts('0.050', '12.50', '12.5000', '3.000')
      .expectRefusesTexts('1e1', '012', '12.', '0.05000000000000000')
  })

  test('ranges of every kind', () => {
    const random = seeded(6)
    const any = () => Number(((random.below(20001) - 10000) / 10 ** random.below(5)).toFixed(random.below(5)))
    for (let i = 0; i < 150; i++) {
      const [low, high] = [any(), any()].sort((a, b) => a - b) as [number, number]
      const bounds = {
        [random.chance(0.5) ? 'minimum' : 'exclusiveMinimum']: low,
        [random.chance(0.5) ? 'maximum' : 'exclusiveMaximum']: high + 0.5,
      }
      const steps = [1e-9, 1e-4, 0.1, 0.5, 1, 9]
      const near = [low, high + 0.5, 0].flatMap(each => steps.flatMap(step => [each - step, each, each + step]))
      const values = [...near, ...Array.from({ length: 40 }, any)]
        .map(each => Number(each.toPrecision(12)))
        .filter(each => each === 0 || Math.abs(each) > 1e-6)
      judge({ type: 'number', ...bounds })
        .expectSound(60, i)
        .expectExact(values.map(each => each || 0))
    }
  })

  test('open at one end', () => {
    judge({ type: 'number', minimum: 0 })
      .expectSound()
      .expectExact([0, 0.5, 12.25, 1e14, -0.5, -1])
      .expectRefusesTexts('-0.0', '1e5')
    judge({ type: 'number', exclusiveMinimum: 0 })
      .expectSound()
      .expectExact([0, 0.5, 1e-13, 1, 10, -1].filter(each => each !== 1e-13))
      .expectAcceptsTexts('0.0000000001')
    judge({ type: 'number', maximum: -2.75 }).expectSound().expectExact([-2.75, -2.7, -3, -20, -12345678.25, 0, 3])
    judge({ type: 'number', minimum: 99.5 }).expectSound().expectExact([99.5, 99.4, 99.6, 100, 1000.125, 9, 10])
    judge({ type: 'number', minimum: -1e300, maximum: 1e300 }).expectSound().expectAccepts(0, 5.5, -1e14)
  })

  test('bounds with seventeen digits, and very small ones', () => {
    judge({ type: 'number', minimum: 0.1 + 0.2, maximum: 1 })
      .expectSound()
      .expectExact([0.3, 0.4, 0.30000000000001])
    judge({ type: 'number', minimum: 1e-10, maximum: 2e-10 })
      .expectSound()
      .expectAcceptsTexts('0.0000000001', '0.00000000015')
      .expectRefusesTexts('0.0000000003')
    judge({ type: 'number', minimum: 5e-324, maximum: 1 }).expectSound().expectRefuses(0)
    expectRefusal(
      { type: 'number', minimum: 5e-324, maximum: 1e-300 },
      'schema',
      'allows no number of at most 15 digits',
    )
    expectRefusal({ type: 'number', minimum: 1e15 }, 'schema', 'allows no number of at most 15 digits')
  })

  test('a single one', () => {
    judge({ type: 'number', minimum: 2.5, maximum: 2.5 }).expectSound(20).expectExact([2.5, 2.4, 2.6, 2, 3])
    judge({ type: 'number', minimum: 0, maximum: 0 }).expectSound(20).expectExact([0, 1, 0.1])
  })

  test('minimum beside exclusiveMinimum', () => {
    judge({ type: 'integer', minimum: 3, exclusiveMinimum: 3, maximum: 6, exclusiveMaximum: 9 })
      .expectSound(30)
      .expectExact([2, 3, 4, 5, 6, 7, 9])
  })
})

test.each([
  [0, '0', ''],
  [1, '1', ''],
  [0.05, '0', '05'],
  [12.5, '12', '5'],
  [1e21, '1000000000000000000000', ''],
  [1e-7, '0', '0000001'],
  [123456.789, '123456', '789'],
  [0.1 + 0.2, '0', '30000000000000004'],
  [100, '100', ''],
])('the digits of %d', (value, integer, fraction) => {
  expect(decimal(value)).toEqual({ integer, fraction })
})
