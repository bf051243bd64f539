import { isObject } from '../util/json.js'
import type { CallSyntax } from './call-syntax.js'
import { typeBeside } from './element-syntaxes.js'
import { writeKeywordValue } from './keyword-syntaxes.js'
import type { ToolCall } from './tool-definitions.js'

/** The text of calls, as a model writes them in its syntax. */
export function writeCalls(syntax: CallSyntax, calls: readonly ToolCall[]): string {
  const { begin, beforeName, beforeArguments, afterArguments, between, finish } = syntax.frame
  const written = calls.map((call, i) => {
    const withId = (text: string) => text.replace('\0', () => (syntax.ids === 'position' ? String(i) : call.id))
    const name = beforeName.endsWith('"') ? JSON.stringify(call.name).slice(1, -1) : call.name
    return (
      withId(beforeName) +
      name +
      withId(beforeArguments) +
      writeArguments(syntax, call.arguments) +
      withId(afterArguments)
    )
  })
  return begin + written.join(between) + finish
}

function writeArguments({ elements, keywords }: CallSyntax, value: unknown): string {
  if (keywords !== undefined) {
    return Object.entries(isObject(value) ? value : {})
      .map(([key, item]) => key + keywords.assign + writeKeywordValue(keywords, item))
      .join(keywords.between)
  }
  if (elements === undefined) return JSON.stringify(value ?? {})
  const { beforeKey, afterKey, afterValue } = elements.written
  return Object.entries(isObject(value) ? value : {})
    .map(
      ([key, item]) =>
        beforeKey +
        key +
        afterKey.replace('\0', () => typeBeside(elements, typeOf(item))) +
        (typeof item === 'string' ? item : JSON.stringify(item)) +
        afterValue,
    )
    .join('')
}

/** JSON Schema's name of a value's type. */
function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
