import * as v from 'valibot'
import { list, type Schema } from './check.js'

/** Token counts and positions are 32-bit on the native side. */
const maxInteger = 2 ** 31 - 1

/** A whole number. Nothing is rounded and no string is read as one. */
export function integer(min: number, max = maxInteger): Schema<number> {
  const expected = max === maxInteger ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`
  return v.pipe(
    v.number(expected),
    v.safeInteger(expected),
    v.minValue(min, expected),
    v.maxValue(max, max === maxInteger ? `a whole number of at most ${max}` : expected),
  )
}

/** A whole number of at least 0, or one word. */
export function integerOr<const Word extends string>(word: Word, max = maxInteger): Schema<number | Word> {
  const expected = `a whole number ${max === maxInteger ? 'of at least 0' : `from 0 to ${max}`}, or '${word}'`
  return v.custom<number | Word>(
    value => value === word || (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max),
    expected,
  )
}

/** A finite number. `over` leaves the least value itself out. */
export function number({ min, over, max }: { min?: number; over?: number; max?: number }): Schema<number> {
  const from = over === undefined ? `of at least ${min}` : `over ${over}`
  const between = over === undefined ? `from ${min} to ${max}` : `over ${over} and at most ${max}`
  const expected = `a number ${max === undefined ? from : between}`
  return v.pipe(
    v.number(expected),
    v.finite(expected),
    v.check(value => (over === undefined ? value >= (min ?? -Infinity) : value > over), expected),
    v.check(value => max === undefined || value <= max, expected),
    // 32-bit floats on the native side: larger would arrive there as infinity.
    v.maxValue(3e38, 'a number of at most 3e38'),
  )
}

export function oneOf<const Values extends (string | boolean)[]>(...values: Values): Schema<Values[number]> {
  const expected = list(
    values.map(value => (typeof value === 'string' ? `'${value}'` : String(value))),
    'or',
  )
  return v.custom<Values[number]>(value => values.includes(value as string | boolean), expected)
}

export const boolean: Schema<boolean> = v.boolean('true or false')

export const text: Schema<string> = v.string('a string')

export const nonEmptyString: Schema<string> = v.pipe(
  v.string('a string that is not empty'),
  v.nonEmpty('a string that is not empty'),
)

/** At most `count` strings that are neither empty nor long, as an own copy. */
export function texts(count: number, bytes: number): Schema<string[]> {
  return v.pipe(
    v.array(shortText(bytes), 'an array of strings'),
    v.maxLength(count, `an array of at most ${count} strings`),
  )
}

/** At most `count` servers as `host:port`, none of them twice, as an own copy. */
export function endpoints(count: number): Schema<string[]> {
  const expected = `an array of 1 to ${count} different strings such as '192.168.1.2:50052'`
  const isEndpoint = (each: string): boolean => {
    const port = /^[^\s:/]+:(\d{1,5})$/.exec(each)?.[1]
    return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
  }
  return v.pipe(
    v.array(v.string(expected), expected),
    v.check(
      servers =>
        servers.length >= 1 &&
        servers.length <= count &&
        servers.every(isEndpoint) &&
        new Set(servers).size === servers.length,
      expected,
    ),
  )
}

export function shortText(bytes: number): Schema<string> {
  return v.pipe(
    nonEmptyString as v.GenericSchema<string>,
    v.maxBytes(bytes, `a string of at most ${bytes} bytes in UTF-8`),
  )
}

export function callback<F extends (...args: never[]) => unknown>(): Schema<F> {
  return v.custom<F>(value => typeof value === 'function', 'a function')
}

/** By its shape, since a signal may come from another realm; and it lets itself be listened to. */
export const signal: Schema<AbortSignal> = v.custom<AbortSignal>(value => {
  const each = value as Partial<AbortSignal> | null
  if (
    typeof each !== 'object' ||
    each === null ||
    typeof each.aborted !== 'boolean' ||
    typeof each.addEventListener !== 'function' ||
    typeof each.removeEventListener !== 'function'
  )
    return false
  try {
    const listener = () => {}
    each.addEventListener('abort', listener, { once: true })
    each.removeEventListener('abort', listener)
    return true
  } catch {
    return false
  }
}, 'an AbortSignal')
