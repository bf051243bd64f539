import { StreamingLLMError } from '../errors.js'
import { reading } from '../options/check.js'
import { untilAborted } from '../util/abort.js'
import { reasonOf } from '../util/reason-of.js'
import { type SchemaGrammar, schemaGrammar } from './json-schema.js'
import { type ReadSchema, readSchema } from './schema.js'

/** What a reply must be: JSON that fulfils a schema. */
export interface ResponseFormat extends ReadSchema {
  grammar: SchemaGrammar
}

// A schema is written down once and used many times.
const known = new WeakMap<object, ResponseFormat>()

/** Throws INVALID_OPTION for a schema that is none, or that no grammar can be made of. */
export function readResponseFormat(given: unknown, call: string): ResponseFormat {
  const before = typeof given === 'object' && given !== null ? known.get(given) : undefined
  if (before !== undefined) return before
  const read =
    given === 'json'
      ? { schema: { type: 'object' }, ofLibrary: false }
      : readSchema(given, call, 'responseFormat', ["'json'"])
  const format = { ...read, grammar: schemaGrammar(read.schema, call, read.ofLibrary) }
  // Only what cannot change later.
  if (typeof given === 'object' && given !== null && reading(call, 'responseFormat', () => Object.isFrozen(given)))
    known.set(given, format)
  return format
}

/** What helps against an end that came too early, by the reason of the end. */
const cures: Record<string, string> = {
  length: ': allow more by maxTokens, or ask for less by maxLength and maxItems in the schema',
  time: ': allow more by timeLimit, or ask for less by maxLength and maxItems in the schema',
  stop: ': a text of stop came within it; JSON of a schema ends by itself, without stop',
}

/**
 * The value of a finished reply.
 *
 * @throws {StreamingLLMError} OUTPUT_INCOMPLETE where the reply ended before its JSON did, or with calls that the
 * caller has to answer; OUTPUT_INVALID where the schema's own library does not agree with it. `signal.reason`, where
 * that fires before the library has said so
 */
export async function readOutput(
  { validate }: ResponseFormat,
  text: string,
  reason: string,
  toolCalls: readonly object[],
  signal?: AbortSignal,
): Promise<unknown> {
  if (reason === 'tool-calls') {
    throw new StreamingLLMError(
      'OUTPUT_INCOMPLETE',
      'the reply calls tools, which stand in details.toolCalls and have no execute(): answer each with a message of the role tool, and ask for the form there again',
      { details: { text, reason, toolCalls } },
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new StreamingLLMError(
      'OUTPUT_INCOMPLETE',
      `the reply ended (${reason}) before its JSON did${cures[reason] ?? ''}`,
      { cause: error, details: { text, reason } },
    )
  }
  if (validate === undefined) return value
  let issues: string[]
  try {
    const result = await untilAborted(Promise.resolve(validate(value)), signal)
    if (result.issues === undefined) return result.value
    issues = result.issues.map(({ message, path }) =>
      path === undefined || path.length === 0
        ? message
        : `${path.map(part => String(typeof part === 'object' && part !== null && 'key' in part ? part.key : part)).join('.')}: ${message}`,
    )
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) throw error
    throw new StreamingLLMError(
      'OUTPUT_INVALID',
      `the reply is JSON of the schema's form, but the schema fails at it: ${reasonOf(error)}`,
      { cause: error, details: { text, value } },
    )
  }
  throw new StreamingLLMError(
    'OUTPUT_INVALID',
    `the reply is JSON of the schema's form, but the schema refuses it: ${issues.join('; ')}`,
    { details: { text, value, issues } },
  )
}
