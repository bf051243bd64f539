import { readFileSync } from 'node:fs'
import { StreamingLLMError } from '../errors.js'
import { checkGrammar } from '../structured/grammar-check.js'
import { jsonSchemaGrammar } from '../structured/json-schema.js'

/**
 * The grammar that a reply must follow, from a file with one or with a JSON Schema. Checked at once, since loading a model
 * takes its time.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export function readGrammarFile({ grammar, jsonSchema }: { grammar?: string; jsonSchema?: string }): string | undefined {
  if (grammar !== undefined) {
    const source = read('--grammar', grammar)
    checkGrammar(source, '--grammar')
    return source
  }
  return jsonSchema === undefined ? undefined : jsonSchemaGrammar(parse(read('--json-schema', jsonSchema), jsonSchema), '--json-schema')
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `${flag}: ${(cause as Error).message}`, { cause, details: { file } })
  }
}

function parse(content: string, file: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `--json-schema: ${file} is not JSON: ${(cause as Error).message}`, { cause, details: { file } })
  }
}
