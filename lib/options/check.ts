import { distance } from 'fastest-levenshtein'
import * as v from 'valibot'
import { StreamingLLMError } from '../errors.js'
import { reasonOf } from '../util/reason-of.js'

/** A schema whose issues' messages complete "must be ...". */
export type Schema<Output> = v.GenericSchema<unknown, Output>

/** One schema an option. The key type keeps the schemas and the documented types together. */
export type Schemas<Options> = { [Name in keyof Options]-?: Schema<Options[Name]> }

/** The names of the options that other calls take, by the calls' names. */
export type OptionsOfCalls = Readonly<Record<string, readonly string[]>>

/** The options of other libraries and of the paper that have another name here. */
const otherNames: Record<string, string> = {
  startsize: 'sinks',
  recentsize: 'window',
  nctx: 'cacheTokens',
  temp: 'temperature',
}

/**
 * Checks what a caller passed as options and returns a copy with the given ones alone: own enumerable properties, each
 * read once, `undefined` meaning not given. `call` names the function in messages, `others` are where else an option
 * that this one does not know may belong.
 */
export function check<Options extends object>(
  call: string,
  given: unknown,
  schemas: Schemas<Options>,
  others: OptionsOfCalls = {},
): Options {
  if (given === undefined) return {} as Options
  if (!isPlainObject(call, 'options', given))
    throw invalid(call, 'options', `the options must be an object, got ${describe(given)}`)
  return checkKeys(call, '', given, schemas, others)
}

/**
 * Runs what reads something of a caller's: what its getters and proxies throw becomes INVALID_OPTION, and the cause of
 * it.
 */
export function reading<T>(call: string, option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (StreamingLLMError.isInstance(error)) throw error
    const reason = error instanceof Error ? `: ${reasonOf(error)}` : ''
    throw new StreamingLLMError('INVALID_OPTION', `${call}: '${option}' cannot be read${reason}`, {
      cause: error,
      details: { call, option },
    })
  }
}

/** Checks one value against one schema; `where` is its path as a caller would write it. */
export function checkValue<Output>(call: string, where: string, value: unknown, schema: Schema<Output>): Output {
  const result = reading(call, where, () => v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true }))
  if (result.success) return result.output
  const issue = result.issues[0]
  const at =
    where +
    (issue.path ?? []).map(item => (typeof item.key === 'number' ? `[${item.key}]` : `.${String(item.key)}`)).join('')
  throw invalid(call, at, `'${at}' must be ${issue.message}, got ${describe(issue.input)}`, issue.message)
}

/** Checks an object that stands inside the options, such as a message or `dry`. */
export function checkObject<T extends object>(call: string, where: string, value: unknown, schemas: Schemas<T>): T {
  if (!isPlainObject(call, where, value)) {
    const expected = `an object with ${list(Object.keys(schemas), 'and')}`
    throw invalid(call, where, `'${where}' must be ${expected}, got ${describe(value)}`, expected)
  }
  return checkKeys(call, where, value, schemas)
}

function checkKeys<T extends object>(
  call: string,
  where: string,
  value: object,
  schemas: Schemas<T>,
  others: OptionsOfCalls = {},
): T {
  // An own copy: what a getter returns is read once, and what the caller does to the object later changes nothing.
  const names = Object.keys(schemas)
  const prefix = where === '' ? '' : `${where}.`
  const given = reading(call, where === '' ? 'options' : where, () => Object.keys(value))
  const own: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const name of given) {
    const each = reading(call, prefix + shorten(name), () => (value as Record<string, unknown>)[name])
    if (each === undefined) continue
    if (!Object.hasOwn(schemas, name)) throw unknown(call, prefix, name, names, others)
    own[name] = each
  }
  const checked: Record<string, unknown> = {}
  for (const name of Object.keys(own)) {
    checked[name] = checkValue(call, prefix + name, own[name], schemas[name as keyof T] as Schema<unknown>)
  }
  return checked as T
}

function isPlainObject(call: string, where: string, value: unknown): value is object {
  return typeof value === 'object' && value !== null && !reading(call, where, () => Array.isArray(value))
}

export function invalid(call: string, option: string, problem: string, expected?: string): StreamingLLMError {
  return new StreamingLLMError('INVALID_OPTION', `${call}: ${problem}`, { details: { call, option, expected } })
}

function unknown(
  call: string,
  prefix: string,
  name: string,
  names: string[],
  others: OptionsOfCalls,
): StreamingLLMError {
  const elsewhere = Object.values(others).flat()
  const suggestions = elsewhere.includes(name) ? [] : nearest(name, names)
  const theirs = elsewhere.includes(name) ? name : nearest(name, elsewhere)[0]
  const calls = Object.entries(others).flatMap(([other, its]) =>
    theirs !== undefined && its.includes(theirs) ? [`${other}()`] : [],
  )
  const help =
    suggestions.length > 0
      ? `did you mean ${list(
          suggestions.map(each => `'${prefix}${each}'`),
          'or',
        )}?`
      : calls.length > 0
        ? `${theirs === name ? 'it' : `'${theirs}'`} is an option of ${list(calls, 'and')}`
        : `the known ones are ${list(names, 'and')}`
  const message = `${call}: unknown option '${prefix}${shorten(name)}'; ${help}`
  return new StreamingLLMError('UNKNOWN_OPTION', message, {
    details: { call, option: prefix + name, suggestions, known: names },
  })
}

/** The known names that are nearest, all of those equally near, and none where nothing is near. */
export function nearest(name: string, names: string[]): string[] {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '')
  const wanted = plain(name)
  const same = Object.hasOwn(otherNames, wanted) ? otherNames[wanted] : undefined
  if (same !== undefined && names.includes(same)) return [same]
  if (name.length > 64) return []
  const ranked = names.map(each => ({ each, far: distance(wanted, plain(each)) }))
  const nearest = Math.min(...ranked.map(({ far }) => far))
  // A third of the letters may differ: enough for typing errors, too little for another word.
  return ranked
    .filter(({ each, far }) => far === nearest && far <= Math.max(1, Math.floor(plain(each).length / 3)))
    .map(({ each }) => each)
}

/** A value for a message: short, and never by a method of the value, which might throw. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `'${shorten(value)}' (string)`
  if (typeof value === 'number') return `${Object.is(value, -0) ? '-0' : value} (number)`
  if (typeof value === 'boolean') return `${value} (boolean)`
  if (typeof value === 'bigint') return `${shorten(String(value))}n (bigint)`
  if (typeof value === 'symbol') return 'a symbol'
  if (typeof value === 'function') return 'a function'
  try {
    return Array.isArray(value) ? `an array of ${value.length}` : 'an object'
  } catch {
    return 'an object' // a proxy that has been revoked, or refuses
  }
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}

/** `a`, `a or b`, `a, b or c`. */
export function list(items: readonly string[], last: 'and' | 'or'): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`
}
