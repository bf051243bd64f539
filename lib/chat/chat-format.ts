import type { Tokenizer } from '../engine/tokenizer.js'
import { StreamingLLMError } from '../errors.js'
import type { ParsedGenerateOptions, ReasoningMode } from '../options/parse.js'
import { knownReasoning, type ReasoningFormat, reasoningIsOpen } from '../reply/reasoning-format.js'
import { ReplyReader } from '../reply/reply-reader.js'
import { literal, sequence } from '../structured/grammar/pieces.js'
import { GrammarRules } from '../structured/grammar/rules.js'
import { type SchemaGrammar, schemaGrammar } from '../structured/json-schema.js'
import { ChatTemplate } from '../templates/chat-template.js'
import { piecesText } from '../templates/prompt-pieces.js'
import { syntaxMarks } from '../tools/call-syntax.js'
import { afterReasoning } from '../tools/grammar-text.js'
import { type MessageFormat, messageFormat } from '../tools/message-format.js'
import { type ToolCallFormat, toolCallFormat } from '../tools/tool-call-format.js'
import { type ToolCallGrammar, toolCallGrammar } from '../tools/tool-call-grammar.js'
import type { ToolChoice } from '../tools/tool-definitions.js'
import { toolInstructions } from '../tools/tool-instructions.js'
import { toolVariables } from '../tools/tool-messages.js'
import type { ParsedTools } from '../tools/tools.js'

/** A chat's template, and how its model writes reasoning and tool calls. */
export class ChatFormat {
  readonly template: ChatTemplate
  readonly tools: ParsedTools | undefined
  readonly reasoningMode: ReasoningMode
  /** The marks around reasoning; undefined where it is text like any other, or the model's template knows of none. */
  readonly reasoning: ReasoningFormat | undefined
  /** How replies are split into messages; undefined for models whose replies are one. */
  readonly messages: MessageFormat | undefined
  readonly #tokenizer: Tokenizer
  readonly #source: string
  #toolFormat: ToolCallFormat | undefined
  #opensReasoning: boolean | undefined
  #visibleTokens: Int32Array | undefined
  // One of ten tools takes the event loop a tenth of a second, and turns want the same few again and again.
  readonly #grammars = new Map<string, ToolCallGrammar | undefined>()

  /** Throws TEMPLATE_FAILED. */
  constructor(
    tokenizer: Tokenizer,
    { chatTemplate: source, tools, reasoning }: { chatTemplate: string; tools?: ParsedTools; reasoning: ReasoningMode },
  ) {
    this.#tokenizer = tokenizer
    this.#source = source
    this.tools = tools
    this.reasoningMode = reasoning
    this.reasoning = reasoning === 'text' ? undefined : knownReasoning(source)
    this.messages = messageFormat(source)
    this.template = compiled(
      tokenizer,
      source,
      tools === undefined ? {} : toolVariables(this.toolFormat, tools.forPrompt),
    )
  }

  /** The template as it was written. */
  get source(): string {
    return this.#source
  }

  get toolFormat(): ToolCallFormat {
    const { bosText, eosText } = this.#tokenizer
    return (this.#toolFormat ??= toolCallFormat(this.#source, { bosToken: bosText, eosToken: eosText }))
  }

  /** The system prompt as the template gets it: with the tools, where the template does not write them itself. */
  systemText(system: string | undefined): string | undefined {
    const { tools } = this
    const instructions =
      tools !== undefined && this.toolFormat.toolsVariable === undefined
        ? toolInstructions(this.toolFormat, tools.forPrompt)
        : ''
    return instructions === '' ? system : [system, instructions].filter(Boolean).join('\n\n')
  }

  /** Whether prompts end within the reasoning already. */
  get opensReasoning(): boolean {
    const { reasoning } = this
    return (this.#opensReasoning ??=
      reasoning !== undefined &&
      reasoningIsOpen(piecesText(this.template.render([{ role: 'user', content: 'x' }], true)), reasoning))
  }

  /**
   * Reads a reply; undefined where it is nothing but text. `callsOrText`: one that is either calls or text, as a schema
   * demands; `unmarkedCalls`: JSON at its start may be a call, for nothing else has asked for it.
   */
  createReader({
    calls,
    ...how
  }: {
    calls: boolean
    callsOrText: boolean
    unmarkedCalls: boolean
  }): ReplyReader | undefined {
    const { reasoning, messages } = this
    const tools = calls ? this.tools : undefined
    if (tools === undefined && reasoning === undefined && messages === undefined) return undefined
    return new ReplyReader({
      tools: tools?.definitions ?? false,
      check: (name, args) => tools?.check.get(name)?.(args),
      ...how,
      syntax: this.toolFormat.syntax,
      messages,
      reasoning: reasoning ?? false,
      reasoningOpen: this.opensReasoning,
    })
  }

  /** What a job is given of such a grammar. `start`: what the reply begins with already. */
  jobGrammar({ grammar: source, triggers, ofCalls }: ToolCallGrammar, start: string): JobGrammar {
    const { reasoning } = this
    if (!ofCalls || reasoning === undefined || this.toolFormat.syntax.endsReasoning) return { source, triggers }
    return {
      source,
      triggers,
      reasoning: { ...reasoning, before: (this.opensReasoning ? reasoning.open : '') + start },
    }
  }

  /** Control tokens that a reader has to see. */
  get visibleTokens(): Int32Array {
    if (this.#visibleTokens !== undefined) return this.#visibleTokens
    const { tools, reasoning, messages } = this
    const marks = [
      ...(tools === undefined ? [] : syntaxMarks(this.toolFormat.syntax)),
      ...(messages?.marks ?? []),
      ...(reasoning === undefined ? [] : [reasoning.open, reasoning.close, ...(reasoning.ignored ?? [])]),
    ]
    const tokens = [...new Set(marks.flatMap(withParts))]
      .map(mark => this.#tokenizer.tokenize(mark, { special: true }))
      .filter(each => each.length === 1)
    return (this.#visibleTokens = Int32Array.from(tokens, ([token]) => token!))
  }

  /**
   * What a reply is held to: calls of tools, and the grammar of the answer where it has one. `warn` hears of a tool
   * whose schema no grammar can be made of.
   */
  replyGrammar(
    choice: ToolChoice,
    answer: SchemaGrammar | undefined,
    warn: (message: string) => void,
  ): ToolCallGrammar | undefined {
    const key = JSON.stringify([choice, answer?.text])
    if (!this.#grammars.has(key)) {
      const headed = answer === undefined ? undefined : this.#withHeader(answer)
      const made =
        this.#callGrammar(choice, headed, warn) ?? (headed === undefined ? undefined : this.#afterReasoning(headed))
      if (this.#grammars.size === maxGrammars) this.#grammars.clear()
      this.#grammars.set(key, made)
    }
    return this.#grammars.get(key)
  }

  #callGrammar(
    choice: ToolChoice,
    answer: SchemaGrammar | undefined,
    warn: (message: string) => void,
  ): ToolCallGrammar | undefined {
    if (this.tools === undefined) return undefined
    const { definitions, ofLibrary } = this.tools
    return toolCallGrammar(this.toolFormat, definitions, choice, {
      answer,
      reasoningClose: this.opensReasoning ? this.reasoning!.close : undefined,
      parameters: ({ name, hint, parameters }, rules) => {
        const into = { rules, hint }
        try {
          return schemaGrammar(parameters, `tools.${name}`, ofLibrary.has(name), into).root
        } catch (error) {
          if (!StreamingLLMError.isInstance(error)) throw error
          warn(`the model is not held to the schema of the tool ${name}: ${error.message}`)
          return schemaGrammar({ type: 'object' }, `tools.${name}`, false, into).root
        }
      },
    })
  }

  /** An answer with the header of its message, where the model writes one. */
  #withHeader(answer: SchemaGrammar): SchemaGrammar {
    if (this.messages === undefined) return answer
    const rules = new GrammarRules(answer.rules)
    const root = sequence(literal(this.messages.answer), answer.root)
    return { ...answer, rules, root, text: rules.toText(root) }
  }

  /** A grammar for the whole reply, which begins after the reasoning where prompts open that. */
  #afterReasoning({ rules: own, root, text }: SchemaGrammar): ToolCallGrammar {
    if (!this.opensReasoning) return { grammar: text, triggers: [], ofCalls: false }
    const { close } = this.reasoning!
    const rules = new GrammarRules(own)
    return { grammar: rules.toText(afterReasoning(rules, close, root)), triggers: [close], ofCalls: false }
  }
}

type JobGrammar = NonNullable<ParsedGenerateOptions['grammar']>

/** A mark and the control tokens that it may be made of. */
function withParts(mark: string): string[] {
  return [mark, ...(mark.match(/<[^<>\s]+>/g) ?? [])]
}

const maxGrammars = 8

// Compiling and probing a template takes some 20 ms of the event loop; most chats of a model have the same.
const lastTemplates = new WeakMap<Tokenizer, { key: string; template: ChatTemplate }>()

function compiled(tokenizer: Tokenizer, source: string, variables: Record<string, unknown>): ChatTemplate {
  const key = JSON.stringify([source, variables])
  const last = lastTemplates.get(tokenizer)
  if (last?.key === key) return last.template
  const template = new ChatTemplate(source, {
    bosToken: tokenizer.bosText,
    eosToken: tokenizer.eosText,
    specialTokens: tokenizer.specialTokens,
    variables,
    answer: messageFormat(source)?.answer,
  })
  lastTemplates.set(tokenizer, { key, template })
  return template
}
