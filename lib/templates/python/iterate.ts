import {
  IntegerValue,
  isArray,
  isMapping,
  isString,
  isUndefined,
  type Key,
  StringValue,
  TupleValue,
  type Value,
} from '../jinja-runtime.js'
import { elementSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { typeName } from './types.js'

/** What a loop goes through: of a mapping its keys, of a text its characters, of what is undefined nothing. */
export function iterated(budget: WorkBudget, value: Value): readonly Value[] {
  if (isArray(value)) return value.value
  if (isUndefined(value)) return []
  if (isString(value)) {
    budget.spend(elementSteps(value.value.length))
    return Array.from(value.value, character => new StringValue(character))
  }
  if (isMapping(value) && value.type !== 'NamespaceValue') return keys(budget, value.value)
  throw new Error(`A loop goes through lists, mappings and texts, not through ${typeName(value)}.`)
}

export function keys(budget: WorkBudget, map: ReadonlyMap<Key, Value>): Value[] {
  budget.spend(elementSteps(map.size))
  return Array.from(map.keys(), keyValue)
}

/** Pairs of keys and values. */
export function entries(budget: WorkBudget, map: ReadonlyMap<Key, Value>): Value[] {
  budget.spend(elementSteps(2 * map.size))
  return Array.from(map, ([key, value]) => new TupleValue([keyValue(key), value]))
}

function keyValue(key: Key): Value {
  return typeof key === 'string' ? new StringValue(key) : new IntegerValue(key)
}
