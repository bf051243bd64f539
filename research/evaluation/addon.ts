import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { NativeLibraryPaths } from '../../lib/engine/native.js'
import { StreamingLLMError } from '../../lib/errors.js'

/** What weights can be quantized to: llama.cpp's names of file types. */
export const weightTypes = ['f32', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_1', 'q4_K_M'] as const
export type WeightType = (typeof weightTypes)[number]

/** Types of a cache's keys and values; some only to be refused with the reason. */
export const cacheTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q4_1', 'q4_0'] as const
export type CacheType = (typeof cacheTypes)[number]

/** All fields are given; shift.ts has filled in the defaults and checked that a K-shift is right for the model. */
export interface NativeShiftOptions {
  /** The file's path. */
  model: string
  tokens: Int32Array
  policy: 'shift' | 'half'
  sinks: number
  window: number
  kv: CacheType
  flashAttention: 'auto' | 'on' | 'off'
  threads: number
}

export interface NativeShiftScores {
  nll: Float64Array
  milliseconds: Float64Array
}

export interface AttentionMaps {
  layers: number
  /** Tokens of each text. */
  length: number
  /** Of layer l, token q, to token k: `weights[(l * length + q) * length + k]`; 0 for k > q. */
  weights: Float64Array
}

/**
 * The second addon, research/native: what the package itself must not be able to do. Loaded in child processes only.
 */
export interface EvaluationAddon {
  /** Returns llama.cpp's version. To be called first. */
  open(paths: NativeLibraryPaths): string
  quantize(source: string, target: string, type: WeightType, threads: number): Promise<void>
  /**
   * `onProgress` gets the tokens decoded so far: 0 once a K-shift has been tried out, `tokens.length - 1` at the end.
   */
  score(options: NativeShiftOptions, onProgress: (done: number) => void): Promise<NativeShiftScores>
  /** `tokens`: texts of `length` tokens, one after another. `onProgress` gets the texts done. */
  attention(
    options: { model: string; tokens: Int32Array; length: number; threads: number },
    onProgress: (done: number) => void,
  ): Promise<AttentionMaps>
}

let built: Promise<string> | undefined

/**
 * The file of the addon, after building it where it is not there or its sources have changed: seconds, under the lock
 * of the build script, so that several processes may ask at once.
 *
 * @throws {StreamingLLMError} ADDON_NOT_FOUND with what the build said
 */
export function evaluationAddonPath(): Promise<string> {
  return (built ??= build().catch((error: unknown) => {
    built = undefined
    throw error
  }))
}

async function build(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/build-native.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, '--evaluation'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new StreamingLLMError('ADDON_NOT_FOUND', output.trim())
  return fileURLToPath(new URL('../../research/native/build/Release/streaming_llm_evaluation.node', import.meta.url))
}
