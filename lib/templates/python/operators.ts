import {
  ArrayValue,
  BooleanValue,
  FloatValue,
  IntegerValue,
  isArray,
  isInteger,
  isString,
  isUndefined,
  numberOf,
  StringValue,
  TupleValue,
  type Value,
} from '../jinja-runtime.js'
import { listSteps, textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { contains, equal, order } from './compare.js'
import { typeName } from './types.js'
import { written } from './write.js'

/** What an operator makes of two values in Python; undefined where jinja's own arithmetic does. */
export function operated(budget: WorkBudget, operator: string, left: Value, right: Value): Value | undefined {
  switch (operator) {
    case '==':
      return new BooleanValue(equal(budget, left, right))
    case '!=':
      return new BooleanValue(!equal(budget, left, right))
    case 'in':
      return new BooleanValue(contains(budget, right, left))
    case 'not in':
      return new BooleanValue(!contains(budget, right, left))
    case '~':
      return concatenated(budget, left, right)
  }
  // Python knows nothing of what is undefined either, and jinja says so.
  if (isUndefined(left) || isUndefined(right)) return undefined
  switch (operator) {
    case '+':
      return added(budget, left, right)
    case '*':
      return repeated(budget, left, right)
    case '%':
      return remainder(left, right)
    case '<':
      return new BooleanValue(order(budget, left, right) < 0)
    case '<=':
      return new BooleanValue(order(budget, left, right) <= 0)
    case '>':
      return new BooleanValue(order(budget, left, right) > 0)
    case '>=':
      return new BooleanValue(order(budget, left, right) >= 0)
  }
  return undefined
}

function concatenated(budget: WorkBudget, left: Value, right: Value): Value {
  const [one, other] = [written(budget, left), written(budget, right)]
  // Texts are joined without being copied.
  budget.fit(one.length + other.length)
  return new StringValue(one + other)
}

function added(budget: WorkBudget, left: Value, right: Value): Value | undefined {
  if (isArray(left) && isArray(right)) {
    budget.spend(listSteps(left.value.length + right.value.length))
    const items = left.value.concat(right.value)
    return left.type === 'TupleValue' ? new TupleValue(items) : new ArrayValue(items)
  }
  if (!isString(left) && !isString(right)) return undefined
  // Python refuses numbers as well. What stands beside a text is clear with them.
  for (const value of [left, right]) {
    if (!isString(value) && numberOf(value) === undefined)
      throw new Error(`A text and ${typeName(value)} cannot be added.`)
  }
  return concatenated(budget, left, right)
}

/** Texts and lists several times. */
function repeated(budget: WorkBudget, left: Value, right: Value): Value | undefined {
  const [value, times] = isInteger(left) ? [right, left] : [left, right]
  if (!isInteger(times) || !(isString(value) || isArray(value))) return undefined
  const count = Math.max(0, times.value)
  if (isString(value)) {
    budget.fit(value.value.length * count)
    budget.spend(textSteps(value.value.length * count))
    return new StringValue(value.value.repeat(count))
  }
  budget.spend(listSteps(value.value.length * count) + count)
  const items = Array.from({ length: count }, () => value.value).flat()
  return value.type === 'TupleValue' ? new TupleValue(items) : new ArrayValue(items)
}

/** With the sign of the divisor. */
function remainder(left: Value, right: Value): Value | undefined {
  const [a, b] = [numberOf(left), numberOf(right)]
  if (a === undefined || b === undefined) return undefined
  if (b === 0) throw new Error('Nothing can be divided by 0.')
  const rest = a % b
  const result = rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
  return left.type === 'FloatValue' || right.type === 'FloatValue' ? new FloatValue(result) : new IntegerValue(result)
}
