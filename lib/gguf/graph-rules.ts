/**
 * What the graphs of llama.cpp v0.4.0 assert of the figures of an architecture, where the file alone decides it. A
 * failed assertion ends the process, so lib/gguf/graph.ts looks first. docs/asserts.md has the list.
 */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Keys and values of a head have one size. */
export const equalHeads = words(`
  afmoe apertus arcee arctic baichuan bailingmoe2 bitnet bloom chameleon chatglm codeshell cogvlm cohere2 cohere2moe command-r dbrx
  deci deepseek deepseek2-ocr deepseek4 dots1 ernie4_5 ernie4_5-moe exaone exaone4 exaone-moe falcon gemma4 glm4 glm4moe gpt2 gptneox granite
  granitehybrid granitemoe graniteswitch granite_swa grok grovemoe hunyuan-dense hunyuan-moe hunyuan_vl hy_v3 internlm2 jais jais2
  laguna lfm2 lfm2moe llama llama4 maincoder mellum minicpm minimax-01 minimax-m2 minimax-m3 mistral3 mpt muse-glimmer nanbeige
  nemotron nemotron_h nemotron_h_moe olmo olmo2 olmoe openelm orion paddleocr pangu-embedded phi2 phi3 phimoe plamo qwen qwen2
  qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next qwen3vl qwen3vlmoe qwen4exp refact seed_oss smallthinker smollm3
  stablelm starcoder starcoder2 talkie xverse`)

/** The whole of a head is rotated. */
export const wholeHeadsRotated = words(`
  apertus arcee arctic baichuan chameleon codeshell cogvlm cohere2moe dbrx deci deepseek dots1 ernie4_5 ernie4_5-moe exaone exaone4
  exaone-moe falcon granite granitemoe graniteswitch granite_swa grok grovemoe hunyuan-dense hunyuan-moe hunyuan_vl hy_v3 internlm2
  jais2 llama llama4 maincoder mellum minicpm mistral3 olmo olmo2 olmoe orion paddleocr pangu-embedded plamo qwen2 qwen2moe qwen2vl
  qwen3 qwen3moe qwen3vl qwen3vlmoe seed_oss smallthinker smollm3 starcoder2 talkie xverse`)

/** Positions are always of several dimensions, which share out the pairs of a head. */
export const sectioned = words('qwen2vl paddleocr qwen3vl qwen3vlmoe qwen35 qwen35moe qwen4exp')

/** They may be; where sections are given. */
export const sectionedIfGiven = words('glm4 glm4moe hunyuan_vl')

/** Heads have a part that is rotated and one that is not. */
export const splitHeads = words('deepseek2 deepseek32 dots3note glm-dsa mistral4 bailingmoe3 kimi-linear kimi-k3')

/** Keys and values are one short vector a token, and the graph knows no other way. */
export const latentAlways = words('deepseek32 dots3note glm-dsa bailingmoe3 kimi-linear kimi-k3')

/** Their state spaces are twice as wide as the model. */
export const doubleWidthStates = words('jamba granitehybrid mamba')

/** States of several heads, by groups. */
export const headedStates = words('mamba2 granitehybrid falcon-h1 nemotron_h nemotron_h_moe')

/** Gated delta nets: heads of keys and of values, a square state each. */
export const deltaNets = words('qwen3next qwen35 qwen35moe qwen4exp')

/** Every so many layers has attention. */
export const intervals = words('qwen3next qwen35 qwen35moe qwen4exp minimax-01')

/** How many of the latest tokens a layer of RWKV mixes in. */
export const shiftedTokens: Readonly<Record<string, number>> = { rwkv6: 2, rwkv7: 2, rwkv6qwen2: 1, arwkv7: 1 }

/** Convolutions over the latest tokens in place of attention. */
export const shortConvolutions = words('lfm2 lfm2moe')

/** Kimi's linear attention. */
export const deltaAttention = words('kimi-linear kimi-k3 bailingmoe3')

/** All of their models have experts. */
export const alwaysExperts = words(`
  bailingmoe2 dbrx glm4moe grok grovemoe lfm2moe llama4 mellum olmoe phimoe qwen2moe qwen35moe qwen3moe qwen3next qwen3vlmoe
  qwen4exp smallthinker`)

/** They choose which tokens to attend to by an indexer, whose keys are rotated as the others are. */
export const indexed = words('deepseek32 deepseek4 dots3note glm-dsa minimax-m3 qwen4exp')

/** Their convolutions have a bias in every layer that has one. */
export const needsConvolutionBias = words('falcon-h1 granitehybrid mamba2 nemotron_h nemotron_h_moe')

/** Queries, keys and values come out of one matrix, or of three. */
export const fusedOrSeparate = words('phi3 phimoe')
