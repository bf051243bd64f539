/// <reference lib="esnext.disposable" preserve="true" />

export type { Answer, Chat, ChatLimits } from './chat/chat.js'
export type { RestoredFrom } from './chat/conversation.js'
export type { TokenCounts } from './engine/job-runner.js'
export type { Sequence } from './engine/sequence.js'
export type { TextStream } from './engine/text-stream.js'
export { type ErrorCode, StreamingLLMError } from './errors.js'
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
export type { ModelProgress } from './hub/progress.js'
export type { ChatMessage, Role, ToolCall } from './messages.js'
export {
  type DeviceNeed,
  estimateMemory,
  type MemoryEstimate,
  type MemoryEstimateOptions,
} from './model/estimate-memory.js'
export { loadModel } from './model/load-model.js'
export type { AdapterInfo } from './model/lora.js'
export type { Model } from './model/model.js'
export type { DefaultPolicy, FileInfo, ModelInfo } from './model/model-info.js'
export type { ModelMemory } from './model/model-memory.js'
export type { ModelDevice } from './model/place-model.js'
export { type StreamChatOptions, streamChat } from './model/stream-chat.js'
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
} from './options/parse.js'
export type { StandardResult, StandardSchema } from './structured/schema.js'
export type { JsonSchema, ToolChoice } from './tools/tool-definitions.js'
export type { Tool, ToolArguments, Tools } from './tools/tools.js'
