/// <reference lib="esnext.disposable" preserve="true" />

export type { AdapterInfo } from './adapters.js'
export type { Answer, Chat, ChatLimits } from './chat.js'
export type { RestoredFrom } from './conversation.js'
export { type ErrorCode, StreamingLLMError } from './errors.js'
export { type DeviceNeed, estimateMemory, type MemoryEstimate, type MemoryEstimateOptions } from './estimate-memory.js'
export type {
  EvictEvent,
  FinishEvent,
  FinishReason,
  InvalidToolCallPart,
  PrefillEvent,
  ReasoningEvent,
  RebaseEvent,
  StreamEvent,
  TextEvent,
  Timings,
  TokenLikelihood,
  TokenProbability,
  ToolCallArgumentsPart,
  ToolCallEvent,
  ToolCallStartPart,
  ToolResultEvent,
  Usage,
} from './events.js'
export type { Scalar } from './gguf/header.js'
export type { MetadataValue } from './gguf/metadata.js'
export type { TokenCounts } from './job-reader.js'
export { loadModel } from './load-model.js'
export type { ChatMessage, Role, ToolCall } from './messages.js'
export type { Model } from './model.js'
export type { DefaultPolicy, FileInfo, ModelInfo } from './model-info.js'
export type { ModelMemory } from './model-memory.js'
export type { ModelProgress } from './models/progress.js'
export type {
  AdapterOptions,
  AdaptivePOptions,
  ChatOptions,
  DryOptions,
  DynamicTemperatureOptions,
  EmbedOptions,
  GenerateOptions,
  LoadProgress,
  LogEntry,
  MirostatOptions,
  ModelOptions,
  PolicyOptions,
  ReadProgress,
  RestoreOptions,
  SamplingOptions,
  TextOptions,
  XtcOptions,
} from './options.js'
export type { ModelDevice } from './place-model.js'
export type { Sequence } from './sequence.js'
export { type StreamChatOptions, streamChat } from './stream-chat.js'
export type { StandardResult, StandardSchema } from './structured/schema.js'
export type { TextStream } from './text-stream.js'
export type { JsonSchema, ToolChoice } from './tools/tool-definitions.js'
export type { Tool, ToolArguments, Tools } from './tools/tools.js'
