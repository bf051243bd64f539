import { type OutputUnit, type Schema, type SchemaDraft, Validator } from '@cfworker/json-schema'
import type { JsonSchema } from './tool-definitions.js'

/** What is wrong with a call's arguments, in words for the model; undefined where they are as they should be. */
export type ArgumentCheck = (args: unknown) => string | undefined

/** More than these say the model nothing new. */
const maxTold = 4
/** The last of what is told, where a schema's own words make it long. */
const maxLength = 600

/**
 * Checks arguments against the schema of their tool. A grammar holds most of them to it while they are written, but not
 * those that a model writes in a form of its own. A schema that cannot be checked lets everything pass: a tool whose
 * schema is odd still works.
 */
export function argumentCheck(schema: JsonSchema): ArgumentCheck {
  // Made at the first call: many tools are never called.
  let validator: Validator | undefined
  return args => {
    try {
      validator ??= new Validator(withoutOddPatterns(schema), draftOf(schema), false)
      const { valid, errors } = validator.validate(args)
      return valid ? undefined : told(errors)
    } catch {
      return undefined
    }
  }
}

function draftOf(schema: JsonSchema): SchemaDraft {
  const written = String(schema['$schema'])
  return written.includes('draft-04') ? '4' : written.includes('draft-07') ? '7' : '2020-12'
}

/** A copy, without the patterns that are no regular expressions of Unicode: those would fail at each value. */
function withoutOddPatterns(schema: JsonSchema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === 'pattern' && typeof value === 'string' && !isPattern(value) ? undefined : value,
  ) as Schema
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}

/** Keywords that only say that something within is wrong, which stands in the list too. */
const outer = new Set([
  'properties',
  'items',
  'prefixItems',
  'patternProperties',
  'additionalProperties',
  '$ref',
  'allOf',
])

function told(errors: readonly OutputUnit[]): string {
  const inner = errors.filter(({ keyword }) => !outer.has(keyword))
  const sentences = (inner.length > 0 ? inner : errors).map(({ instanceLocation, error }) => {
    const path = instanceLocation.replace(/^#\/?/, '')
    return path === '' ? error : `${path}: ${error}`
  })
  const some = [...new Set(sentences)].slice(0, maxTold).join(' ')
  return `The arguments are not as they must be. ${some.length > maxLength ? `${some.slice(0, maxLength)}...` : some}`
}
