import { StreamingLLMError } from '../errors.js'
import type { JsonSchema } from '../index.js'
import type { GenerateOptions } from '../options/parse.js'
import { checkGrammar } from '../structured/grammar-check.js'
import { jsonSchemaGrammar } from '../structured/json-schema.js'
import { readTextFile } from '../util/text-file.js'

/**
 * What a reply must follow, from a file with a grammar or with a JSON Schema. Checked at once, since loading a model
 * takes its time. `raw`: for text without a chat template, which has no reasoning that a schema would have to wait for.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export function readFormatFile({
  grammar,
  jsonSchema,
  raw,
}: {
  grammar?: string
  jsonSchema?: string
  raw?: boolean
}): Pick<GenerateOptions, 'grammar' | 'responseFormat'> {
  if (grammar !== undefined) {
    const source = read('--grammar', grammar)
    checkGrammar(source, '--grammar')
    return { grammar: source }
  }
  if (jsonSchema === undefined) return {}
  const schema = parse(read('--json-schema', jsonSchema), jsonSchema)
  const source = jsonSchemaGrammar(schema, '--json-schema')
  return raw ? { grammar: source } : { responseFormat: schema as JsonSchema }
}

function read(flag: string, file: string): string {
  try {
    return readTextFile(file)
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `${flag}: ${(cause as Error).message}`, { cause, details: { file } })
  }
}

function parse(content: string, file: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `--json-schema: ${file} is not JSON: ${(cause as Error).message}`, {
      cause,
      details: { file },
    })
  }
}
