import {
  ArrayValue,
  FloatValue,
  IntegerValue,
  isArray,
  isBoolean,
  isFloat,
  isInteger,
  isMapping,
  isNone,
  isString,
  isTrue,
  isUndefined,
  numberOf,
  StringValue,
  UndefinedValue,
  type Value,
} from '../jinja-runtime.js'
import { listSteps, sortSteps, spendIndenting, spendReplacing, textSteps, trimmingSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import type { Arguments } from './arguments.js'
import { equal, order } from './compare.js'
import { entries, iterated } from './iterate.js'
import { joined } from './join.js'
import { toJson } from './json.js'
import { at, attributeOf } from './members.js'
import { tests } from './tests.js'
import { capitalized, replaced, trimmed } from './texts.js'
import { typeName } from './types.js'
import { written } from './write.js'

/** A filter. `apply` is any filter by its name, for those that apply others. */
export type Filter = (value: Value, args: Arguments, budget: WorkBudget, apply: Apply) => Value
export type Apply = (name: string, value: Value, args: readonly Value[]) => Value

const text = (value: string): Value => new StringValue(value)
const list = (items: readonly Value[]): Value => new ArrayValue(items)
const nothing = (): Value => new UndefinedValue()

/** A filter that takes whatever there is as text. */
const changed =
  (change: (text: string) => string): Filter =>
  (value, _, budget) => {
    const given = written(budget, value)
    budget.spend(2 * textSteps(given.length))
    return text(change(given))
  }

const count: Filter = value => {
  if (isUndefined(value)) return new IntegerValue(0)
  if (isString(value) || isArray(value)) return new IntegerValue(value.value.length)
  if (isMapping(value) && value.type !== 'NamespaceValue') return new IntegerValue(value.value.size)
  throw new Error(`${typeName(value)} has no length.`)
}

const byDefault: Filter = (value, args) => {
  const isMissing = isUndefined(value) || (args.flag(1, 'boolean') && !isTrue(value))
  return isMissing ? (args.get(0, 'default_value') ?? text('')) : value
}

/** What there is of none and of nothing: nothing. */
const itemsOf = (budget: WorkBudget, value: Value): readonly Value[] => (isNone(value) ? [] : iterated(budget, value))

const selected =
  (wanted: boolean, byAttribute: boolean): Filter =>
  (value, args, budget) => {
    const attribute = byAttribute ? args.get(0) : undefined
    if (byAttribute && attribute === undefined) throw new Error(`${args.callee} takes the name of an attribute.`)
    const [name, other] = args.list.slice(byAttribute ? 1 : 0)
    const testName = name === undefined ? undefined : written(budget, name)
    const test = testName === undefined ? isTrue : tests.get(testName)
    if (test === undefined) throw new Error(`There is no test ${testName}.`)
    return list(
      itemsOf(budget, value).filter(item => {
        budget.spend(2)
        return test(attribute === undefined ? item : attributeOf(budget, item, attribute), other, budget) === wanted
      }),
    )
  }

const mapped: Filter = (value, args, budget, apply) => {
  const items = itemsOf(budget, value)
  budget.spend(2 * items.length)
  const attribute = args.named.get('attribute')
  if (attribute !== undefined) {
    const missing = args.named.get('default')
    return list(
      items.map(item => {
        const found = attributeOf(budget, item, attribute)
        return isUndefined(found) ? (missing ?? found) : found
      }),
    )
  }
  const name = args.wantedText(0)
  return list(items.map(item => apply(name, item, args.list.slice(1))))
}

/** What values are sorted and compared by: an attribute, and texts without their case where nothing else is said. */
function comparedBy(budget: WorkBudget, value: Value, attribute: Value | undefined, byCase: boolean): Value {
  const found = attribute === undefined || isNone(attribute) ? value : attributeOf(budget, value, attribute)
  if (byCase || !isString(found)) return found
  budget.spend(textSteps(2 * found.value.length))
  return text(found.value.toLowerCase())
}

function sorted(
  budget: WorkBudget,
  items: readonly Value[],
  key: (item: Value) => Value,
  isReversed: boolean,
): readonly Value[] {
  budget.spend(listSteps(2 * items.length) + sortSteps(items.length, 0))
  const keyed = items.map(item => ({ item, key: key(item) }))
  const sign = isReversed ? -1 : 1
  return keyed.sort((a, b) => sign * order(budget, a.key, b.key)).map(({ item }) => item)
}

const extreme =
  (sign: 1 | -1): Filter =>
  (value, args, budget) => {
    const byCase = args.flag(0, 'case_sensitive')
    let best: { item: Value; key: Value } | undefined
    for (const item of iterated(budget, value)) {
      const key = comparedBy(budget, item, args.get(1, 'attribute'), byCase)
      if (best === undefined || sign * order(budget, key, best.key) < 0) best = { item, key }
    }
    return best?.item ?? nothing()
  }

const unique: Filter = (value, args, budget) => {
  const plain = new Set<unknown>()
  const others: Value[] = []
  return list(
    iterated(budget, value).filter(item => {
      const key = comparedBy(budget, item, args.get(1, 'attribute'), args.flag(0, 'case_sensitive'))
      budget.spend(2)
      const simple = isString(key) ? key.value : numberOf(key)
      if (simple !== undefined) {
        budget.spend(isString(key) ? textSteps(key.value.length) : 0)
        return plain.size < plain.add(simple).size
      }
      if (others.some(other => equal(budget, key, other))) return false
      others.push(key)
      return true
    }),
  )
}

const indented: Filter = (value, args, budget) => {
  const given = written(budget, value)
  const width = args.get(0, 'width')
  const count = width === undefined ? 4 : isString(width) ? width.value.length : (numberOf(width) ?? Number.NaN)
  spendIndenting(budget, given, count)
  const by = width !== undefined && isString(width) ? width.value : ' '.repeat(Math.max(0, count))
  const lines = given.split('\n')
  const everyLine = args.flag(2, 'blank')
  return text(
    lines
      .map((line, i) =>
        i === 0 ? (args.flag(1, 'first') ? by + line : line) : line === '' && !everyLine ? '' : by + line,
      )
      .join('\n'),
  )
}

/** A number that a text begins with; Python takes white space and underscores around digits, and nothing else. */
function parsed(value: Value, pattern: RegExp): number | undefined {
  const number = numberOf(value)
  if (number !== undefined || !isString(value)) return number
  const trimmedText = trimmed(value.value, { start: true, end: true })
  return pattern.test(trimmedText) ? Number(trimmedText.replaceAll('_', '')) : undefined
}

const anyNumber = /^[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

const filters: Readonly<Record<string, Filter>> = {
  abs: value => {
    if (isFloat(value)) return new FloatValue(Math.abs(value.value))
    if (isInteger(value) || isBoolean(value)) return new IntegerValue(Math.abs(Number(value.value)))
    throw new Error(`${typeName(value)} has no absolute value.`)
  },
  capitalize: changed(capitalized),
  count,
  d: byDefault,
  default: byDefault,
  dictsort: (value, args, budget) => {
    if (!isMapping(value)) throw new Error(`dictsort takes a mapping, not ${typeName(value)}.`)
    const byCase = args.flag(0, 'case_sensitive')
    const by = args.text(1, 'by') ?? 'key'
    if (by !== 'key' && by !== 'value') throw new Error("dictsort sorts by 'key' or by 'value'.")
    const side = by === 'key' ? 0 : 1
    const pairs = entries(budget, value.value)
    const key = (pair: Value) => comparedBy(budget, at(pair, side), undefined, byCase)
    return list(sorted(budget, pairs, key, args.flag(2, 'reverse')))
  },
  first: (value, _, budget) => iterated(budget, value)[0] ?? nothing(),
  float: (value, args) => {
    const number = parsed(value, anyNumber)
    return number === undefined ? (args.get(0, 'default') ?? new FloatValue(0)) : new FloatValue(number)
  },
  indent: indented,
  int: (value, args) => {
    const number = parsed(value, anyNumber)
    return number === undefined ? (args.get(0, 'default') ?? new IntegerValue(0)) : new IntegerValue(Math.trunc(number))
  },
  items: (value, _, budget) => {
    if (isUndefined(value)) return list([])
    if (!isMapping(value)) throw new Error(`items takes a mapping, not ${typeName(value)}.`)
    return list(entries(budget, value.value))
  },
  join: (value, args, budget) => {
    const separator = args.get(0, 'd')
    const attribute = args.get(1, 'attribute')
    const items = iterated(budget, value)
    return text(
      joined(
        budget,
        attribute === undefined ? items : items.map(item => attributeOf(budget, item, attribute)),
        separator === undefined ? '' : written(budget, separator),
      ),
    )
  },
  last: (value, _, budget) => iterated(budget, value).at(-1) ?? nothing(),
  length: count,
  list: (value, _, budget) => (value.type === 'ArrayValue' ? value : list(iterated(budget, value))),
  lower: changed(given => given.toLowerCase()),
  map: mapped,
  max: extreme(-1),
  min: extreme(1),
  reject: selected(false, false),
  rejectattr: selected(false, true),
  replace: (value, args, budget) => {
    const given = written(budget, value)
    const [part, by] = [args.wantedText(0, 'old'), args.wantedText(1, 'new')]
    spendReplacing(budget, given, part, by)
    return text(replaced(given, part, by, args.count(2, 'count')))
  },
  reverse: (value, _, budget) => {
    const items = iterated(budget, value)
    budget.spend(listSteps(items.length))
    const reversed = [...items].reverse()
    return isString(value) ? text(joined(budget, reversed, '')) : list(reversed)
  },
  round: (value, args) => {
    const number = numberOf(value)
    const precision = args.count(0, 'precision') ?? 0
    if (number === undefined) throw new Error(`${typeName(value)} cannot be rounded.`)
    const factor = 10 ** precision
    const how = args.text(1, 'method') ?? 'common'
    const away = how === 'ceil' ? Math.ceil : how === 'floor' ? Math.floor : roundedToEven
    return new FloatValue(away(number * factor) / factor)
  },
  safe: value => value,
  select: selected(true, false),
  selectattr: selected(true, true),
  sort: (value, args, budget) => {
    const byCase = args.flag(1, 'case_sensitive')
    const attribute = args.get(2, 'attribute')
    const key = (item: Value) => comparedBy(budget, item, attribute, byCase)
    return list(sorted(budget, iterated(budget, value), key, args.flag(0, 'reverse')))
  },
  string: (value, _, budget) => (isString(value) ? value : text(written(budget, value))),
  sum: (value, args, budget) => {
    const attribute = args.get(0, 'attribute')
    const numbers = iterated(budget, value).map(item => {
      budget.spend(1)
      const each = attribute === undefined || isNone(attribute) ? item : attributeOf(budget, item, attribute)
      if (numberOf(each) === undefined) throw new Error(`sum adds numbers, not ${typeName(each)}.`)
      return each
    })
    const total = numbers.reduce((sum, each) => sum + numberOf(each)!, numberOf(args.get(1, 'start')) ?? 0)
    return numbers.some(isFloat) ? new FloatValue(total) : new IntegerValue(total)
  },
  title: changed(given =>
    given.replace(/[^-\s({[<]+/g, word => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()),
  ),
  tojson: (value, args, budget) => text(toJson(budget, value, args.list, args.named)),
  trim: (value, args, budget) => {
    const given = written(budget, value)
    const characters = args.text(0, 'chars')
    budget.spend(trimmingSteps(given, characters))
    return text(trimmed(given, { start: true, end: true, characters }))
  },
  unique,
  upper: changed(given => given.toUpperCase()),
  wordcount: (value, _, budget) => {
    const given = written(budget, value)
    budget.spend(textSteps(16 * given.length))
    return new IntegerValue(given.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)
  },
}

function roundedToEven(value: number): number {
  const low = Math.floor(value)
  const over = value - low
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1
}

/** Jinja's filters, by name. */
export function filterOf(name: string): Filter | undefined {
  return Object.hasOwn(filters, name) ? filters[name] : undefined
}
