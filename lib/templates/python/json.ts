import {
  isArray,
  isFloat,
  isInteger,
  isMapping,
  isNone,
  isString,
  isTrue,
  isUndefined,
  numberOf,
  type Value,
} from '../jinja-runtime.js'
import { keyLength, type Layout, sortSteps, spendWriting } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { writtenNumber } from './write.js'

/** How values are laid out as JSON. */
interface JsonStyle {
  /** What each level is indented by; undefined: all in one line. */
  indent: string | undefined
  item: string
  key: string
  ascii: boolean
  sorted: boolean
}

const parameters = ['ensure_ascii', 'indent', 'separators', 'sort_keys'] as const
const nonAscii = /[\x7f-\uffff]/g
const longestIndent = 1_000_000

/** The filter `tojson`, as transformers has it: by Python's `json.dumps`. */
export function toJson(
  budget: WorkBudget,
  value: Value,
  args: readonly Value[],
  named: ReadonlyMap<string, Value>,
): string {
  const style = styleOf(args, named)
  const layout: Layout = {
    indent: style.indent?.length ?? 0,
    separators: Math.max(4, style.item.length, style.key.length),
    escaped: style.ascii ? 6 : 1,
  }
  spendWriting(budget, value, layout)
  if (style.sorted) spendSorting(budget, value)
  return json(value, style, '\n')
}

function styleOf(args: readonly Value[], named: ReadonlyMap<string, Value>): JsonStyle {
  const [ascii, indent, separators, sorted] = parameters.map((name, i) => args[i] ?? named.get(name))
  const style: JsonStyle = {
    indent: indentOf(indent),
    item: ', ',
    key: ': ',
    ascii: flagOf(ascii),
    sorted: flagOf(sorted),
  }
  if (style.indent !== undefined) style.item = ','
  if (separators !== undefined && !isNone(separators)) {
    const [item, key] = isArray(separators) ? separators.value : []
    if (item === undefined || key === undefined || !isString(item) || !isString(key))
      throw new Error('The separators of tojson are two texts.')
    style.item = item.value
    style.key = key.value
  }
  return style
}

const flagOf = (value: Value | undefined): boolean => value !== undefined && isTrue(value)

function indentOf(value: Value | undefined): string | undefined {
  if (value === undefined || isNone(value) || isUndefined(value)) return undefined
  if (isString(value)) return value.value
  const width = numberOf(value) ?? Number.NaN
  // What is too wide is told by the budget, not by JavaScript.
  if (!(width <= longestIndent)) throw new Error(`The indent of tojson is a text or a number up to ${longestIndent}.`)
  return ' '.repeat(Math.max(0, width))
}

/** `line`: what begins a line of the level that the value is on. */
function json(value: Value, style: JsonStyle, line: string): string {
  if (isString(value)) return text(value.value, style)
  if (isNone(value) || isUndefined(value)) return 'null'
  if (value.type === 'BooleanValue') return String(value.value)
  if (isInteger(value) || isFloat(value)) return number(value.value, isFloat(value))
  const inner = style.indent === undefined ? '' : line + style.indent
  const wrapped = (open: string, parts: string[], close: string) =>
    parts.length === 0
      ? open + close
      : open + inner + parts.join(style.item + inner) + (style.indent === undefined ? '' : line) + close
  if (isArray(value))
    return wrapped(
      '[',
      value.value.map(each => json(each, style, inner)),
      ']',
    )
  if (!isMapping(value)) throw new Error(`A ${value.type} cannot be written as JSON.`)
  let entries = [...value.value]
  if (style.sorted) entries = entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return wrapped(
    '{',
    entries.map(([key, each]) => text(String(key), style) + style.key + json(each, style, inner)),
    '}',
  )
}

function number(value: number, isFloat: boolean): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  return writtenNumber(value, isFloat)
}

function text(value: string, { ascii }: JsonStyle): string {
  const quoted = JSON.stringify(value)
  return ascii ? quoted.replace(nonAscii, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`) : quoted
}

/**
 * Of the keys of all objects within. Called after what it costs to write them was spent, so there is an end to it.
 */
function spendSorting(budget: WorkBudget, value: Value): void {
  if (isArray(value)) for (const item of value.value) spendSorting(budget, item)
  if (!isMapping(value)) return
  let characters = 0
  for (const [key, inner] of value.value) {
    characters += keyLength(key)
    spendSorting(budget, inner)
  }
  budget.spend(4 * sortSteps(value.value.size, characters))
}
