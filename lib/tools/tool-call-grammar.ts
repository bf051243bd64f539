import { StreamingLLMError } from '../errors.js'
import type { CallSyntax } from './call-syntax.js'
import { literal, looseLiteral, renameRules, spaceRule, untilRules } from './grammar-text.js'
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
  name: string
  parameters: JsonSchema
}

export interface ToolCallGrammarOptions {
  /** GBNF for JSON of a schema, its rule `root` first of all. It may have any other rules: all are renamed. */
  parametersGrammar(tool: GrammarSubject): string
  /** Whether several calls may be made at once. Default: what the model's format allows. */
  parallel?: boolean
  /**
   * The text that ends the reasoning, where the prompt has opened it (`reasoningIsOpen`). Then a call that is required is
   * so only after the reasoning.
   */
  reasoningClose?: string
  /** GBNF for what the reply may be instead of calls, for the choice `auto`: either is required then. */
  answer?: string
}

export interface ToolCallGrammar {
  /** GBNF. Its root begins with the trigger, since llama.cpp reads from the trigger on once it has come. */
  grammar: string
  /** The texts that make the grammar active. None: it is so from the start. */
  triggers: string[]
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
  choice: ToolChoice,
  options: ToolCallGrammarOptions,
): ToolCallGrammar | undefined {
  const names = chosen(tools, choice)
  if (choice === 'none' || names.length === 0) return undefined
  const { syntax } = format
  const { begin, between, finish } = syntax.frame
  const rules = names.flatMap((name, i) => toolRules(format, name, tools[name]!, `tool-${i}`, options))
  const calls = names.map((_, i) => `tool-${i}`).join(' | ')
  const more = (options.parallel ?? format.parallel) ? ` (${looseOrSpace(between)} call)*` : ''
  const body = [opening(begin, syntax), `call${more}`, finish === '' ? '' : `space ${looseLiteral(finish)}`]
    .filter(part => part !== '')
    .join(' ')
  const answer = choice === 'auto' ? options.answer : undefined
  const waits = choice === 'auto' && answer === undefined
  const lead = !waits && options.reasoningClose !== undefined ? `${literal(options.reasoningClose)} space ` : ''
  const root =
    answer === undefined
      ? [`root ::= ${lead}${body}`]
      : [`root ::= ${lead}(answer-root | ${body})`, renameRules(answer.trim(), 'answer')]
  return {
    grammar: `${[...root, `call ::= ${calls}`, spaceRule, ...rules].join('\n')}\n`,
    triggers: waits ? triggers(format, names) : lead === '' ? [] : [options.reasoningClose!],
  }
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
  const { begin, beforeName } = syntax.frame
  if (syntax.trigger === 'name') return names.map(name => begin + beforeName + inQuotes(syntax.frame.beforeName, name))
  const written = begin + beforeName
  const open = syntax.open.find(open => written.startsWith(open))
  return [syntax.ignored.find(mark => written.startsWith(mark)) ?? open ?? written]
}

function toolRules(
  { syntax }: ToolCallFormat,
  name: string,
  tool: ToolDefinition,
  rule: string,
  options: ToolCallGrammarOptions,
): string[] {
  const { beforeName, beforeArguments, afterArguments } = syntax.frame
  const before = beforeName + inQuotes(beforeName, name) + beforeArguments
  const after = afterArguments.split('\0').map(looseAfter).join(' [a-zA-Z0-9]{9} ')
  const parts = (middle: string) =>
    `${rule} ::= ${opening(before, syntax)} ${/\s$/.test(before) ? '' : 'space '}${middle}${after === '' ? '' : ` ${after}`}`
  if (syntax.body === 'parameters') {
    const { members, rules } = elementRules(name, tool, rule, options)
    return [parts(members), ...rules]
  }
  return [parts(`${rule}-root`), renamed({ name, parameters: parametersOf(tool) }, rule, options)]
}

/** Arguments that are elements with plain text, in the schema's order. */
function elementRules(
  name: string,
  tool: ToolDefinition,
  rule: string,
  options: ToolCallGrammarOptions,
): { members: string; rules: string[] } {
  const { properties, required, $defs, definitions } = parametersOf(tool)
  const needed = new Set(Array.isArray(required) ? required : [])
  const entries = Object.entries(
    typeof properties === 'object' && properties !== null ? (properties as Record<string, JsonSchema>) : {},
  )
  const rules: string[] = []
  const members = entries.map(([key, schema], i) => {
    const own = `${rule}-${i}`
    const start = `${literal(`<parameter=${key}>`)} "\\n" `
    const end = '\n</parameter>'
    if (!isText(schema)) {
      rules.push(`${own} ::= ${start}${own}-value-root ${literal(end)} space`)
      rules.push(
        renamed(
          {
            name,
            parameters: {
              ...($defs === undefined ? {} : { $defs }),
              ...(definitions === undefined ? {} : { definitions }),
              ...schema,
            },
          },
          `${own}-value`,
          options,
        ),
      )
    } else if (Array.isArray(schema.enum)) {
      rules.push(
        `${own} ::= ${start}(${schema.enum.map(value => literal(String(value))).join(' | ')}) ${literal(end)} space`,
      )
    } else {
      rules.push(`${own} ::= ${start}${own}-text space`, ...untilRules(`${own}-text`, end))
    }
    return needed.has(key) ? own : `${own}?`
  })
  return { members: members.join(' '), rules }
}

function renamed(subject: GrammarSubject, rule: string, options: ToolCallGrammarOptions): string {
  return renameRules(options.parametersGrammar(subject).trim(), rule)
}

/** What opens a call. White space may follow a mark, since a token may hold the end of the mark and some of it. */
function opening(text: string, syntax: CallSyntax): string {
  const mark = [...syntax.open, ...syntax.ignored].find(mark => text.startsWith(mark) && /[>\]]$/.test(mark))
  const rest = text.slice(mark?.length ?? 0)
  return [mark === undefined ? '' : `${literal(mark)} space`, looseLiteral(rest.trimStart())]
    .filter(part => part !== '')
    .join(' ')
}

function looseAfter(text: string): string {
  return text === '' ? '' : `space ${looseLiteral(text)}`
}

function looseOrSpace(text: string): string {
  return text === '' ? 'space' : looseLiteral(text)
}

function inQuotes(before: string, name: string): string {
  return before.endsWith('"') ? JSON.stringify(name).slice(1, -1) : name
}
