import { Template } from '@huggingface/jinja'
import { StreamingLLMError } from '../errors.js'
import type { TemplateMessage } from '../messages.js'
import { comparedLiterals } from './template-literals.js'
import { isTimeout, runWithin } from './time-limit.js'

/** Longest source of a template that is compiled; the longest known ones have some 20,000 characters. */
const sourceLimit = 1_000_000
/** For compiling, which costs milliseconds and happens once. */
const compileTimeLimit = 1000
/**
 * Milliseconds that each message adds to the time limit. A message costs some 0.04 ms, and a restored history of ten
 * thousand must not fail by a limit meant for endless loops.
 */
const messageTime = 1

/** Limits of one rendering. */
export interface RenderLimits {
  /** Milliseconds for a short conversation; each message adds one. */
  time: number
  /** Characters. */
  size: number
}

/** The variables of a template apart from the messages. */
export interface TemplateVariables {
  bosToken: string
  eosToken: string
}

const advice = 'Pass another template as the option `chatTemplate`.'

/** A chat template, compiled once, that renders under limits. */
export class CompiledTemplate {
  readonly source: string
  /** String literals that the template may compare contents with. */
  readonly literals: readonly string[]
  readonly #template: Template
  readonly #variables: Record<string, unknown>
  readonly #limits: RenderLimits

  /** `further`: variables that every rendering has, such as `tools`. Throws `TEMPLATE_FAILED` for a source that is too long or doesn't compile. */
  constructor(source: string, variables: TemplateVariables, limits: RenderLimits, further: Readonly<Record<string, unknown>> = {}) {
    if (source.length > sourceLimit) {
      throw new StreamingLLMError('TEMPLATE_FAILED', `The chat template has ${source.length} characters, more than the limit of ${sourceLimit}. ${advice}`, {
        details: { length: source.length, limit: sourceLimit },
      })
    }
    this.source = source
    this.#limits = limits
    // `tools` and `documents` are none, not undefined: templates ask `tools is not none`, as transformers passes none.
    this.#variables = { bos_token: variables.bosToken, eos_token: variables.eosToken, tools: null, documents: null, ...further }
    try {
      this.#template = runWithin(compileTimeLimit, () => new Template(source))
      this.literals = comparedLiterals(this.#template.parsed)
    } catch (error) {
      throw failed('compile', error, compileTimeLimit)
    }
  }

  /**
   * `variables` are further ones, such as `tools`; `messages` may have more members than those of a plain message.
   *
   * Throws `TEMPLATE_FAILED` where the template raises, fails, or exceeds a limit.
   */
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean, variables: Readonly<Record<string, unknown>> = {}): string {
    const limit = this.#limits.time + messages.length * messageTime
    const items = { ...this.#variables, ...variables, messages, add_generation_prompt: addGenerationPrompt }
    let text: string
    try {
      text = runWithin(limit, () => this.#template.render(items))
    } catch (error) {
      throw failed('render', error, limit)
    }
    if (text.length > this.#limits.size) {
      throw new StreamingLLMError('TEMPLATE_FAILED', `The chat template gave ${text.length} characters, more than the limit of ${this.#limits.size}. ${advice}`, {
        details: { length: text.length, limit: this.#limits.size },
      })
    }
    return text
  }
}

function failed(doing: 'compile' | 'render', error: unknown, limit: number): StreamingLLMError {
  if (isTimeout(error)) {
    return new StreamingLLMError('TEMPLATE_FAILED', `The chat template did not ${doing} within ${limit} ms. ${advice}`, {
      cause: error,
      details: { doing, timeout: limit },
    })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new StreamingLLMError('TEMPLATE_FAILED', `The chat template failed to ${doing}: ${message.slice(0, 500)}. ${advice}`, {
    cause: error,
    details: { doing, templateMessage: message.slice(0, 500) },
  })
}
