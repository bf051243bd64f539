import os from 'node:os'
import type { ChatMessage } from '../messages.js'
import type { ResponseFormat } from '../structured/response-format.js'
import type { ToolChoice } from '../tools/tool-definitions.js'
import type { ParsedTools } from '../tools/tools.js'
import { check } from './check.js'
import type { ParsedSamplingOptions } from './sampling.js'
import { embedSchemas, optionsOfCalls, policySchemas, textSchemas } from './schemas.js'
import type { ChatOptions, EmbedOptions, ModelOptions, PolicyOptions, SamplingOptions, TextOptions } from './types.js'

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

/** What becomes of a model's reasoning: see ChatOptions. */
export type ReasoningMode = NonNullable<ChatOptions['reasoning']>

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
  grammar?: { source: string; triggers: string[]; reasoning?: { open: string; close: string; before: string } }
  responseFormat?: ResponseFormat
  startWith: string
  toolChoice: ToolChoice
  maxToolRounds: number
  keepUnanswered: boolean
  /** In place of the chat's, with the same names and schemas. */
  tools?: ParsedTools
  sampling: ParsedSamplingOptions
}

/** What the operating system offers this process; more than 16 rarely help. */
export function defaultThreads(): number {
  return Math.min(os.availableParallelism(), 16)
}

/** What was passed to `createSequence`. */
export function parseSequenceOptions(given: unknown, call = 'createSequence'): ParsedPolicyOptions {
  return withPolicy(check(call, given, policySchemas, optionsOfCalls))
}

/** What was passed to `embed`. */
export function parseEmbedOptions(given: unknown, call = 'embed'): EmbedOptions {
  return check(call, given, embedSchemas, optionsOfCalls)
}

/** What was passed to `tokenize` or `detokenize`. */
export function parseTextOptions(given: unknown, call: string): TextOptions {
  return check(call, given, textSchemas, optionsOfCalls)
}

/** With the default policy where none is given. */
export function withPolicy(options: PolicyOptions): ParsedPolicyOptions {
  return { ...options, policy: options.policy ?? 'streaming' }
}
