import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { StreamingLLMError } from '../../../lib/errors.js'
import { checkGrammar } from '../../../lib/structured/grammar-check.js'
import { jsonSchemaGrammar } from '../../../lib/structured/json-schema.js'
import { GbnfGrammar } from '../../tools/gbnf.js'
import { seeded } from '../../tools/random.js'

const addFormats = formats as unknown as (ajv: Ajv) => void
const validators = { 2020: new Ajv2020({ strict: false }), 7: new Ajv({ strict: false }) }
for (const ajv of Object.values(validators)) addFormats(ajv as Ajv)

/** A schema's grammar beside Ajv, which knows nothing of it. */
export class Judged {
  readonly text: string
  readonly grammar: GbnfGrammar
  readonly isValid: (value: unknown) => boolean

  constructor(
    readonly schema: unknown,
    draft: 2020 | 7 = 2020,
  ) {
    this.text = jsonSchemaGrammar(schema)
    checkGrammar(this.text, 'test')
    this.grammar = new GbnfGrammar(this.text)
    expect(this.grammar.unusedRules()).toEqual([])
    this.isValid = validators[draft].compile(schema as boolean | object)
  }

  accepts(value: unknown): boolean {
    return this.grammar.accepts(JSON.stringify(value))
  }

  /** Random sentences, all of which have to be valid. */
  expectSound(count = 300, seed = 1, depth?: number): this {
    const random = seeded(seed)
    for (let i = 0; i < count; i++) {
      const text = this.grammar.sentence(random, depth)
      const value = parsed(text)
      if (!this.isValid(value)) throw new Error(`${text} is not valid by ${JSON.stringify(this.schema)}\n${this.text}`)
      if (i < 10 && text.length < 3000 && !this.grammar.accepts(text))
        throw new Error(`${text} is not recognised again`)
    }
    return this
  }

  /** Values that are valid and have to be accepted. */
  expectAccepts(...values: unknown[]): this {
    for (const value of values) {
      if (!this.isValid(value)) throw new Error(`the test is wrong: ${JSON.stringify(value)} is not valid`)
      if (!this.accepts(value)) throw new Error(`${JSON.stringify(value)} is not accepted\n${this.text}`)
    }
    return this
  }

  /** Values that are not valid and must not be accepted. */
  expectRefuses(...values: unknown[]): this {
    for (const value of values) {
      if (this.isValid(value)) throw new Error(`the test is wrong: ${JSON.stringify(value)} is valid`)
      if (this.accepts(value)) throw new Error(`${JSON.stringify(value)} is accepted\n${this.text}`)
    }
    return this
  }

  /** Of all these values, accepts those that are valid. */
  expectExact(values: readonly unknown[]): this {
    for (const value of values) this.isValid(value) ? this.expectAccepts(value) : this.expectRefuses(value)
    return this
  }

  /** Texts that are valid JSON by the schema, and still left out on purpose, or no JSON at all. */
  expectRefusesTexts(...texts: string[]): this {
    for (const text of texts) if (this.grammar.accepts(text)) throw new Error(`${text} is accepted\n${this.text}`)
    return this
  }

  expectAcceptsTexts(...texts: string[]): this {
    for (const text of texts) {
      if (!this.isValid(parsed(text))) throw new Error(`the test is wrong: ${text} is not valid`)
      if (!this.grammar.accepts(text)) throw new Error(`${text} is not accepted\n${this.text}`)
    }
    return this
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`no JSON: ${text}`)
  }
}

export function judge(schema: unknown, draft?: 2020 | 7): Judged {
  return new Judged(schema, draft)
}

/** The refusal of a schema; throws where it is taken. */
export function refusal(schema: unknown): StreamingLLMError {
  try {
    jsonSchemaGrammar(schema, 'someCall')
  } catch (error) {
    expect(error).toBeInstanceOf(StreamingLLMError)
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { call: 'someCall' } })
    expect((error as Error).message).toMatch(/^someCall: /)
    return error as StreamingLLMError
  }
  throw new Error(`${JSON.stringify(schema)} is not refused`)
}

export function expectRefusal(schema: unknown, option: string, message: string | RegExp): void {
  const error = refusal(schema)
  expect(error.message).toMatch(message)
  expect(error.details.option).toBe(option)
}
