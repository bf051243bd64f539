import os from 'node:os'
import * as v from 'valibot'
import type { ChatMessage, ToolCall } from '../messages.js'
import type { ToolChoice } from '../tools/tool-definitions.js'
import type { OptionsOfCalls, Schema, Schemas } from './check.js'
import {
  boolean,
  callback,
  endpoints,
  integer,
  integerOr,
  nonEmptyString,
  number,
  oneOf,
  shortText,
  signal,
  text,
  texts,
} from './kinds.js'
import { samplingSchemas } from './sampling.js'
import type {
  AdapterOptions,
  ChatOptions,
  EmbedOptions,
  GenerateOptions,
  ModelOptions,
  PolicyOptions,
  TextOptions,
} from './types.js'

export const policySchemas: Schemas<PolicyOptions> = {
  policy: oneOf('streaming', 'dense', 'window', 'recompute'),
  sinks: integer(0),
  window: integer(1),
  reanchorEvery: integer(1),
  rebaseAfter: integer(1),
}

export const chatSchemas: Schemas<ChatOptions> = {
  ...policySchemas,
  ...samplingSchemas,
  system: text,
  pinSystem: boolean,
  pinShare: number({ over: 0, max: 1 }),
  evict: oneOf('token', 'turn'),
  restore: oneOf('window', 'all'),
  tools: v.unknown() as Schema<ChatOptions['tools']>, // by parseTools
  reasoning: oneOf('template', 'keep', 'drop', 'text'),
  messages: v.unknown() as Schema<ChatMessage[]>, // by parseMessages
  keepMessages: oneOf('window', 'all'),
  chatTemplate: nonEmptyString,
}

const toolChoices = ['auto', 'none', 'required']
const toolChoiceExpected = "'auto', 'none', 'required' or { tool: name }"

export const generateSchemas: Schemas<GenerateOptions> = {
  ...samplingSchemas,
  maxTokens: integer(1),
  stop: v.lazy(value => (Array.isArray(value) ? texts(16, 256) : stopText)),
  timeLimit: number({ over: 0 }),
  signal,
  speculation: boolean,
  priority: number({ min: -1e9, max: 1e9 }),
  logprobs: integer(0, 100),
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
  maxToolRounds: integer(1, 1000),
  keepUnanswered: boolean,
}

export const embedSchemas: Schemas<EmbedOptions> = { pooling: oneOf('mean', 'last', 'cls'), normalize: boolean, signal }

export const textSchemas: Schemas<TextOptions> = { special: boolean }

export const grammarSchemas: Schemas<{ source: string; triggers?: string[] }> = {
  source: nonEmptyString,
  triggers: texts(64, 256),
}

const stopText = v.pipe(v.string('a string or an array of strings'), shortText(256) as v.GenericSchema<string>)

/**
 * Threads that spin on more than a few times the processors there are compute nothing sooner. 512 is ggml's own limit,
 * which it asserts.
 */
const maxThreads = Math.min(Math.max(16, 4 * os.availableParallelism()), 512)

export const modelSchemas: Schemas<ModelOptions> = {
  gpu: oneOf(false, 'auto', 'metal', 'cuda', 'vulkan'),
  gpuLayers: integerOr('auto'),
  libraries: nonEmptyString,
  rpc: endpoints(16), // ggml's own limit
  threads: integer(1, maxThreads),
  batchSize: integer(16, 4096),
  cacheTokens: integer(1),
  maxSequences: integer(1, 64),
  whenFull: oneOf('wait', 'refuse'),
  swap: oneOf('memory', 'disk'),
  unloadAfter: integer(1),
  kvType: oneOf('f32', 'f16', 'q8_0', 'q4_0'),
  flashAttention: oneOf('auto', 'on', 'off', true, false),
  mmap: boolean,
  probe: boolean,
  signal,
  onProgress: callback(),
  onLog: callback(),
  onWarning: callback(),
  chatTemplate: nonEmptyString,
  adapters: v.unknown() as Schema<AdapterOptions[]>, // by readAdapters
  sha256: v.pipe(v.string('64 hexadecimal digits'), v.regex(/^[0-9a-f]{64}$/i, '64 hexadecimal digits')),
}

export const loraSchemas: Schemas<AdapterOptions> = { path: nonEmptyString, scale: number({ min: -100, max: 100 }) }

export const maxLoras = 16

export const messageSchemas: Schemas<ChatMessage> = {
  role: nonEmptyString,
  content: text,
  toolCalls: v.unknown() as Schema<ToolCall[]>, // by readToolCalls
  toolCallId: nonEmptyString,
  reasoning: text,
}

export const optionsOfCalls: OptionsOfCalls = {
  loadModel: Object.keys(modelSchemas),
  createChat: Object.keys(chatSchemas),
  stream: Object.keys(generateSchemas),
  ask: Object.keys(generateSchemas),
  embed: Object.keys(embedSchemas),
}
