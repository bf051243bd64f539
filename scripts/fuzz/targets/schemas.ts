import type { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { extendDigest } from '../../../lib/chat/message-log.js'
import { parseMessages } from '../../../lib/chat/parse-messages.js'
import { parseGenerateOptions } from '../../../lib/chat/parse-options.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { checkGrammar } from '../../../lib/structured/grammar-check.js'
import { jsonSchemaGrammar } from '../../../lib/structured/json-schema.js'
import { parseTools } from '../../../lib/tools/tools.js'
import { GbnfGrammar } from '../../../test/tools/gbnf.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { randomSchema } from '../random-schema.js'
import { expect, type FuzzTarget, isOurMistake } from '../target.js'

/** Beyond this a grammar is read, but its sentences are not made one by one. */
const readableGrammar = 200_000
const hugeCount = /\{\d{4}/
/** Ajv leaves the one out of the properties that it knows, and tells values apart by the other, their own or not. */
const ofAjvAlone = /"__proto__":|"(?:enum|const)":.*"constructor":/

export default {
  description:
    'Random schemas, of JSON and of what looks like it, as responseFormat, as parameters of tools and as arguments' +
    ' of calls: a typed error, or a grammar whose sentences are JSON that Ajv finds valid by the schema.',
  async attempt(random, _, { describe, count }) {
    const hostile = random.integer(2) === 0
    const schema = randomSchema(random, hostile)
    describe(written(schema))
    if (random.integer(4) === 0) typed(() => parseGenerateOptions({ responseFormat: schema }))
    if (random.integer(4) === 0) {
      const tools = typed(() => parseTools({ f: { parameters: schema, description: 'x' } }, 'createChat'))
      if (tools !== undefined) JSON.stringify(tools.forPrompt)
    }
    if (random.integer(4) === 0) {
      const messages = typed(() =>
        parseMessages([{ role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'f', arguments: schema }] }]),
      )
      for (const message of messages ?? []) extendDigest('', message)
    }
    const grammar = typed(() => {
      const text = jsonSchemaGrammar(schema)
      checkGrammar(text, 'fuzz')
      return text
    })
    const outcome =
      grammar === undefined
        ? 'refused'
        : hostile || grammar.length > readableGrammar
          ? 'a grammar'
          : sound(schema, grammar, random)
    count(`${hostile ? 'hostile' : 'JSON'}: ${outcome}`)
  },
} satisfies FuzzTarget

/** Its result; undefined where it refuses, as it must: by the library's error. */
function typed<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    expect(
      StreamingLLMError.isInstance(error) && error.code === 'INVALID_OPTION',
      `an error that is not typed: ${error instanceof Error ? error.stack : 'not an Error'}`,
    )
    expect(
      !isOurMistake(error as StreamingLLMError),
      `a mistake of ours: ${((error as StreamingLLMError).cause as Error | undefined)?.stack}`,
    )
    return undefined
  }
}

let ajv: Ajv2020 | undefined
let compiled = 0

/** One serves for some schemas, since making one takes longer than a schema; it keeps all that it has compiled. */
function validator(): Ajv2020 {
  if (compiled++ % 100 === 0) {
    ajv = new Ajv2020({ strict: false, logger: false, ownProperties: true })
    ;(formats as unknown as (ajv: Ajv) => void)(ajv as unknown as Ajv)
  }
  return ajv!
}

/** Whether sentences of the grammar are valid by the schema; returns what could be said of it. */
function sound(schema: unknown, grammar: string, random: SeededRandom): string {
  if (ofAjvAlone.test(written(schema)) || hugeCount.test(grammar)) return 'a grammar'
  let isValid: (value: unknown) => boolean
  try {
    isValid = validator().compile(schema as object) as (value: unknown) => boolean
  } catch {
    return 'a grammar' // what only Ajv refuses, such as a format of no standard
  }
  const read = new GbnfGrammar(grammar)
  const chances = {
    below: (limit: number) => random.integer(Number.isFinite(limit) ? limit : 0x10ffff),
    chance: (probability: number) => random.uniform() < probability,
  }
  for (let i = 0; i < 5; i++) {
    const text = read.sentence(chances, 12)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      expect(false, `a sentence that is no JSON: ${text.slice(0, 500)}\n${grammar.slice(0, 1_000)}`)
    }
    let valid: boolean
    try {
      valid = isValid(value)
    } catch {
      return 'a grammar' // Ajv compares values by their own `toString`, where they have one
    }
    expect(valid, `a sentence that is not valid: ${text.slice(0, 500)}\n${grammar.slice(0, 1_000)}`)
  }
  return 'sentences valid'
}

/** In words, as far as it lets itself be written. */
function written(schema: unknown): string {
  try {
    return JSON.stringify(schema) ?? typeof schema
  } catch {
    return 'what JSON cannot hold'
  }
}
