import { StreamingLLMError } from '../errors.js'
import { characterOf, choice, literal, nothing, type Piece, sequence } from '../structured/grammar/pieces.js'
import { GrammarRules } from '../structured/grammar/rules.js'
import { isObject } from '../util/json.js'
import type { CallSyntax } from './call-syntax.js'
import { type CallElements, typeBeside } from './element-syntaxes.js'
import { afterReasoning, looseSpace, looseText, textUntil } from './grammar-text.js'
import { KeywordGrammar } from './keyword-grammar.js'
import type { CallKeywords } from './keyword-syntaxes.js'
import type { ToolCallFormat } from './tool-call-format.js'
import {
  isText,
  type JsonSchema,
  parametersOf,
  type ToolChoice,
  type ToolDefinition,
  type ToolDefinitions,
} from './tool-definitions.js'

/** A schema that needs a grammar: the arguments of a tool, or one of them. */
export interface GrammarSubject {
  /** The tool's name. */
  name: string
  /** What its rules are called after: the tool, and the argument where it is one of them. */
  hint: string
  parameters: JsonSchema
}

export interface ToolCallGrammarOptions {
  /** JSON of a schema, with the rules that it takes. */
  parameters(tool: GrammarSubject, rules: GrammarRules): Piece
  /** Whether several calls may be made at once. Default: what the model's format allows. */
  parallel?: boolean
  /**
   * The text that ends the reasoning, where the prompt has opened it (`reasoningIsOpen`). Then a call that is required
   * is so only after the reasoning.
   */
  reasoningClose?: string
  /** What the reply may be instead of calls, for the choice `auto`: either is required then. */
  answer?: { rules: GrammarRules; root: Piece }
}

export interface ToolCallGrammar {
  /** GBNF. Its root begins with the trigger, since llama.cpp reads from the trigger on once it has come. */
  grammar: string
  /** The texts that make the grammar active. None: it is so from the start. */
  triggers: string[]
  /** The triggers open calls, and in the reasoning, where no call is read, they do not count. */
  ofCalls: boolean
}

/**
 * A grammar by which what the model writes as a call is one, of a tool that exists, with arguments as its schema wants
 * them. For the choice `auto` it waits for a call, unless an answer has its own grammar; else it makes the model call.
 * Undefined for `none`, or without tools.
 *
 * Throws `INVALID_OPTION` for a choice of a tool that isn't there.
 */
export function toolCallGrammar(
  format: ToolCallFormat,
  tools: ToolDefinitions,
  toolChoice: ToolChoice,
  { parameters, parallel = format.parallel, reasoningClose, answer }: ToolCallGrammarOptions,
): ToolCallGrammar | undefined {
  const names = chosen(tools, toolChoice)
  if (toolChoice === 'none' || names.length === 0) return undefined
  const instead = toolChoice === 'auto' ? answer : undefined
  const rules = new GrammarRules(instead?.rules)
  const calls = new CallWriter(rules, format.syntax, parameters).calls(
    names.map(name => [name, tools[name]!]),
    parallel,
  )
  if (toolChoice === 'auto' && instead === undefined)
    return { grammar: rules.toText(calls), triggers: triggers(format, names), ofCalls: true }
  const reply = instead === undefined ? calls : choice([instead.root, calls])
  if (reasoningClose === undefined) return { grammar: rules.toText(reply), triggers: [], ofCalls: false }
  const grammar = rules.toText(afterReasoning(rules, reasoningClose, reply))
  return { grammar, triggers: [reasoningClose], ofCalls: false }
}

/** The tools that may be called. Throws INVALID_OPTION where the one that is to be is not among them. */
export function chosen(tools: ToolDefinitions, choice: ToolChoice): string[] {
  if (typeof choice !== 'object') return Object.keys(tools)
  if (Object.hasOwn(tools, choice.tool)) return [choice.tool]
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `The tool that is to be called, ${JSON.stringify(choice.tool)}, is not among the tools: ${Object.keys(tools).join(', ') || 'there are none'}.`,
    {
      details: { tool: choice.tool },
    },
  )
}

function triggers({ syntax }: ToolCallFormat, names: readonly string[]): string[] {
  const { begin, beforeName, beforeArguments } = syntax.frame
  if (syntax.trigger !== 'open') {
    const after = syntax.trigger === 'name' ? '' : `${beforeArguments}{`
    return names.map(name => begin + beforeName + inQuotes(beforeName, name) + after)
  }
  const written = begin + beforeName
  const open = syntax.open.find(open => written.startsWith(open))
  return [syntax.ignored.find(mark => written.startsWith(mark)) ?? open ?? written]
}

const digit = [0x30, 0x39] as const
/** The ids that models write where they write any. */
const idCharacter = characterOf([digit, [0x41, 0x5a], [0x61, 0x7a]])

/** Writes calls as a syntax has them. */
class CallWriter {
  readonly #space: Piece
  #elementText: Piece | undefined
  #keywords: KeywordGrammar | undefined

  constructor(
    readonly rules: GrammarRules,
    readonly syntax: CallSyntax,
    readonly parameters: ToolCallGrammarOptions['parameters'],
  ) {
    this.#space = looseSpace(rules)
  }

  calls(tools: readonly (readonly [string, ToolDefinition])[], parallel: boolean): Piece {
    const { rules } = this
    const { begin, between, finish } = this.syntax.frame
    const call = rules.rule(
      'call',
      choice(tools.map(([name, tool]) => rules.rule(`${name}-call`, this.#tool(name, tool)))),
    )
    const separator = between === '' ? this.#space : looseText(rules, between)
    return sequence(
      this.#opening(begin),
      call,
      parallel ? rules.repeat('further-call', sequence(separator, call), 0, Infinity) : nothing,
      this.#after(finish),
    )
  }

  #tool(name: string, tool: ToolDefinition): Piece {
    const { beforeName, beforeArguments, afterArguments } = this.syntax.frame
    const before = beforeName + inQuotes(beforeName, name) + beforeArguments
    const [opening, ...beforeIds] = before.split('\0')
    const [after, ...afterIds] = afterArguments.split('\0')
    return sequence(
      this.#opening(opening!),
      ...beforeIds.flatMap(text => [this.#id, looseText(this.rules, text)]),
      /\s$/.test(before) ? nothing : this.#space,
      this.#arguments(name, tool),
      this.#after(after!),
      // White space before the rest would belong to the id.
      ...afterIds.flatMap(text => [this.#id, looseText(this.rules, text)]),
    )
  }

  get #id(): Piece {
    const { rules, syntax } = this
    if (syntax.ids === 'position') return rules.repeat('id', characterOf([digit]), 1, 4)
    return rules.repeat('id', idCharacter, 9, syntax.ids === 'letters' ? 10 : 9)
  }

  #arguments(name: string, tool: ToolDefinition): Piece {
    const { elements, keywords } = this.syntax
    if (elements !== undefined) return this.#elements(elements, name, tool)
    if (keywords !== undefined) return this.#keywordArguments(keywords, name, tool)
    return this.parameters({ name, hint: name, parameters: parametersOf(tool) }, this.rules)
  }

  #keywordArguments(keywords: CallKeywords, name: string, tool: ToolDefinition): Piece {
    const number = () => this.parameters({ name, hint: 'any-number', parameters: { type: 'number' } }, this.rules)
    this.#keywords ??= new KeywordGrammar(this.rules, keywords, number)
    const all = argumentsOf(tool).map(({ key, schema, isRequired, shared }) => ({
      key,
      schema,
      isRequired,
      json: () => this.parameters({ name, hint: `${name}-${key}`, parameters: { ...shared, ...schema } }, this.rules),
    }))
    return this.#keywords.arguments(name, all)
  }

  /** Arguments that are elements with plain text, in the schema's order. */
  #elements(elements: CallElements, name: string, tool: ToolDefinition): Piece {
    const { beforeKey, afterKey } = elements.written
    return sequence(
      ...argumentsOf(tool).map(({ key, schema, isRequired, shared }) => {
        const value = this.#elementValue(elements, { name, hint: `${name}-${key}` }, schema, shared)
        const before = beforeKey + key + afterKey.replace('\0', typeBeside(elements, typeOf(schema)))
        const element = sequence(asWritten(before), value, this.#space)
        return isRequired ? element : this.rules.optional('element', element)
      }),
    )
  }

  /** With the end of its element. `$defs` and `definitions` are those of the whole schema. */
  #elementValue(
    { written: { afterValue } }: CallElements,
    subject: Omit<GrammarSubject, 'parameters'>,
    schema: JsonSchema,
    shared: JsonSchema,
  ): Piece {
    const end = afterValue.trimEnd()
    if (!isText(schema)) {
      const parameters = { ...shared, ...schema }
      return sequence(this.parameters({ ...subject, parameters }, this.rules), literal(end))
    }
    if (Array.isArray(schema.enum))
      return sequence(choice(schema.enum.map(value => asWritten(String(value)))), literal(end))
    return (this.#elementText ??= textUntil(this.rules, 'element-text', end))
  }

  /** What opens a call. White space may follow a mark, since a token may hold the end of the mark and some of it. */
  #opening(text: string): Piece {
    const { open, ignored } = this.syntax
    const mark = [...open, ...ignored].find(mark => text.startsWith(mark) && /[>\][]$/.test(mark))
    const rest = looseText(this.rules, text.slice(mark?.length ?? 0).trimStart())
    return mark === undefined ? rest : sequence(literal(mark), this.#space, rest)
  }

  #after(text: string): Piece {
    return text === '' ? nothing : sequence(this.#space, looseText(this.rules, text))
  }
}

/** Each argument of a tool, in the schema's order, with what the whole schema defines for all of them. */
function argumentsOf(tool: ToolDefinition) {
  const { properties, required, $defs, definitions } = parametersOf(tool)
  const shared: JsonSchema = {
    ...($defs === undefined ? {} : { $defs }),
    ...(definitions === undefined ? {} : { definitions }),
  }
  const needed = new Set(Array.isArray(required) ? required : [])
  const entries = Object.entries(isObject(properties) ? (properties as Record<string, JsonSchema>) : {})
  return entries.map(([key, schema]) => ({ key, schema, isRequired: needed.has(key), shared }))
}

/** The type of an element's value: where a schema leaves more than one, text if it may be that, else JSON of any. */
function typeOf(schema: JsonSchema): string {
  if (isText(schema)) return 'string'
  return typeof schema.type === 'string' ? schema.type : 'object'
}

/** UTF-8 has no place for half a surrogate pair. */
function asWritten(text: string): Piece {
  return literal(Buffer.from(text).toString())
}

function inQuotes(before: string, name: string): string {
  return before.endsWith('"') ? JSON.stringify(name).slice(1, -1) : name
}
