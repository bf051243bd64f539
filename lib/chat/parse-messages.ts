import type { ChatMessage, ToolCall } from '../messages.js'
import { checkObject, describe, invalid, reading } from '../options/check.js'
import { messageSchemas } from '../options/schemas.js'
import { plainJson } from '../structured/json-schema/snapshot.js'
import { isObject } from '../util/json.js'

/** An array of messages, as an own copy. */
export function parseMessages(given: unknown, call = 'createChat'): ChatMessage[] {
  return reading(call, 'messages', () => readMessages(given, call))
}

function readMessages(given: unknown, call: string): ChatMessage[] {
  if (!Array.isArray(given)) {
    throw invalid(
      call,
      'messages',
      `'messages' must be an array of { role, content }, got ${describe(given)}`,
      'an array of { role, content }',
    )
  }
  return Array.from(given, (message, index) => {
    const where = `messages[${index}]`
    const { role, content, toolCalls, toolCallId } = checkObject(call, where, message, messageSchemas)
    for (const [name, value] of [
      ['role', role],
      ['content', content],
    ]) {
      if (value === undefined)
        throw invalid(call, `${where}.${name}`, `'${where}.${name}' must be a string, got undefined`, 'a string')
    }
    const calls = toolCalls === undefined ? [] : readToolCalls(call, `${where}.toolCalls`, toolCalls)
    return {
      role,
      content,
      ...(calls.length === 0 ? {} : { toolCalls: calls }),
      ...(toolCallId === undefined ? {} : { toolCallId }),
    }
  })
}

/** Says of the one call what is wrong with it: other libraries have the arguments as JSON text. */
function readToolCalls(call: string, where: string, given: unknown): ToolCall[] {
  const refuse = (at: string, value: unknown, expected: string, hint = '') =>
    invalid(call, at, `'${at}' must be ${expected}${hint}, got ${describe(value)}`, expected)
  if (!Array.isArray(given)) throw refuse(where, given, 'an array of { id, name, arguments }')
  return Array.from(given, (each: unknown, index) => {
    const at = `${where}[${index}]`
    if (!isObject(each)) throw refuse(at, each, 'an object with id, name and arguments')
    const { id, name, arguments: args } = each
    if (typeof id !== 'string') throw refuse(`${at}.id`, id, 'a string')
    if (typeof name !== 'string') throw refuse(`${at}.name`, name, 'a string')
    if (!isObject(args))
      throw refuse(
        `${at}.arguments`,
        args,
        'an object',
        typeof args === 'string' ? ' (JSON text is to be parsed first, by JSON.parse)' : '',
      )
    return reading(call, `${at}.arguments`, () => plainJson({ ...each, id, name, arguments: args })) as ToolCall
  })
}
