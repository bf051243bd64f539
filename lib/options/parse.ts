import os from 'node:os'
import * as v from 'valibot'
import type { ReasoningMode } from '../chat/chat-format.js'
import { defaultBatchSize, leastCacheTokens } from '../engine/cache-geometry.js'
import type { ChatMessage, ToolCall } from '../messages.js'
import { checkGrammar, type ImpossibleTrigger } from '../structured/grammar-check.js'
import { plainJson } from '../structured/json-schema/snapshot.js'
import { type ResponseFormat, readResponseFormat } from '../structured/response-format.js'
import { type ToolChoice, wantsCall } from '../tools/tool-definitions.js'
import { type ParsedTools, parseTools } from '../tools/tools.js'
import { isObject } from '../util/json.js'
import {
  check,
  checkObject,
  describe,
  invalid,
  type OptionsOfCalls,
  reading,
  type Schema,
  type Schemas,
} from './check.js'
import {
  boolean,
  callback,
  endpoints,
  number,
  oneOf,
  shortText,
  signal,
  someText,
  text,
  texts,
  whole,
  wholeOr,
} from './kinds.js'
import {
  completeSampling,
  overSampling,
  type ParsedSamplingOptions,
  readSampling,
  samplingSchemas,
} from './sampling.js'
import type {
  AdapterOptions,
  ChatOptions,
  EmbedOptions,
  GenerateOptions,
  ModelOptions,
  PolicyOptions,
  RestoreOptions,
  SamplingOptions,
  TextOptions,
} from './types.js'

export type * from './types.js'

/** An option that is always there once the options have been read. */
type With<T, Names extends keyof T> = Omit<T, Names> & Required<Pick<T, Names>>

/** The options of `loadModel` with the defaults that do not depend on the model. */
export type ParsedModelOptions = With<
  Omit<ModelOptions, 'flashAttention' | 'gpuLayers'>,
  'gpu' | 'threads' | 'batchSize' | 'maxSequences' | 'whenFull' | 'swap' | 'kvType' | 'mmap' | 'probe' | 'adapters'
> & {
  gpu: false | 'auto' | 'metal' | 'cuda' | 'vulkan'
  gpuLayers: number | 'auto'
  flashAttention: 'auto' | 'on' | 'off'
  /** Fewer threads may be used where that is faster. */
  threadsMayChange: boolean
}

/** `sinks`, `window`, `reanchorEvery` and `rebaseAfter` have defaults only the model can give. */
export type ParsedPolicyOptions = With<PolicyOptions, 'policy'> & { evict?: 'token' | 'turn' }

export interface ParsedChatOptions extends ParsedPolicyOptions {
  system?: string
  pinSystem?: boolean
  pinShare: number
  evict: 'token' | 'turn'
  restore: 'window' | 'all'
  tools?: ParsedTools
  reasoning: ReasoningMode
  messages: ChatMessage[]
  keepMessages: 'window' | 'all'
  chatTemplate?: string
  /** What was given of sampling, to be passed as the `defaults` of `parseGenerateOptions`. */
  sampling: SamplingOptions
}

export interface ParsedGenerateOptions {
  maxTokens?: number
  stop: string[]
  timeLimit?: number
  signal?: AbortSignal
  speculation: boolean
  priority: number
  logprobs?: number
  grammar?: { source: string; triggers: string[] }
  responseFormat?: ResponseFormat
  startWith: string
  toolChoice: ToolChoice
  maxToolRounds: number
  keepUnanswered: boolean
  /** In place of the chat's, with the same names and schemas. */
  tools?: ParsedTools
  sampling: ParsedSamplingOptions
}

const policySchemas: Schemas<PolicyOptions> = {
  policy: oneOf('streaming', 'dense', 'window', 'recompute'),
  sinks: whole(0),
  window: whole(1),
  reanchorEvery: whole(1),
  rebaseAfter: whole(1),
}

const chatSchemas: Schemas<ChatOptions> = {
  ...policySchemas,
  ...samplingSchemas,
  system: text,
  pinSystem: boolean,
  pinShare: number({ over: 0, most: 1 }),
  evict: oneOf('token', 'turn'),
  restore: oneOf('window', 'all'),
  tools: v.unknown() as Schema<ChatOptions['tools']>, // by parseTools
  reasoning: oneOf('template', 'keep', 'drop', 'text'),
  messages: v.unknown() as Schema<ChatMessage[]>, // by parseMessages
  keepMessages: oneOf('window', 'all'),
  chatTemplate: someText,
}

const toolChoices = ['auto', 'none', 'required']
const toolChoiceExpected = "'auto', 'none', 'required' or { tool: name }"

const generateSchemas: Schemas<GenerateOptions> = {
  ...samplingSchemas,
  maxTokens: whole(1),
  stop: v.lazy(value => (Array.isArray(value) ? texts(16, 256) : stopText)),
  timeLimit: number({ over: 0 }),
  signal,
  speculation: boolean,
  priority: number({ least: -1e9, most: 1e9 }),
  logprobs: whole(0, 100),
  grammar: v.unknown() as Schema<GenerateOptions['grammar']>, // by readGrammar
  responseFormat: v.unknown() as Schema<GenerateOptions['responseFormat']>, // by readResponseFormat
  startWith: text,
  toolChoice: v.pipe(
    v.custom<ToolChoice>(
      value => toolChoices.includes(value as string) || typeof (value as { tool?: unknown } | null)?.tool === 'string',
      toolChoiceExpected,
    ),
    // As an own copy, since what is asked again may be another.
    v.transform(value => (typeof value === 'string' ? value : { tool: value.tool })),
    v.check(value => typeof value === 'string' || typeof value.tool === 'string', toolChoiceExpected),
  ),
  maxToolRounds: whole(1, 1000),
  keepUnanswered: boolean,
}

const embedSchemas: Schemas<EmbedOptions> = { pooling: oneOf('mean', 'last', 'cls'), normalize: boolean, signal }

const textSchemas: Schemas<TextOptions> = { special: boolean }

const grammarSchemas: Schemas<{ source: string; triggers?: string[] }> = { source: someText, triggers: texts(64, 256) }

const stopText = v.pipe(v.string('a string or an array of strings'), shortText(256) as v.GenericSchema<string>)

/** Threads that spin on more than a few times the processors there are compute nothing sooner. 512 is ggml's own limit, which it asserts. */
const mostThreads = Math.min(Math.max(16, 4 * os.availableParallelism()), 512)

const modelSchemas: Schemas<ModelOptions> = {
  gpu: oneOf(false, 'auto', 'metal', 'cuda', 'vulkan'),
  gpuLayers: wholeOr('auto'),
  libraries: someText,
  rpc: endpoints(16), // ggml's own limit
  threads: whole(1, mostThreads),
  batchSize: whole(16, 4096),
  cacheTokens: whole(1),
  maxSequences: whole(1, 64),
  whenFull: oneOf('wait', 'refuse'),
  swap: oneOf('memory', 'disk'),
  unloadAfter: whole(1),
  kvType: oneOf('f32', 'f16', 'q8_0', 'q4_0'),
  flashAttention: oneOf('auto', 'on', 'off', true, false),
  mmap: boolean,
  probe: boolean,
  signal,
  onProgress: callback(),
  onLog: callback(),
  onWarning: callback(),
  chatTemplate: someText,
  adapters: v.unknown() as Schema<AdapterOptions[]>, // by readAdapters
  sha256: v.pipe(v.string('64 hexadecimal digits'), v.regex(/^[0-9a-f]{64}$/i, '64 hexadecimal digits')),
}

const adapterSchemas: Schemas<AdapterOptions> = { path: someText, scale: number({ least: -100, most: 100 }) }

const mostAdapters = 16

const messageSchemas: Schemas<ChatMessage> = {
  role: someText,
  content: text,
  toolCalls: v.unknown() as Schema<ToolCall[]>, // by readToolCalls
  toolCallId: someText,
  reasoning: text,
}

const optionsOfCalls: OptionsOfCalls = {
  loadModel: Object.keys(modelSchemas),
  createChat: Object.keys(chatSchemas),
  stream: Object.keys(generateSchemas),
  ask: Object.keys(generateSchemas),
  embed: Object.keys(embedSchemas),
}

/** What the operating system offers this process; more than 16 rarely help. */
export function defaultThreads(): number {
  return Math.min(os.availableParallelism(), 16)
}

/** What was passed to `loadModel`. */
export function parseModelOptions(given: unknown, call = 'loadModel'): ParsedModelOptions {
  const {
    flashAttention: flash = 'auto',
    gpu = 'auto',
    adapters,
    ...options
  } = check(call, given, modelSchemas, optionsOfCalls)
  const flashAttention = typeof flash === 'boolean' ? (flash ? 'on' : 'off') : flash
  const kvType = options.kvType ?? 'f16'
  if (kvType.startsWith('q') && flashAttention === 'off') {
    throw invalid(call, 'kvType', `'kvType' ${describe(kvType)} needs flash attention, and 'flashAttention' is off`)
  }
  const least = leastCacheTokens(options.batchSize)
  if (options.cacheTokens !== undefined && options.cacheTokens < least) {
    const expected = `at least ${least}`
    throw invalid(
      call,
      'cacheTokens',
      `'cacheTokens' must be ${expected}, which a window of 1 token takes with a 'batchSize' of ${options.batchSize ?? defaultBatchSize}, got ${describe(options.cacheTokens)}`,
      expected,
    )
  }
  if (options.unloadAfter !== undefined && options.rpc !== undefined) {
    throw invalid(
      call,
      'unloadAfter',
      "'unloadAfter' cannot be used with 'rpc': a server that is gone when the model is loaded again would end this process",
    )
  }
  return {
    threads: defaultThreads(),
    threadsMayChange: options.threads === undefined,
    batchSize: defaultBatchSize,
    maxSequences: 8,
    whenFull: 'wait',
    swap: 'memory',
    mmap: true,
    probe: false,
    gpuLayers: 'auto',
    ...options,
    gpu,
    kvType,
    flashAttention,
    adapters: adapters === undefined ? [] : readAdapters(call, adapters),
  }
}

/** What was passed to `createSequence`. */
export function parseSequenceOptions(given: unknown, call = 'createSequence'): ParsedPolicyOptions {
  return withPolicy(check(call, given, policySchemas, optionsOfCalls))
}

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
    { ...samplingSchemas, chatTemplate: someText, tools: chatSchemas.tools },
    optionsOfCalls,
  )
  return {
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(tools === undefined ? {} : { tools: reading(call, 'tools', () => parseTools(tools, call)) }),
    sampling: readSampling(call, sampling),
  }
}

/**
 * What was passed to `stream`, `ask` or `generate`; `defaults` are the chat's. `impossibleTrigger` is the model's; without it,
 * the triggers of a grammar are not held against it.
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
    sampling: completeSampling(overSampling(defaults, readSampling(call, sampling))),
  }
}

/** What was passed to `embed`. */
export function parseEmbedOptions(given: unknown, call = 'embed'): EmbedOptions {
  return check(call, given, embedSchemas, optionsOfCalls)
}

/** What was passed to `tokenize` or `detokenize`. */
export function parseTextOptions(given: unknown, call: string): TextOptions {
  return check(call, given, textSchemas, optionsOfCalls)
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

/** An array of messages, as an own copy. */
export function parseMessages(given: unknown, call = 'createChat'): ChatMessage[] {
  return reading(call, 'messages', () => readMessages(given, call))
}

function readMessages(given: unknown, call: string): ChatMessage[] {
  if (!Array.isArray(given)) {
    throw invalid(
      call,
      'messages',
      `'messages' must be an array of { role, content }, got ${describe(given)}`,
      'an array of { role, content }',
    )
  }
  return Array.from(given, (message, index) => {
    const where = `messages[${index}]`
    const { role, content, toolCalls, toolCallId } = checkObject(call, where, message, messageSchemas)
    for (const [name, value] of [
      ['role', role],
      ['content', content],
    ]) {
      if (value === undefined)
        throw invalid(call, `${where}.${name}`, `'${where}.${name}' must be a string, got undefined`, 'a string')
    }
    const calls = toolCalls === undefined ? [] : readToolCalls(call, `${where}.toolCalls`, toolCalls)
    return {
      role,
      content,
      ...(calls.length === 0 ? {} : { toolCalls: calls }),
      ...(toolCallId === undefined ? {} : { toolCallId }),
    }
  })
}

/** Says of the one call what is wrong with it: other libraries have the arguments as JSON text. */
function readToolCalls(call: string, where: string, given: unknown): ToolCall[] {
  const refuse = (at: string, value: unknown, expected: string, hint = '') =>
    invalid(call, at, `'${at}' must be ${expected}${hint}, got ${describe(value)}`, expected)
  if (!Array.isArray(given)) throw refuse(where, given, 'an array of { id, name, arguments }')
  return Array.from(given, (each: unknown, index) => {
    const at = `${where}[${index}]`
    if (!isObject(each)) throw refuse(at, each, 'an object with id, name and arguments')
    const { id, name, arguments: args } = each
    if (typeof id !== 'string') throw refuse(`${at}.id`, id, 'a string')
    if (typeof name !== 'string') throw refuse(`${at}.name`, name, 'a string')
    if (!isObject(args))
      throw refuse(
        `${at}.arguments`,
        args,
        'an object',
        typeof args === 'string' ? ' (JSON text is to be parsed first, by JSON.parse)' : '',
      )
    return reading(call, `${at}.arguments`, () => plainJson({ ...each, id, name, arguments: args })) as ToolCall
  })
}

function readAdapters(call: string, given: unknown): AdapterOptions[] {
  return reading(call, 'adapters', () => readEachAdapter(call, given))
}

function readEachAdapter(call: string, given: unknown): AdapterOptions[] {
  const expected = `an array of at most ${mostAdapters} { path, scale }`
  if (!Array.isArray(given) || given.length > mostAdapters)
    throw invalid(call, 'adapters', `'adapters' must be ${expected}, got ${describe(given)}`, expected)
  return Array.from(given, (adapter, index) => {
    const where = `adapters[${index}]`
    const read = checkObject(call, where, adapter, adapterSchemas)
    if (read.path === undefined)
      throw invalid(
        call,
        `${where}.path`,
        `'${where}.path' must be a string that is not empty, got undefined`,
        'a string that is not empty',
      )
    return read
  })
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

function withPolicy(options: PolicyOptions): ParsedPolicyOptions {
  return { ...options, policy: options.policy ?? 'streaming' }
}
