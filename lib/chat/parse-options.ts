import * as v from 'valibot'
import type { ChatMessage } from '../messages.js'
import { check, checkObject, invalid, reading } from '../options/check.js'
import { nonEmptyString } from '../options/kinds.js'
import { type ParsedChatOptions, type ParsedGenerateOptions, withPolicy } from '../options/parse.js'
import { completeSampling, mergeSampling, readSampling, samplingSchemas } from '../options/sampling.js'
import { chatSchemas, generateSchemas, grammarSchemas, optionsOfCalls } from '../options/schemas.js'
import type { ChatOptions, GenerateOptions, RestoreOptions, SamplingOptions } from '../options/types.js'
import { checkGrammar, type ImpossibleTrigger } from '../structured/grammar-check.js'
import { readResponseFormat } from '../structured/response-format.js'
import { wantsCall } from '../tools/tool-definitions.js'
import { type ParsedTools, parseTools } from '../tools/tools.js'
import { parseMessages } from './parse-messages.js'

/** What was passed to `createChat`. */
export function parseChatOptions(given: unknown, call = 'createChat'): ParsedChatOptions {
  const {
    system,
    pinSystem,
    pinShare = 0.25,
    evict = 'token',
    restore = 'window',
    tools,
    reasoning = 'template',
    messages,
    keepMessages = 'window',
    chatTemplate,
    policy,
    sinks,
    window,
    reanchorEvery,
    rebaseAfter,
    ...sampling
  } = check(call, given, chatSchemas, optionsOfCalls)
  return {
    ...withPolicy({ policy, sinks, window, reanchorEvery, rebaseAfter }),
    system,
    pinSystem,
    pinShare,
    evict,
    restore,
    tools: tools === undefined ? undefined : reading(call, 'tools', () => parseTools(tools, call)),
    reasoning,
    messages: messages === undefined ? [] : parseMessages(messages, call),
    keepMessages,
    chatTemplate,
    sampling: readSampling(call, sampling),
  }
}

/** What was passed to `restoreChat`. */
export function parseRestoreOptions(
  given: unknown,
  call = 'restoreChat',
): { chatTemplate?: string; tools?: ParsedTools; sampling: SamplingOptions } {
  const { chatTemplate, tools, ...sampling } = check<RestoreOptions>(
    call,
    given,
    { ...samplingSchemas, chatTemplate: nonEmptyString, tools: chatSchemas.tools },
    optionsOfCalls,
  )
  return {
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(tools === undefined ? {} : { tools: reading(call, 'tools', () => parseTools(tools, call)) }),
    sampling: readSampling(call, sampling),
  }
}

/**
 * What was passed to `stream`, `ask` or `generate`; `defaults` are the chat's. `impossibleTrigger` is the model's;
 * without it, the triggers of a grammar are not held against it.
 */
export function parseGenerateOptions(
  given: unknown,
  defaults: SamplingOptions = {},
  call = 'stream',
  impossibleTrigger?: ImpossibleTrigger,
): ParsedGenerateOptions {
  return reading(call, 'options', () => readGenerateOptions(given, defaults, call, impossibleTrigger))
}

function readGenerateOptions(
  given: unknown,
  defaults: SamplingOptions,
  call: string,
  impossibleTrigger: ImpossibleTrigger | undefined,
): ParsedGenerateOptions {
  if (
    given !== null &&
    typeof given === 'object' &&
    'grammar' in given &&
    given.grammar !== undefined &&
    'responseFormat' in given &&
    given.responseFormat !== undefined
  ) {
    throw invalid(
      call,
      'responseFormat',
      "'grammar' and 'responseFormat' both say what a reply must be; give one of them",
    )
  }
  const asked = given as
    | { startWith?: unknown; grammar?: unknown; responseFormat?: unknown; toolChoice?: unknown }
    | null
    | undefined
  if (asked?.grammar !== undefined && asked.toolChoice !== undefined && wantsCall(asked.toolChoice)) {
    throw invalid(
      call,
      'toolChoice',
      "'toolChoice' asks for a call, and 'grammar' says what the whole reply must be; give one of them",
    )
  }
  if (asked?.startWith !== undefined && (asked.grammar !== undefined || asked.responseFormat !== undefined)) {
    throw invalid(
      call,
      'startWith',
      "'startWith' cannot be given with a grammar or a responseFormat, which say how a reply begins",
    )
  }
  const {
    maxTokens,
    stop = [],
    timeLimit,
    signal,
    speculation = false,
    priority = 0,
    logprobs,
    grammar,
    responseFormat,
    startWith = '',
    toolChoice = 'auto',
    maxToolRounds = 8,
    keepUnanswered = false,
    ...sampling
  } = check(call, given, generateSchemas, optionsOfCalls)
  return {
    maxTokens,
    stop: typeof stop === 'string' ? [stop] : stop,
    timeLimit,
    signal,
    speculation,
    priority,
    logprobs,
    grammar: grammar === undefined ? undefined : readGrammar(call, grammar, impossibleTrigger),
    responseFormat: responseFormat === undefined ? undefined : readResponseFormat(responseFormat, call),
    startWith,
    toolChoice,
    maxToolRounds,
    keepUnanswered,
    sampling: completeSampling(mergeSampling(defaults, readSampling(call, sampling))),
  }
}

function readGrammar(
  call: string,
  given: unknown,
  impossibleTrigger: ImpossibleTrigger | undefined,
): ParsedGenerateOptions['grammar'] {
  const { source, triggers = [] } =
    typeof given === 'string' ? { source: given } : checkObject(call, 'grammar', given, grammarSchemas)
  checkGrammar(source, call, triggers, impossibleTrigger)
  return { source, triggers }
}

/** What options of a reply need to know of its model. */
interface ModelOfReply {
  samplingPresets: SamplingOptions
  tokenizer: { impossibleTrigger: ImpossibleTrigger }
}

/** What was passed to `streamChat`, sorted into what makes a chat and what makes a reply. */
export function parseStreamChatOptions(given: unknown): {
  model: unknown
  messages: ChatMessage[]
  chat: ChatOptions
  key: string
  reply: ParsedGenerateOptions
} {
  return reading('streamChat', 'options', () => readStreamChatOptions('streamChat', given))
}

function readStreamChatOptions(call: string, given: unknown): ReturnType<typeof parseStreamChatOptions> {
  const { model, messages, tools, ...options } = check(
    call,
    given,
    { ...chatSchemas, ...generateSchemas, model: v.unknown() },
    optionsOfCalls,
  ) as ChatOptions & GenerateOptions & { model: unknown }
  const chat: Record<string, unknown> = {}
  const reply: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) (name in generateSchemas ? reply : chat)[name] = value
  const parsed = tools === undefined ? undefined : parseTools(tools, call)
  const { samplingPresets, tokenizer } = (model ?? {}) as Partial<ModelOfReply>
  if (tools !== undefined) chat['tools'] = tools
  // What a chat's tools do may be another thing at each call; what the model is told of them makes the chat.
  const key = JSON.stringify({ ...chat, tools: parsed?.definitions })
  return {
    model,
    messages: parseMessages(messages, call),
    chat,
    key,
    reply: {
      ...parseGenerateOptions(reply, samplingPresets, call, tokenizer?.impossibleTrigger),
      tools: parsed,
    },
  }
}
