/** What the addon shows: plain values and codes. Only model.ts, sequence.ts and the loader call it. */

export interface NativeLibraryPaths {
  llama: string
  ggml: string
  ggmlBase: string
  cpuBackends: string[]
  accelerators: string[]
}

export interface NativeDevice {
  /** ggml's, such as `CUDA0`, by which it is asked for. */
  name: string
  /** ggml's name of the back end: `CPU`, `CUDA`, `Vulkan`, `MTL`. */
  backend: string
  /** Bytes, as the driver says them at the moment; 0 where it does not. */
  memoryFree: number
  memoryTotal: number
  description: string
  /** ggml's kinds of device: CPU, GPU, integrated GPU, accelerator. */
  type: 'cpu' | 'gpu' | 'igpu' | 'accel'
}

export interface NativeModelInfo {
  description: string
  parameters: number
  sizeBytes: number
  layers: number
  trainedLength: number
  vocabularySize: number
  hasTokenizer: boolean
  hasEncoder: boolean
  hasDecoder: boolean
  isRecurrent: boolean
  isHybrid: boolean
  isDiffusion: boolean
  /** False: no layer of it looks at positions (or all do so by ALiBi). */
  hasPositions: boolean
  slidingWindow: number
  chatTemplate: string | undefined
  bosToken: number | undefined
  /** Between what the text is filled in, as far as the vocabulary has them. */
  fillTokens?: { prefix?: number; suffix?: number; middle?: number }
  bosText: string
  eosText: string
  /** Texts of the control tokens: what must not be read as such inside people's text. */
  specialTokens: string[]
}

/** All fields are given; lib/model/parse-options.ts has filled in the defaults. */
export interface NativeContextOptions {
  threads: number
  threadsMayChange: boolean
  batchSize: number
  /** 0: grows with the open sequences. */
  cacheTokens: number
  maxSequences: number
  /**
   * Any number of sequences may be open; their jobs wait for a slot. Default: false, no more than there are slots can
   * be opened.
   */
  waits?: boolean
  /** A folder of its own for the state of sequences that lose their slot. Default: memory. */
  swapFolder?: string
  /** Milliseconds without work after which weights and cache are freed until the next job. Default: never. */
  unloadAfter?: number
  kvType: 'f32' | 'f16' | 'q8_0' | 'q4_0'
  flashAttention: 'auto' | 'on' | 'off'
}

export interface NativeLoadOptions extends NativeContextOptions {
  /** -1: all. */
  gpuLayers: number
  /** Servers that take part, as `host:port`, in order; with the file of ggml's back end for them. */
  rpc?: string[]
  rpcLibrary?: string
  /** GPUs of this machine, by name. */
  devices: string[]
  /** Whether the file is mapped into memory rather than read. Default: true. */
  mmap?: boolean
  /** LoRA adapters that fit the model. Default: none. */
  adapters?: { path: string; scale: number }[]
}

export interface NativeSequenceOptions {
  /** As in native/policy/cache_policy.h. */
  policy: 'streaming' | 'dense' | 'recompute' | 'refill'
  sinks: number
  /** For the dense policy: tokens in all. */
  window: number
  /** 2^30: never. */
  reanchorEvery: number
  rebaseAfter: number
  /** Whole turns leave, which jobs tell apart. Default: false. */
  byTurn?: boolean
  /** Checks the cache's invariants after each step, and compares llama.cpp's cells with ours. For tests. */
  verify: boolean
  /** Where the first token goes. For tests; 0 otherwise. */
  firstPosition: number
}

export interface NativeSampling {
  temperature: number
  topK: number
  topP: number
  minP: number
  typicalP: number
  repeatPenalty: number
  frequencyPenalty: number
  presencePenalty: number
  penaltyTokens: number
  dryMultiplier: number
  dryBase: number
  dryAllowedLength: number
  dryTokens: number
  dryBreakers: string[]
  seed: number
  /**
   * The seed was chosen: nothing that changes the last bits of a logit changes while the reply comes. Default: false.
   */
  reproducible?: boolean
  // What follows is off where it is missing.
  topNSigma?: number
  xtcProbability?: number
  xtcThreshold?: number
  temperatureRange?: number
  temperatureExponent?: number
  /** The version; 0: off. */
  mirostat?: number
  mirostatTau?: number
  mirostatEta?: number
  /** Below 0: off. */
  adaptiveTarget?: number
  adaptiveDecay?: number
  biasTokens?: Int32Array
  biasValues?: Float32Array
}

/** What the model thought of a token, as natural logarithms. */
export interface NativeTokenProbability {
  token: number
  logProbability: number
  likeliest: { token: number; logProbability: number }[]
}

export type NativeJob =
  | { type: 'append'; tokens: Int32Array; turns?: Int32Array }
  /** As `append`, at once: the tokens wait to be decoded with the next job. */
  | { type: 'add'; tokens: Int32Array; turns?: Int32Array }
  /** Forgets the tokens of the conversation behind the first `keep`. EVICTED where these have left. */
  | { type: 'cut'; keep: number }
  /** Other tokens take the place of the sinks. EVICTED where that cannot be done in place. */
  | { type: 'replaceSinks'; tokens: Int32Array }
  /** `finish` tells all tokens that are kept. */
  | { type: 'readTokens' }
  /** `finish` tells the `state` of the sequence. */
  | { type: 'save' }
  /** An empty sequence becomes the saved one; `finish` says how much of it could be used. INVALID_OPTION. */
  | { type: 'restore'; state: Uint8Array /** The cache is of another kind. */; tokensAlone: boolean }
  | { type: 'score'; tokens: Int32Array }
  | { type: 'rebase' }
  | {
      type: 'generate'
      tokens: Int32Array
      /** Indexes among them where turns begin. */
      turns?: Int32Array
      /** 0: no limit. */
      maxTokens: number
      /** Milliseconds; 0: no limit. */
      timeLimit: number
      stop: string[]
      sampling: NativeSampling
      /** The highest gets a slot first when several jobs wait. Default: 0. */
      priority?: number
      /** GBNF that the reply must follow. INVALID_OPTION where llama.cpp does not understand it. */
      grammar?: string
      /** From the first of these texts on; none: from the start. */
      triggers?: string[]
      /** Where triggers do not count: between these marks. `before`: what the reply begins with already. */
      reasoning?: { open: string; close: string; before: string }
      /** How many likely tokens to tell with each; missing: no probabilities. */
      alternatives?: number
      /** Control tokens that are text of the reply, by their names. */
      visibleTokens?: Int32Array
      /** Tries what followed earlier occurrences of the latest tokens. Default: false. */
      speculation?: boolean
      /**
       * For tests: always tries `count` of the reply that `tokens` foretell, where rules allow (-1: no other drafts
       * than `speculation` finds); `finish` then tells the reply's tokens.
       */
      forcedDrafts?: { tokens: Int32Array; count: number }
    }

export type NativeEvent =
  | { type: 'prefill'; done: number; total: number }
  /** `tokens`: those that end within the text, where `alternatives` were asked for. */
  | { type: 'text'; text: string; tokens?: NativeTokenProbability[] }
  /** `total`: tokens evicted from this sequence so far. */
  | { type: 'evict'; tokens: number; total: number }
  | { type: 'rebase'; tokens: number }
  | { type: 'scores'; values: Float32Array }
  | {
      type: 'finish'
      /**
       * 'waiting': what has been restored was to be decoded again when it was saved; 'unreadable': its cells could not
       * be read.
       */
      reason: 'end' | 'stop' | 'length' | 'time' | 'abort' | 'done' | 'waiting' | 'unreadable'
      promptTokens: number
      reusedTokens: number
      completionTokens: number
      /** Tokens tried ahead of their turn, and how many of them came. There when speculation was asked for. */
      draftedTokens?: number
      acceptedTokens?: number
      /** With `forcedDrafts`: the reply. From `readTokens`: all that is kept, sinks first. */
      tokens?: Int32Array
      /** From `save`. */
      state?: Uint8Array
      seenTokens: number
      cachedTokens: number
      evictedTokens: number
      promptMs: number
      generationMs: number
    }
  | { type: 'error'; code: string; message: string; seenTokens: number; cachedTokens: number; evictedTokens: number }

/** One job's events. `finish` or `error` is the last; the sequence is free for the next job once it has been taken. */
export interface NativeStream {
  /**
   * The next event, or null if there is none yet. Text that is taken counts as delivered: what was generated beyond
   * it can still be taken back.
   */
  take(): NativeEvent | null
  /** Calls back once, soon after take() would return something; at once, if it would now. One waiter at a time. */
  wait(callback: () => void): void
  /**
   * Ends the job early. Text that was not taken is dropped, and the sequence is rolled back to what was delivered. The
   * last event is then `finish` with reason 'abort', or with the reason reached, if all of the text was taken.
   */
  cancel(): void
}

export interface NativeSequence {
  /** Throws BUSY while another job runs. */
  start(job: NativeJob): NativeStream
  /** Another sequence that goes on from here. Throws as openSequence, and BUSY. */
  fork(): NativeSequence
  close(): void
}

export interface NativeEmbedRequest {
  texts: string[]
  pooling: 'mean' | 'last' | 'cls'
  normalize: boolean
  /** Of one text, for which there is memory. */
  maxTokens: number
}

export interface NativeEmbedding {
  /** TEXT_TOO_LONG, INVALID_OPTION, TOKENIZE_FAILED, OUT_OF_MEMORY, DECODE_FAILED, ABORTED, CLOSED. */
  promise: Promise<Float32Array[]>
  abort(): void
}

export interface NativeModel {
  readonly info: NativeModelInfo
  /** Throws WINDOW_TOO_LARGE, NO_SEQUENCE_LEFT. */
  openSequence(options: NativeSequenceOptions): NativeSequence
  /**
   * Throws TOKENIZE_FAILED, TEXT_TOO_LONG, OUT_OF_MEMORY. `partBytes`, for tests: from how many bytes on the text is
   * cut where it can be.
   */
  tokenize(text: string, special: boolean, partBytes?: number): Int32Array
  /** On a thread of its own. */
  tokenizeLater(text: string, special: boolean): Promise<Int32Array>
  /** Throws INVALID_OPTION, TEXT_TOO_LONG. */
  detokenize(tokens: Int32Array, special: boolean): string
  /**
   * The first of the triggers that no text of the grammar begins with, or -1: there is none, as far as that can be
   * known soon. Never throws, and works after close(), too.
   */
  impossibleTrigger(grammar: string, triggers: readonly string[]): number
  /** On a thread and in a context of its own. To be called when the promise of the call before has settled. */
  embed(request: NativeEmbedRequest): NativeEmbedding
  /** Frees what embed() has made, until its next call. */
  releaseEmbedder(): Promise<unknown>
  /** Whether the weights are in memory. */
  readonly loaded: boolean
  /** Cells of the cache in all, 0 before the first job. */
  readonly cells: number
  /** Waits for the engine's thread; streams in flight end with CLOSED. */
  close(): Promise<void>
}

export interface NativeLoading {
  promise: Promise<NativeModel>
  abort(): void
}

export interface NativeAddon {
  open(paths: NativeLibraryPaths): { version: string; cpuBackend: string; devices: NativeDevice[] }
  /** All that are there now. */
  devices(): NativeDevice[]
  /** Loads a back end, and returns all devices that are there then. GPU_UNAVAILABLE. */
  loadBackend(file: string): NativeDevice[]
  /** Computes something on a device. GPU_UNAVAILABLE. */
  tryDevice(name: string): void
  /** llama.cpp's log, from now on; levels are ggml's: 1 debug, 2 info, 3 warning, 4 error, 5 continued. */
  setLog(callback: ((level: number, text: string) => void) | null): void
  load(path: string, options: NativeLoadOptions, onProgress: (done: number) => void): NativeLoading
}
