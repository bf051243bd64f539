import { isArray, isFloat, isMapping, isString, type Key, type Value } from '../jinja-runtime.js'
import { spendWriting } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'

/** Characters that one of a text becomes within lists, at most. */
const escaped = 6

/** A value as Python's `str` writes it: what a template gets where it writes something that is no text. */
export function written(budget: WorkBudget, value: Value): string {
  if (isString(value)) return value.value
  if (value.type === 'UndefinedValue') return ''
  if (isArray(value) || isMapping(value)) spendWriting(budget, value, { indent: 0, separators: 4, escaped })
  return represented(value)
}

/** As Python's `repr` writes it: what stands within lists. */
function represented(value: Value): string {
  if (isString(value)) return quoted(value.value)
  if (isArray(value)) {
    const items = value.value.map(represented)
    if (value.type !== 'TupleValue') return `[${items.join(', ')}]`
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`
  }
  if (isMapping(value)) {
    const entries = [...value.value].map(([key, inner]) => `${representedKey(key)}: ${represented(inner)}`)
    return value.type === 'NamespaceValue' ? `<Namespace {${entries.join(', ')}}>` : `{${entries.join(', ')}}`
  }
  if (value.type === 'NullValue') return 'None'
  if (value.type === 'BooleanValue') return value.value === true ? 'True' : 'False'
  if (typeof value.value === 'number') return writtenNumber(value.value, isFloat(value))
  return value.type === 'UndefinedValue' ? 'Undefined' : '<function>'
}

const representedKey = (key: Key): string => (typeof key === 'string' ? quoted(key) : writtenNumber(key, false))

/** A number as Python writes it; one without a fraction is a float where it `isFloat`. */
export function writtenNumber(value: number, isFloat: boolean): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  const size = Math.abs(value)
  if (!isFloat) return size < 1e21 ? String(value) : BigInt(value).toString()
  if (Object.is(value, -0)) return '-0.0'
  const short = value !== 0 && (size >= 1e16 || size < 1e-4) ? value.toExponential() : String(value)
  const [digits, exponent] = short.split('e') as [string, string?]
  if (exponent === undefined) return digits.includes('.') ? digits : `${digits}.0`
  return `${digits}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, '0')}`
}

// Not those of private use, as Python has it: in a shadow they stand for the characters of messages (input-marking.ts).
const unprintable = /[\\\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu
const short: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A text between quotes, the ones that Python takes. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(unprintable, character => short[character] ?? byCode(character))
  return quote + (quote === "'" ? body.replaceAll("'", "\\'") : body) + quote
}

function byCode(character: string): string {
  const code = character.codePointAt(0)!
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
}
