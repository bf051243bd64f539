import * as v from 'valibot'
import { checkObject, describe, invalid, reading, type Schemas } from '../options/check.js'
import { callback, text } from '../options/kinds.js'
import { plainJson } from '../structured/json-schema/snapshot.js'
import { promptSchema, type ReadSchema, readSchema, type StandardSchema } from '../structured/schema.js'
import { type ArgumentCheck, argumentCheck } from './argument-check.js'
import { type JsonSchema, parametersOf, type ToolDefinitions } from './tool-definitions.js'

/** A tool that the model may call. */
export interface Tool<Arguments = any> {
  /** Tells the model what the tool does, and when to call it. */
  description?: string | undefined
  /**
   * The arguments: a JSON schema of an object, or a schema of a library such as Zod, whose type `execute` gets.
   * Default: none.
   */
  parameters?: JsonSchema | StandardSchema<Arguments> | undefined
  /**
   * Does what the tool is for. What it returns, or resolves to, is given to the model: text as it is, anything else as
   * JSON. What it throws is given to the model as an error. Without it, calls end the reply with the reason
   * `tool-calls`, and the caller answers with a message of the role `tool`.
   */
  execute?: ((args: ToolArguments<Arguments>, context: { id: string; signal: AbortSignal }) => unknown) | undefined
}

/** What `execute` gets: what a library's schema says, or anything where only a JSON schema is known. */
export type ToolArguments<Arguments> = unknown extends Arguments ? any : Arguments

/**
 * Tools by name: letters, digits, `_` and `-`, at most 64 of them. `Arguments` are those of each tool by its name,
 * which TypeScript finds out from their `parameters`.
 */
export type Tools<Arguments = any> = { [Name in keyof Arguments]: Tool<Arguments[Name]> }

export interface ParsedTools {
  /** With the schemas that arguments are held to. */
  definitions: ToolDefinitions
  /** With the schemas as the model is told of them. */
  forPrompt: ToolDefinitions
  /** The names of those whose schema is a library's. */
  ofLibrary: Set<string>
  execute: Map<string, NonNullable<Tool['execute']>>
  /** For each tool whose arguments no library checks when it is run. */
  check: Map<string, ArgumentCheck>
  validate: Map<string, NonNullable<ReadSchema['validate']>>
}

const maxTools = 128
const schemas: Schemas<Tool> = { description: text, parameters: v.any(), execute: callback() }

/** Throws INVALID_OPTION, UNKNOWN_OPTION. Undefined where there are none. */
export function parseTools(given: unknown, call: string): ParsedTools | undefined {
  if (typeof given !== 'object' || given === null || reading(call, 'tools', () => Array.isArray(given)))
    throw invalid(
      call,
      'tools',
      `'tools' must be an object of tools by name, got ${describe(given)}`,
      'an object of tools by name',
    )
  const entries = reading(call, 'tools', () => Object.entries(given))
  if (entries.length === 0) return undefined
  if (entries.length > maxTools)
    throw invalid(
      call,
      'tools',
      `'tools' must be at most ${maxTools} tools, got ${entries.length}`,
      `at most ${maxTools} tools`,
    )
  const parsed: ParsedTools = {
    definitions: {},
    forPrompt: {},
    ofLibrary: new Set(),
    execute: new Map(),
    check: new Map(),
    validate: new Map(),
  }
  const definitions: Record<string, { description?: string; parameters?: JsonSchema }> = Object.create(null)
  const forPrompt: typeof definitions = Object.create(null)
  for (const [name, tool] of entries) {
    const where = `tools.${name}`
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name))
      throw invalid(
        call,
        where,
        `the tool's name ${JSON.stringify(name.slice(0, 80))} must be 1 to 64 letters, digits, '_' and '-'`,
        'a name',
      )
    const { description, parameters, execute } = checkObject<Tool>(call, where, tool, schemas)
    const read = parameters === undefined ? undefined : readParameters(parameters, call, `${where}.parameters`)
    if (read !== undefined && read.schema['type'] !== 'object')
      throw invalid(
        call,
        `${where}.parameters`,
        `'${where}.parameters' must be the schema of an object, with type: 'object'`,
        'the schema of an object',
      )
    definitions[name] = { description, parameters: read?.schema }
    forPrompt[name] = { description, parameters: read?.ofLibrary === true ? promptSchema(read.schema) : read?.schema }
    if (read?.ofLibrary === true) parsed.ofLibrary.add(name)
    if (execute !== undefined) parsed.execute.set(name, execute)
    if (read?.validate !== undefined) parsed.validate.set(name, read.validate)
    if (read?.validate === undefined || execute === undefined)
      parsed.check.set(name, argumentCheck(parametersOf(definitions[name])))
  }
  return { ...parsed, definitions, forPrompt }
}

/** As JSON of our own: templates and grammars are made of it, and chats told apart by it. */
function readParameters(given: unknown, call: string, where: string): ReadSchema {
  const read = readSchema(given, call, where)
  return { ...read, schema: reading(call, where, () => plainJson(read.schema, true)) as JsonSchema }
}
