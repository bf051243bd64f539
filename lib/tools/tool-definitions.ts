/** A JSON schema, as far as this library has to know it: an object. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A tool that a model may call. Its name is the key under which it is given. */
export interface ToolDefinition {
  /** Tells the model what the tool does, and when to call it. */
  description?: string
  /** A JSON schema of an object: the arguments. Without it, the tool takes none. */
  parameters?: JsonSchema
}

/** The tools of a chat, by name. */
export type ToolDefinitions = Readonly<Record<string, ToolDefinition>>

/**
 * Whether the model has to call a tool: as it likes (`auto`), not at all (`none`), at least one (`required`), or the
 * named one.
 */
export type ToolChoice = 'auto' | 'none' | 'required' | { tool: string }

/** Whether a choice demands a call. */
export function wantsCall(choice: unknown): boolean {
  return choice !== 'auto' && choice !== 'none'
}

/** A call that a model has made, complete. */
export interface ToolCall {
  id: string
  name: string
  arguments: unknown
}

/** The schema of a tool's arguments; one without members for a tool that has none. */
export function parametersOf(tool: ToolDefinition): JsonSchema {
  return tool.parameters ?? { type: 'object', properties: {} }
}

/** The schema of one argument, if the tool says anything about it. */
export function parameterOf(tool: ToolDefinition | undefined, key: string): JsonSchema | undefined {
  const properties = tool?.parameters?.properties
  if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, key)) return undefined
  const schema = (properties as Record<string, unknown>)[key]
  return typeof schema === 'object' && schema !== null ? (schema as JsonSchema) : undefined
}

/**
 * Whether an argument is text, for formats that write text without quotes: what may be a string, and what nothing is
 * known about.
 */
export function isText(schema: JsonSchema | undefined): boolean {
  if (schema === undefined) return true
  if (schema.type !== undefined)
    return schema.type === 'string' || (Array.isArray(schema.type) && schema.type.includes('string'))
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : undefined
  return values?.every(value => typeof value === 'string') === true
}
