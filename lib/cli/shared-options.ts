import { type Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_MODEL } from '../hub/default-model.js'
import { quantOf } from '../hub/quants.js'
import { parseReference } from '../hub/reference.js'
import type { ChatOptions, ModelOptions, PolicyOptions } from '../options/parse.js'

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
  gpu?: 'auto' | 'cuda' | 'vulkan' | 'metal' | 'off'
  gpuLayers?: number | 'auto'
  libraries?: string
  rpc?: string[]
}

export function addSharedOptions(command: Command): Command {
  return command
    .option(
      '--model <model>',
      `path of a GGUF file, hf:owner/repo/file.gguf or hf:owner/repo:QUANT (default: ${defaultModel()})`,
    )
    .addOption(
      new Option(
        '--policy <policy>',
        'what stays of sinks + window tokens: the sinks and the latest, all until it is full, the latest, or the latest decoded afresh for each token',
      ).choices(policies),
    )
    .option('--sinks <tokens>', 'tokens from the very start that stay for good', toNumber)
    .option('--window <tokens>', 'latest tokens that stay', toNumber)
    .option(
      '--reanchor-every <tokens>',
      'move the sinks after so many evicted tokens; 1 is the paper to the letter',
      toNumber,
    )
    .option('--threads <count>', 'threads that compute', toNumber)
    .addOption(new Option('--kv <type>', 'type of the cached keys and values').choices(['f32', 'f16', 'q8_0', 'q4_0']))
    .addOption(new Option('--flash-attention <when>', 'use flash attention').choices(['auto', 'on', 'off']))
    .addOption(
      new Option('--gpu <back end>', 'what computes besides the CPU (default: the best that works)').choices([
        'auto',
        'cuda',
        'vulkan',
        'metal',
        'off',
      ]),
    )
    .option('--gpu-layers <count>', 'layers on the GPU, or "auto": as many as fit', text =>
      text === 'auto' ? text : toNumber(text),
    )
    .option('--libraries <folder>', 'which llama.cpp: "built", or the folder of one that was built')
    .option('--rpc <server...>', 'spread the model over these ggml-rpc-servers, as host:port')
}

/** The default model as people would write it: without the commit that it is held to. */
function defaultModel(): string {
  const parsed = parseReference(DEFAULT_MODEL)
  return parsed.kind === 'hub-file' ? `hf:${parsed.repo}:${quantOf(parsed.file)}` : DEFAULT_MODEL
}

/** Of the commands that chat: what leaves when the window is full. */
export function evictOption(): Option {
  return new Option(
    '--evict <what>',
    'what leaves when the window is full: the oldest token (default), or the oldest turn',
  ).choices(['token', 'turn'] satisfies ChatOptions['evict'][])
}

export function modelOptions({
  threads,
  kv,
  flashAttention,
  gpu,
  gpuLayers,
  libraries,
  rpc,
}: SharedFlags): ModelOptions {
  return { threads, kvType: kv, flashAttention, gpu: gpu === 'off' ? false : gpu, gpuLayers, libraries, rpc }
}

export function policyOptions({ policy, sinks, window, reanchorEvery }: SharedFlags): PolicyOptions {
  return { policy, sinks, window, reanchorEvery }
}

/** A number and nothing else; what numbers an option takes is for the library to say. */
export function toNumber(text: string): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a number.')
}
