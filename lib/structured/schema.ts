import { StreamingLLMError } from '../errors.js'
import { describe, invalid, list, reading } from '../options/check.js'
import type { JsonSchema } from '../tools/tool-definitions.js'
import { reasonOf } from '../util/reason-of.js'
import { formats } from './json-schema/formats.js'

/** What Zod, Valibot, ArkType and others have in common: https://standardschema.dev. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
    /** Of libraries that can say themselves what they want as a JSON schema. */
    readonly jsonSchema?: { input(options: { target: string }): Record<string, unknown> }
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] }

/** A schema, and how a value is checked by the library that it comes from; undefined where that is no library. */
export interface ReadSchema {
  schema: JsonSchema
  /** A library wrote it: what stands beside a `pattern` is a name for that pattern. */
  ofLibrary: boolean
  validate?: StandardSchema['~standard']['validate']
}

/**
 * Reads a JSON schema, or a schema of a library that can write itself as one: by Standard Schema's `jsonSchema` (Zod
 * from 4.2 on), by a method `toJSONSchema()`, or ArkType's `toJsonSchema()`. What such a library has written, as by
 * `z.toJSONSchema()`, is a JSON schema like any other, as it stands. `besides`: what else may stand there, for the
 * message.
 *
 * @throws {StreamingLLMError} INVALID_OPTION; with the library's own error as `cause` where it cannot write the schema
 */
export function readSchema(given: unknown, call: string, where: string, besides: readonly string[] = []): ReadSchema {
  return reading(call, where, () => readWhole(given, call, where, besides))
}

function readWhole(given: unknown, call: string, where: string, besides: readonly string[]): ReadSchema {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    (typeof value === 'object' || typeof value === 'function') && value !== null
  if (!isObject(given) || Array.isArray(given)) {
    const expected = list(['a JSON schema', 'a schema of a library such as Zod', ...besides], 'or')
    throw invalid(call, where, `'${where}' must be ${expected}, got ${describe(given)}`, expected)
  }
  const standard = given['~standard'] as StandardSchema['~standard'] | undefined
  if (!isObject(standard) || isWritten(given)) {
    if (typeof given === 'function')
      throw invalid(call, where, `'${where}' must be a JSON schema, got a function`, 'a JSON schema')
    return { schema: given, ofLibrary: isObject(standard) }
  }
  const validate = (value: unknown) => standard.validate(value)
  const converted = asJsonSchema(given, standard, call, where)
  if (!isObject(converted) || Array.isArray(converted)) {
    const vendor = vendorOf(standard)
    throw invalid(
      call,
      where,
      `'${where}' is a schema of ${vendor} that cannot write itself as a JSON schema: use a newer version of ${vendor} (Zod: 4.2 or later), or pass the JSON schema (Zod 4: z.toJSONSchema(schema); Valibot: toJsonSchema(schema) of @valibot/to-json-schema)`,
      'a JSON schema',
    )
  }
  return { schema: converted, ofLibrary: true, validate }
}

/**
 * Whether an object with `~standard` is still a JSON schema, as Zod writes them. It is plain data, with the original
 * schema hidden behind it, which does not know of later changes. The libraries' own objects are functions, instances of
 * classes, or plain ones that show their `~standard` (Valibot) or methods.
 */
function isWritten(given: Record<string, unknown>): boolean {
  if (typeof given === 'function') return false
  const prototype = Object.getPrototypeOf(given)
  // Object.prototype of whichever realm
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return false
  const shown = Object.entries(given)
  return shown.length > 0 && shown.every(([key, value]) => key !== '~standard' && typeof value !== 'function')
}

function vendorOf({ vendor }: StandardSchema['~standard']): string {
  return typeof vendor === 'string' ? vendor.slice(0, 64) : 'an unknown library'
}

function asJsonSchema(
  given: Record<string, unknown>,
  standard: StandardSchema['~standard'],
  call: string,
  where: string,
): Record<string, unknown> | undefined {
  try {
    if (typeof standard.jsonSchema?.input === 'function') return standard.jsonSchema.input({ target: 'draft-2020-12' })
    for (const method of ['toJSONSchema', 'toJsonSchema']) {
      const convert = given[method]
      if (typeof convert === 'function') return convert.call(given) as Record<string, unknown>
    }
    return undefined
  } catch (error) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `${call}: '${where}' is a schema that ${vendorOf(standard)} cannot write as a JSON schema: ${reasonOf(error)}`,
      { cause: error, details: { call, option: where, expected: 'a schema of JSON values' } },
    )
  }
}

/**
 * A library's schema as a model is told of it: of a pattern and a format that say the same, the one that it
 * understands.
 */
export function promptSchema(schema: JsonSchema): JsonSchema {
  return withoutDoubles(schema) as JsonSchema
}

function withoutDoubles(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDoubles)
  if (typeof schema !== 'object' || schema === null) return schema
  const doubled =
    'format' in schema && typeof schema.format === 'string' && 'pattern' in schema && typeof schema.pattern === 'string'
  const dropped = !doubled ? undefined : formats.has(schema.format as string) ? 'pattern' : 'format'
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => key !== dropped)
      .map(([key, value]) => [key, withoutDoubles(value)]),
  )
}
