import { InvalidArgumentError, Option, type Command } from 'commander'
import type { ModelOptions, PolicyOptions } from '../options.js'

export type Policy = NonNullable<PolicyOptions['policy']>
export const policies: readonly Policy[] = ['streaming', 'dense', 'window', 'recompute']

/** The flags that the commands share. */
export interface SharedFlags {
  model?: string
  policy?: Policy
  sinks?: number
  window?: number
  reanchorEvery?: number
  threads?: number
  kv?: 'f32' | 'f16' | 'q8_0' | 'q4_0'
  flashAttention?: 'auto' | 'on' | 'off'
}

export function addSharedOptions(command: Command): Command {
  return command
    .option('--model <model>', 'path of a GGUF file, hf:owner/repo/file.gguf or hf:owner/repo:QUANT (default: SmolLM2-135M-Instruct)')
    .addOption(new Option('--policy <policy>', 'what stays of sinks + window tokens: the sinks and the latest, all until it is full, the latest, or the latest decoded afresh for each token').choices(policies))
    .option('--sinks <tokens>', 'tokens from the very start that stay for good', toNumber)
    .option('--window <tokens>', 'latest tokens that stay', toNumber)
    .option('--reanchor-every <tokens>', 'move the sinks after so many evicted tokens; 1 is the paper to the letter', toNumber)
    .option('--threads <count>', 'threads that compute', toNumber)
    .addOption(new Option('--kv <type>', 'type of the cached keys and values').choices(['f32', 'f16', 'q8_0', 'q4_0']))
    .addOption(new Option('--flash-attention <when>', 'use flash attention').choices(['auto', 'on', 'off']))
}

export function modelOptions({ threads, kv, flashAttention }: SharedFlags): ModelOptions {
  return { threads, kvType: kv, flashAttention }
}

export function policyOptions({ policy, sinks, window, reanchorEvery }: SharedFlags): PolicyOptions {
  return { policy, sinks, window, reanchorEvery }
}

/** A number and nothing else; what numbers an option takes is for the library to say. */
export function toNumber(text: string): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}
