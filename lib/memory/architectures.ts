/**
 * What llama.cpp v0.4.0 takes an architecture's memory to be. It says so only once a model is loaded. These tables know
 * it from the name in a file's header, and test/native/estimate-memory.test.ts compares them with llama.cpp.
 */

/**
 * Hybrids whose layers are told apart by `full_attention_interval`, every so many having attention; the figure where
 * the file has none.
 */
export const attentionIntervals: Readonly<Record<string, number>> = {
  qwen3next: 4,
  qwen35: 4,
  qwen35moe: 4,
  qwen4exp: 4,
  'minimax-01': 8,
}

/** The layers that predict further tokens have no part in the cache. */
export const trunkOnlyArchitectures: ReadonlySet<string> = new Set([
  'step35',
  'hy_v3',
  'glm-dsa',
  'mimo2',
  'deepseek32',
  ...Object.keys(attentionIntervals),
])

/** Besides keys and values, llama.cpp keeps something that is not counted here. */
export const uncountedMemory: Readonly<Record<string, string>> = {
  deepseek32: 'the keys of its indexer',
  'glm-dsa': 'the keys of its indexer',
  dots3note: 'its indexer, and windowed layers of another width',
  'minimax-m3': 'the keys of its indexer',
  qwen4exp: 'the keys of its indexer',
  deepseek4: 'its compressed memory',
  nanbeige: 'the cache of layers that are run several times',
}

/** Which layers see only the latest tokens. */
export interface WindowRule {
  /** Every so many layers, one sees all: the last of them. Undefined: an array in the file says it for each layer. */
  period?: number
  /** The first of them instead. */
  denseFirst?: boolean
  /**
   * The window in tokens where the file names none; without a default, a file that names none has no windowed layers.
   */
  defaultWindow?: number
  /** The window whatever the file names, unless that is 0. */
  fixedWindow?: number
  /** Only models of so many layers. */
  onlyWithLayers?: number
}

/** By architecture; the windows that other files name are not used by llama.cpp. */
export const windowRules: Readonly<Record<string, WindowRule>> = {
  afmoe: { period: 4 },
  cohere2: { period: 4 },
  cohere2moe: { period: 4, denseFirst: true },
  exaone4: { period: 4, defaultWindow: 4096, onlyWithLayers: 64 },
  'exaone-moe': { period: 4, defaultWindow: 128 },
  gemma2: { period: 2, defaultWindow: 4096 },
  gemma3: { period: 6 },
  gemma3n: { period: 5 },
  gemma4: {},
  'gpt-oss': { period: 2 },
  granite_swa: {},
  laguna: { period: 4, denseFirst: true },
  lfm2: { period: 0 }, // all of its attention
  llama4: { period: 4, defaultWindow: 8192, fixedWindow: 8192 },
  mellum: { period: 4 },
  mimo2: {},
  'muse-glimmer': { period: 4 },
  olmo2: { period: 4 },
  plamo3: { period: 8 },
  smallthinker: { period: 4, denseFirst: true, fixedWindow: 4096 },
  step35: {},
}

/** Architectures of the above whose file may also have an array in place of the period. */
export const arrayInsteadOfPeriod: ReadonlySet<string> = new Set(['cohere2moe', 'mellum', 'muse-glimmer'])
