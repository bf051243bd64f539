import { isArray, isMapping, isString, isUndefined, type Key, numberOf, type Value } from '../jinja-runtime.js'
import { lengthOf, searchSteps, textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { typeName } from './types.js'

/** Whether Python's `==` holds: by what is in lists and mappings, and never between a text and something else. */
export function equal(budget: WorkBudget, left: Value, right: Value): boolean {
  budget.spend(1)
  if (isString(left) && isString(right)) {
    if (left.value.length !== right.value.length) return false
    budget.spend(textSteps(left.value.length))
    return left.value === right.value
  }
  const [a, b] = [numberOf(left), numberOf(right)]
  if (a !== undefined || b !== undefined) return a === b
  if (left.type !== right.type) return false
  if (isArray(left) && isArray(right)) {
    const others = right.value
    return left.value.length === others.length && left.value.every((item, i) => equal(budget, item, others[i]!))
  }
  if (isMapping(left) && isMapping(right)) {
    if (left.value.size !== right.value.size) return false
    for (const [key, value] of left.value) {
      budget.spend(keySteps(key))
      const other = right.value.get(key)
      if (other === undefined || !equal(budget, value, other)) return false
    }
    return true
  }
  return left.value === right.value
}

/** Less than 0 where the left comes first. Python compares numbers with numbers, texts with texts, lists with lists. */
export function order(budget: WorkBudget, left: Value, right: Value): number {
  budget.spend(1)
  if (isString(left) && isString(right)) {
    budget.spend(textSteps(Math.min(left.value.length, right.value.length)))
    return left.value < right.value ? -1 : left.value > right.value ? 1 : 0
  }
  const [a, b] = [numberOf(left), numberOf(right)]
  if (a !== undefined && b !== undefined) return a - b
  if (isArray(left) && isArray(right) && left.type === right.type) {
    for (const [i, item] of left.value.entries()) {
      const other = right.value[i]
      if (other === undefined) return 1
      if (!equal(budget, item, other)) return order(budget, item, other)
    }
    return left.value.length - right.value.length
  }
  throw new Error(`${typeName(left)} and ${typeName(right)} have no order.`)
}

/** Python's `in`. */
export function contains(budget: WorkBudget, container: Value, item: Value): boolean {
  if (isUndefined(container)) return false
  if (isArray(container)) return container.value.some(each => equal(budget, each, item))
  if (isMapping(container)) {
    budget.spend(textSteps(lengthOf(item)))
    const key = keyOf(item)
    return key !== undefined && container.value.has(key)
  }
  if (isString(container) && isString(item)) {
    budget.spend(searchSteps(container.value, item.value))
    return container.value.includes(item.value)
  }
  throw new Error(`${typeName(item)} cannot be looked for in ${typeName(container)}.`)
}

/** The key that a value is in mappings; undefined where it cannot be one. */
export function keyOf(value: Value): Key | undefined {
  return isString(value) ? value.value : numberOf(value)
}

export const keySteps = (key: Key): number => (typeof key === 'string' ? textSteps(key.length) : 0)
