import {
  isArray,
  isBoolean,
  isFloat,
  isFunction,
  isInteger,
  isMapping,
  isNone,
  isString,
  isUndefined,
  numberOf,
  type Value,
} from '../jinja-runtime.js'
import { lengthOf, textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { contains, equal, order } from './compare.js'
import { typeName } from './types.js'
import { written } from './write.js'

/** A test: what stands after `is`, or is named to `select` and its like. The latter may give another value. */
type Test = (value: Value, other: Value | undefined, budget: WorkBudget) => boolean

const whole = (value: Value): number => {
  const number = numberOf(value)
  if (number === undefined) throw new Error(`${typeName(value)} is neither odd nor even.`)
  return number
}

const isObject = (value: Value): boolean => isMapping(value) && value.type !== 'NamespaceValue'

const compared =
  (holds: (order: number) => boolean): Test =>
  (value, other, budget) =>
    holds(order(budget, value, wanted(other)))

const wanted = (value: Value | undefined): Value => {
  if (value === undefined) throw new Error('The test takes a second value.')
  return value
}

const equalTo: Test = (value, other, budget) => equal(budget, value, wanted(other))
const notEqualTo: Test = (value, other, budget) => !equal(budget, value, wanted(other))
const [less, atMost, greater, atLeast] = [
  compared(o => o < 0),
  compared(o => o <= 0),
  compared(o => o > 0),
  compared(o => o >= 0),
]

const cased =
  (change: (text: string) => string): Test =>
  (value, _, budget) => {
    const text = written(budget, value)
    budget.spend(textSteps(lengthOf(value)))
    return text === change(text) && text.toLowerCase() !== text.toUpperCase()
  }

/** Jinja's tests by their names. */
export const tests: ReadonlyMap<string, Test> = new Map(
  Object.entries<Test>({
    boolean: isBoolean,
    callable: isFunction,
    defined: value => !isUndefined(value),
    divisibleby: (value, other) => whole(value) % whole(wanted(other)) === 0,
    eq: equalTo,
    equalto: equalTo,
    even: value => whole(value) % 2 === 0,
    false: value => isBoolean(value) && !value.value,
    float: isFloat,
    ge: atLeast,
    greaterthan: greater,
    gt: greater,
    in: (value, other, budget) => contains(budget, wanted(other), value),
    integer: isInteger,
    iterable: value => isArray(value) || isString(value) || isUndefined(value) || isObject(value),
    le: atMost,
    lessthan: less,
    lower: cased(text => text.toLowerCase()),
    lt: less,
    mapping: isObject,
    ne: notEqualTo,
    none: isNone,
    number: value => numberOf(value) !== undefined,
    odd: value => whole(value) % 2 !== 0,
    sameas: (value, other) => value === other || (!isArray(value) && !isMapping(value) && value.value === other?.value),
    sequence: value => isArray(value) || isString(value) || isUndefined(value) || isObject(value),
    string: isString,
    true: value => isBoolean(value) && value.value,
    undefined: isUndefined,
    upper: cased(text => text.toUpperCase()),
  }),
)
