import { isArray, isInteger, isMapping, isString, StringValue, UndefinedValue, type Value } from '../jinja-runtime.js'
import { lengthOf, textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { method } from './arguments.js'
import { keyOf } from './compare.js'
import { mappingMethods } from './mapping-methods.js'
import { textMethods } from './text-methods.js'
import { typeName } from './types.js'

/** The method of a value by its name; undefined where it has none. */
export function methodOf(budget: WorkBudget, object: Value, name: string): Value | undefined {
  if (isString(object)) {
    const call = textMethods.get(name)
    return call && method(name, args => call(object.value, args, budget))
  }
  if (!isMapping(object) || object.type === 'NamespaceValue') return undefined
  const call = mappingMethods.get(name)
  return call && method(name, args => call(object.value, args, budget))
}

/** What lies under a key or at a place. */
export function itemOf(budget: WorkBudget, object: Value, wanted: Value): Value | undefined {
  budget.spend(textSteps(lengthOf(wanted)))
  if (isMapping(object)) {
    const key = keyOf(wanted)
    return key === undefined ? undefined : object.value.get(key)
  }
  if (!isInteger(wanted)) return undefined
  if (isArray(object)) return object.value.at(wanted.value)
  if (!isString(object)) return undefined
  // The text is put together first, if it was joined.
  budget.spend(textSteps(object.value.length))
  const character = object.value.at(wanted.value)
  return character === undefined ? undefined : new StringValue(character)
}

/** An item of a list whose place is known. */
export function at(list: Value, place: number): Value {
  return (isArray(list) ? list.value[place] : undefined) ?? new UndefinedValue()
}

/** What filters call an attribute: a name, a place, or several of them with dots between. */
export function attributeOf(budget: WorkBudget, value: Value, attribute: Value): Value {
  if (isInteger(attribute)) return itemOf(budget, value, attribute) ?? new UndefinedValue()
  if (!isString(attribute)) throw new Error(`An attribute is a text or a number, not ${typeName(attribute)}.`)
  budget.spend(textSteps(8 * attribute.value.length))
  let found: Value | undefined = value
  for (const part of attribute.value.split('.')) {
    if (found === undefined) break
    budget.spend(1)
    if (isMapping(found)) found = found.value.get(part)
    else if (isArray(found) && /^\d+$/.test(part)) found = found.value[Number(part)]
    else found = undefined
  }
  return found ?? new UndefinedValue()
}
