import { parse, tokenize } from '@huggingface/jinja'
import { StreamingLLMError } from '../errors.js'
import type { TemplateMessage } from '../messages.js'
import type { Scope, TreeNode } from './jinja-runtime.js'
import { MeteredInterpreter } from './metered-interpreter.js'
import { globals } from './template-globals.js'
import { comparedLiterals } from './template-literals.js'
import { WorkBudget, WorkExceeded } from './work-budget.js'

/** Longest source of a template that is compiled; the longest known ones have some 20,000 characters. */
const sourceLimit = 250_000
/**
 * Longest run of white space in a source. Jinja looks for `generation` tags by an expression that takes the square of
 * the length of each run.
 */
const whiteSpaceLimit = 1_000

/** What one rendering may cost and write, where nothing else is said: see `allowance`. */
export const renderLimits: RenderLimits = { steps: 500_000, size: 1_000_000 }
// What a history adds, so that a long one is not blamed on its template. Of 68 templates of models, the most expensive
// takes 1,400 steps for one short message and 1,100 for each of 100 messages. It takes 0.15 for each character of long
// ones, and 80 for each value in the definitions of tools.
const stepsPerMessage = 5_000
const stepsPerValue = 500
const stepsPerCharacter = 1
const sizePerCharacter = 8
/** How many renderings' work all of those that find something out about a template may do together. */
const renderingsTogether = 4

/** Limits of one rendering of a short conversation. */
export interface RenderLimits {
  /** Steps of work: see `WorkBudget`. */
  steps: number
  /** Characters of the rendered text, and of any text on the way to it. */
  size: number
}

/** The variables of a template apart from the messages. */
export interface TemplateVariables {
  bosToken: string
  eosToken: string
}

const advice = 'Pass another template as the option `chatTemplate`.'

/** A chat template, compiled once, that renders under limits: it comes with a model's file, from anywhere. */
export class CompiledTemplate {
  readonly source: string
  /** String literals that the template may compare contents with. */
  readonly literals: readonly string[]
  readonly #program: TreeNode
  readonly #variables: Record<string, unknown>
  readonly #limits: RenderLimits
  /** Steps left to renderings that share them. */
  #shared: number | undefined

  /**
   * `further`: variables that every rendering has, such as `tools`. Throws `TEMPLATE_FAILED` for a source that is too
   * long or doesn't compile.
   */
  constructor(
    source: string,
    variables: TemplateVariables,
    limits: RenderLimits = renderLimits,
    further: Readonly<Record<string, unknown>> = {},
  ) {
    if (source.length > sourceLimit) {
      throw new StreamingLLMError(
        'TEMPLATE_FAILED',
        `The chat template has ${source.length} characters, more than the limit of ${sourceLimit}. ${advice}`,
        {
          details: { length: source.length, limit: sourceLimit },
        },
      )
    }
    const spaces = longestWhiteSpace(source)
    if (spaces > whiteSpaceLimit) {
      throw new StreamingLLMError(
        'TEMPLATE_FAILED',
        `The chat template has ${spaces} characters of white space in a row, more than the limit of ${whiteSpaceLimit}. ${advice}`,
        {
          details: { whiteSpace: spaces, limit: whiteSpaceLimit },
        },
      )
    }
    this.source = source
    this.#limits = limits
    // `tools` and `documents` are none, not undefined: templates ask `tools is not none`, as transformers passes none.
    this.#variables = {
      bos_token: variables.bosToken,
      eos_token: variables.eosToken,
      tools: null,
      documents: null,
      ...further,
    }
    try {
      this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }))
      this.literals = comparedLiterals(this.#program)
    } catch (error) {
      // The parser looks for the next token where there is none.
      const ends = error instanceof TypeError && error.message.includes("undefined (reading 'type')")
      throw failed('compile', ends ? new Error('Unexpected end of input', { cause: error }) : error)
    }
  }

  /**
   * `variables` are further ones, such as `tools`; `messages` may have more members than those of a plain message.
   *
   * Throws `TEMPLATE_FAILED` where the template raises, fails, or exceeds a limit.
   */
  render(
    messages: readonly TemplateMessage[],
    addGenerationPrompt: boolean,
    variables: Readonly<Record<string, unknown>> = {},
  ): string {
    let budget: WorkBudget | undefined
    try {
      const items = { ...this.#variables, ...variables }
      budget = this.#allowance(messages, items)
      const scope = globals(budget)
      for (const [name, value] of Object.entries({ ...items, messages, add_generation_prompt: addGenerationPrompt }))
        scope.set(name, value)
      return new MeteredInterpreter(scope as unknown as Scope, budget).run(this.#program).value as string
    } catch (error) {
      throw failed('render', error)
    } finally {
      if (this.#shared !== undefined) this.#shared -= budget?.used ?? 0
    }
  }

  /**
   * Runs what renders many small conversations to find something out. Together they may do the work of a few, so that a
   * slow template within the limits does not block the process for a hundred times as long.
   */
  together<T>(work: () => T): T {
    if (this.#shared !== undefined) return work()
    this.#shared = renderingsTogether * this.#limits.steps
    try {
      return work()
    } finally {
      this.#shared = undefined
    }
  }

  #allowance(messages: readonly TemplateMessage[], variables: Readonly<Record<string, unknown>>): WorkBudget {
    let { steps, size } = this.#limits
    const add = (value: unknown): void => {
      steps += stepsPerValue
      if (typeof value === 'string') {
        steps += value.length * stepsPerCharacter
        size += value.length * sizePerCharacter
      } else if (Array.isArray(value)) {
        value.forEach(add)
      } else if (typeof value === 'object' && value !== null) {
        Object.values(value).forEach(add)
      }
    }
    for (const message of messages) {
      steps += stepsPerMessage
      add(message.content)
      add(message.tool_calls)
    }
    add(variables)
    return new WorkBudget(Math.min(steps, this.#shared ?? Infinity), size)
  }
}

function longestWhiteSpace(text: string): number {
  let longest = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && text.charAt(i).trim() === '') continue
    longest = Math.max(longest, i - start)
    start = i + 1
  }
  return longest
}

function failed(doing: 'compile' | 'render', error: unknown): StreamingLLMError {
  if (error instanceof WorkExceeded) {
    const what =
      error.exceeded === 'steps'
        ? `takes more than ${error.limit} steps of work, where others take some thousands`
        : `writes a text of more than the limit of ${error.limit} characters`
    return new StreamingLLMError('TEMPLATE_FAILED', `The chat template failed to ${doing}: it ${what}. ${advice}`, {
      cause: error,
      details: { doing, exceeded: error.exceeded, limit: error.limit },
    })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new StreamingLLMError(
    'TEMPLATE_FAILED',
    `The chat template failed to ${doing}: ${message.slice(0, 500)}. ${advice}`,
    {
      cause: error,
      details: { doing, templateMessage: message.slice(0, 500) },
    },
  )
}
