/**
 * What llama.cpp v0.4.0 takes an architecture's memory to be. It says so only once a model is loaded. These tables know
 * it from the name in a file's header, and test/native/estimate-memory.test.ts compares them with llama.cpp.
 */

/** A state that takes each token in, and nothing else. */
export const recurrentArchitectures: ReadonlySet<string> = new Set([
  'mamba',
  'mamba2',
  'rwkv6',
  'rwkv6qwen2',
  'rwkv7',
  'arwkv7',
])

/** Layers with such a state, and layers with attention. */
export const hybridArchitectures: ReadonlySet<string> = new Set([
  'jamba',
  'falcon-h1',
  'plamo2',
  'granitehybrid',
  'lfm2',
  'lfm2moe',
  'nemotron_h',
  'nemotron_h_moe',
  'qwen3next',
  'kimi-linear',
  'bailingmoe3',
  'kimi-k3',
  'qwen35',
  'qwen35moe',
  'qwen4exp',
  'deepseek4',
  'minimax-01',
])

/** No RoPE: positions are learned, are told by ALiBi, or mean nothing. */
export const unrotatedArchitectures: ReadonlySet<string> = new Set([
  'gpt2',
  'gptj',
  'mpt',
  'refact',
  'bloom',
  'mamba',
  'mamba2',
  'jamba',
  'jais',
  'rwkv6',
  'rwkv6qwen2',
  'rwkv7',
  'arwkv7',
  'nemotron_h',
  'nemotron_h_moe',
  'kimi-linear',
  'kimi-k3',
])
