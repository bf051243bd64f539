import { invalid } from '../options/check.js'
import { finiteRules } from './grammar/analysis.js'
import type { FlatRules } from './grammar/flat-rules.js'
import type { Piece } from './grammar/pieces.js'
import { GrammarRules } from './grammar/rules.js'
import { checkSource } from './grammar-check.js'
import { SchemaCompiler } from './json-schema/compiler.js'
import { SchemaReader } from './json-schema/reader.js'
import { Shapes } from './json-schema/shapes.js'
import { snapshot } from './json-schema/snapshot.js'
import { Problem } from './problem.js'

/**
 * A grammar in GBNF, with the root rule `root`, whose texts are JSON that fulfils a JSON Schema (draft 2020-12, or
 * draft-07 as far as the two agree).
 *
 * Supported are `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `propertyNames` (beside
 * `properties` and `required` where it lists names), `minProperties` and `maxProperties` where they leave no choice,
 * `items`, `prefixItems`, `minItems`, `maxItems`, `minLength`, `maxLength`, `pattern` without look-around, back
 * references and word boundaries, `format` (date, time, date-time, email, uuid, ipv4, ipv6, hostname, uri, duration),
 * `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `anyOf`, `oneOf` where its branches exclude each other,
 * `allOf`, `$ref` to `#`, `#/$defs/...` and `#/definitions/...`, `true` and `false`. Annotations are ignored; any other
 * keyword is refused, never left out of account.
 *
 * Every text of the grammar fulfils the schema, but for a pattern of `ofLibrary` that gives way to its format. The
 * reverse holds but for what a model should not be led into:
 * - Properties come in the order of `properties`, and a space may stand after a colon and after a comma.
 * - An object that has `properties`, or failing that `required`, has no others, unless `additionalProperties` or names
 *   in `propertyNames` are given; an array that has `prefixItems` has no further ones, unless `items` is given or
 *   `minItems` asks for more.
 * - A schema without `type` is meant for the types that its keywords speak of, e.g. `minLength` for strings.
 * - Numbers have at most 15 digits, integers at most 16 where a bound asks for them; only numbers without bounds have
 *   an exponent, of up to two digits.
 * - Where a schema says nothing, arrays and objects are nested up to 5 deep.
 * - Formats are somewhat narrower than their standards. What a `pattern` matches is escaped as JavaScript does it.
 *
 * Keys that no schema names have at most 64 characters, or some more beside named ones. Strings without `maxLength`,
 * arrays without `maxItems` and objects with other properties have no limit in the grammar.
 *
 * @param call the function whose caller is told
 * @param ofLibrary a library such as Zod wrote the schema. Such libraries name their patterns by a `format` beside
 * them, which may be of their own making. The pattern counts; if it is not supported the format does, and must be a
 * known one
 * @throws {StreamingLLMError} INVALID_OPTION with the path of the keyword in `details.option`, e.g.
 * `properties.age.multipleOf`: for what is not supported, for a schema that contradicts itself, and for one beyond the
 * limits (20,000 values, 100 levels, a million characters, 200 combinations of `anyOf`, `oneOf` and `allOf` in one
 * place, 100,000 repetitions, and those of `checkGrammar`)
 */
export function jsonSchemaGrammar(schema: unknown, call = 'responseFormat', ofLibrary = false): string {
  return schemaGrammar(schema, call, ofLibrary).text
}

/** A grammar that a larger one can be made of. */
export interface SchemaGrammar {
  rules: GrammarRules
  /** What its texts are. */
  root: Piece
  /** The whole of it by itself. */
  text: string
}

/**
 * As `jsonSchemaGrammar`, with its rules; into those of a larger grammar, which stay sound where it throws.
 *
 * @param into.hint what the names of its rules begin with, as far as they can
 */
export function schemaGrammar(
  schema: unknown,
  call: string,
  ofLibrary: boolean,
  { rules = new GrammarRules(), hint = 'answer' }: { rules?: GrammarRules; hint?: string } = {},
): SchemaGrammar {
  try {
    return grammarOf(schema, ofLibrary, rules, hint)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { where, message } = error
    throw invalid(
      call,
      where === '' ? 'schema' : where,
      where === '' ? `the schema cannot be used: it ${message}` : `'${where}' ${message}`,
    )
  }
}

function grammarOf(schema: unknown, ofLibrary: boolean, rules: GrammarRules, hint: string): SchemaGrammar {
  const reader = new SchemaReader(snapshot(schema), ofLibrary)
  const compiler = new SchemaCompiler(new Shapes(reader), rules)
  rules.beginSchema()
  let root: Piece
  try {
    root = compiler.value([reader.read(reader.whole, '')], hint)
  } finally {
    rules.endSchema()
  }
  const text = rules.toText(root)
  const flat = checked(text)
  const endless = finiteRules(flat).indexOf(false)
  if (endless !== -1) {
    const name = [...flat.names].find(([, rule]) => rule === endless)?.[0] ?? 'root'
    throw new Problem('', `is infinitely recursive: what the rule '${name}' stands for always contains itself`)
  }
  return { rules, root, text }
}

/** A grammar that is written here is sound, but may be larger than llama.cpp should be given. */
function checked(text: string): FlatRules {
  try {
    return checkSource(text)
  } catch (error) {
    throw error instanceof Problem ? new Problem('', `needs a grammar that is too large: ${error.message}`) : error
  }
}
