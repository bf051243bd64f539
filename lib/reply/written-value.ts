import type { JsonSchema } from '../tools/tool-definitions.js'
import { parseJson } from '../util/json.js'
import { parseLiteral } from './literal-value.js'

/**
 * JSON of what was written without quotes for a value of this schema: JSON, if it is that or Python's form of it, else
 * a string. Where the schema takes strings as well, only what is of another type that it takes is no string.
 */
export function writtenValue(text: string, schema: JsonSchema | undefined): string {
  const trimmed = text.trim()
  const word = schema?.type === 'boolean' ? trimmed.toLowerCase() : trimmed
  const parsed = parseJson(word) ?? parseLiteral(word)
  if (parsed === undefined || !isWanted(parsed.value, schema)) return JSON.stringify(text)
  return parseJson(word) === undefined ? JSON.stringify(parsed.value) : word
}

function isWanted(value: unknown, schema: JsonSchema | undefined): boolean {
  if (!Array.isArray(schema?.type) || !schema.type.includes('string')) return true
  return schema.type.some(type => type !== 'string' && isOfType(value, type))
}

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}
