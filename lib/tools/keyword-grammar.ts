import { codePoints, complement } from '../structured/grammar/code-points.js'
import { characterOf, choice, literal, nothing, type Piece, reference, sequence } from '../structured/grammar/pieces.js'
import type { GrammarRules } from '../structured/grammar/rules.js'
import { textUntil } from './grammar-text.js'
import { type CallKeywords, writeKeywordValue } from './keyword-syntaxes.js'
import { isText, type JsonSchema } from './tool-definitions.js'

/** One argument of a tool. */
export interface KeywordArgument {
  key: string
  schema: JsonSchema
  isRequired: boolean
  /** JSON of its schema. */
  json(): Piece
}

/**
 * The arguments of a call as keywords, in the schema's order. Within lists and objects, a mark of its own around strings
 * leaves nothing of their schemas but that they are values.
 */
export class KeywordGrammar {
  readonly #rules: GrammarRules
  readonly #keywords: CallKeywords
  readonly #number: () => Piece
  #anyValue: Piece | undefined
  #quoted: Piece | undefined

  /** `number`: JSON of any number. */
  constructor(rules: GrammarRules, keywords: CallKeywords, number: () => Piece) {
    this.#rules = rules
    this.#keywords = keywords
    this.#number = number
  }

  arguments(hint: string, all: readonly KeywordArgument[]): Piece {
    const { assign, between } = this.#keywords
    const written = all.map(each => sequence(literal(each.key + assign), this.#value(each)))
    // From behind, for what comes after an argument depends on whether any came before.
    let [none, some]: [Piece, Piece] = [nothing, nothing]
    for (let i = all.length - 1; i >= 0; i--) {
      const argument = written[i]!
      const begun = sequence(argument, some)
      const further = sequence(literal(between), argument, some)
      const name = `${hint}-from-${all[i]!.key}`
      const restNone = all[i]!.isRequired ? begun : choice([begun, none])
      const restSome = all[i]!.isRequired ? further : choice([further, some])
      none = this.#rules.rule(name, restNone)
      some = this.#rules.rule(`${name}-more`, restSome)
    }
    return none
  }

  #value({ schema, json }: KeywordArgument): Piece {
    const { quote } = this.#keywords
    const isPlain = quote === undefined || ['number', 'integer', 'boolean', 'null'].includes(schema.type as string)
    const values = Array.isArray(schema.enum) ? schema.enum : undefined
    if (values !== undefined && !isPlain)
      return choice(values.map(value => literal(writeKeywordValue(this.#keywords, value))))
    if (quote !== undefined) return isPlain ? json() : isText(schema) ? this.#text(quote) : this.#any(quote)
    if (schema.type === 'boolean' && values === undefined) return choice([json(), literal('True'), literal('False')])
    // Text without further conditions may be in the other quotes as well.
    const isFree = isText(schema) && Object.keys(schema).every(key => ['type', 'description', 'title'].includes(key))
    return isFree ? choice([json(), this.#singleQuoted]) : json()
  }

  #text(quote: string): Piece {
    return (this.#quoted ??= sequence(literal(quote), textUntil(this.#rules, 'keyword-text', quote)))
  }

  get #singleQuoted(): Piece {
    const plain = characterOf(complement(codePoints("'\\\n")))
    const escaped = sequence(literal('\\'), characterOf(codePoints('\'"\\nt')))
    return (this.#quoted ??= sequence(
      literal("'"),
      this.#rules.repeat('quoted', choice([plain, escaped]), 0, Number.POSITIVE_INFINITY),
      literal("'"),
    ))
  }

  #any(quote: string): Piece {
    if (this.#anyValue !== undefined) return this.#anyValue
    const name = this.#rules.reserve('keyword-value')
    const value = reference(name)
    const list = (item: Piece) =>
      this.#rules.optional(
        'keyword-list',
        sequence(item, this.#rules.repeat('keyword-item', sequence(literal(','), item), 0, Number.POSITIVE_INFINITY)),
      )
    const key = this.#rules.repeat('keyword-key', characterOf(complement(codePoints(':,{}[]<>"\n'))), 1, 64)
    this.#rules.define(
      name,
      choice([
        this.#text(quote),
        this.#number(),
        ...['true', 'false', 'null'].map(word => literal(word)),
        sequence(literal('['), list(value), literal(']')),
        sequence(literal('{'), list(sequence(key, literal(':'), value)), literal('}')),
      ]),
    )
    return (this.#anyValue = value)
  }
}
