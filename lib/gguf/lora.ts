import { StreamingLLMError } from '../errors.js'
import type { ModelHeader } from './check.js'
import { type Entry, quoted, type RawHeader, type TensorInfo } from './header.js'
import { text } from './kinds.js'
import { checkLayout } from './layout.js'
import { openFile, readModelFile } from './open.js'
import type { OpenSource } from './source.js'

/** What an adapter's file says of it. */
export interface LoraHeader {
  path: string
  /** GGUF's `general.name`. */
  name?: string
  /** The largest of its pairs. */
  rank: number
  /** A pair changes its weights by scale * alpha / rank of their product; without alpha by scale. */
  alpha?: number
  /** How many of the model's tensors it changes. */
  pairs: number
  sizeBytes: number
  /** Norms in it, which llama.cpp leaves out. */
  leftOut: string[]
}

/** A pair of low-rank matrices, `a` from the tensor's input and `b` to its output. */
interface Pair {
  a?: TensorInfo
  b?: TensorInfo
}

// What llama.cpp multiplies with on every device; others would end the process.
const multiplied = new Set(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'])

/**
 * Checks a LoRA's file against the model it is for, before llama.cpp sees it. llama.cpp checks half of the sizes, and
 * ends the process over the others. Reads the header only.
 *
 * @throws {StreamingLLMError} ADAPTER_INVALID naming what is wrong; MODEL_NOT_FOUND where there is no file
 */
export async function checkLoraFile(
  path: string,
  base: ModelHeader,
  openSource: OpenSource = openFile,
): Promise<LoraHeader> {
  const header = await wholeHeader(path, openSource)
  const refuse = (why: string, details: Record<string, unknown> = {}) =>
    new StreamingLLMError('ADAPTER_INVALID', `the adapter ${path} ${why}`, {
      details: { path, model: base.path, ...details },
    })
  const type = text(header, 'general.type')
  const architecture = text(header, 'general.architecture')
  if (architecture === 'controlvector') throw refuse('is a control vector; only LoRA adapters can be loaded')
  if (type !== 'adapter')
    throw refuse(
      `is no adapter: its "general.type" is ${type === undefined ? 'missing' : quoted(type)}. Pass a LoRA that llama.cpp's convert_lora_to_gguf.py has made`,
    )
  const kind = text(header, 'adapter.type')
  if (kind !== 'lora')
    throw refuse(
      `is of the type ${kind === undefined ? 'that it does not name' : quoted(kind)} ("adapter.type"); only lora can be loaded`,
    )
  if (architecture !== base.architecture) {
    throw refuse(
      `is for models of the architecture ${quoted(architecture ?? '')}, and ${base.path} is ${quoted(base.architecture)}; pass the adapter with the model that it was trained on`,
    )
  }
  if (header.entries.has('adapter.alora.invocation_tokens'))
    throw refuse(
      'is an activated LoRA (aLoRA), which works from certain tokens on; only those that always work can be loaded',
    )
  if (header.entries.has('split.count')) throw refuse('is split into several files; merge them into one')
  const alpha = alphaOf(header.entries.get('adapter.lora.alpha'), refuse)
  const pairs = new Map<string, Pair>()
  const leftOut: string[] = []
  for (const tensor of header.tensors.values()) {
    // As llama.cpp takes the names apart.
    const end = /\.lora_[ab]$/.exec(tensor.name)?.[0]
    if (end === undefined) {
      if (!tensor.name.endsWith('_norm.weight'))
        throw refuse(`has the tensor ${quoted(tensor.name)}, which is no part of a LoRA`, { tensor: tensor.name })
      leftOut.push(tensor.name)
      continue
    }
    if (!multiplied.has(tensor.type.name))
      throw refuse(
        `has the tensor ${quoted(tensor.name)} of type ${tensor.type.name}; F32, F16, BF16 and Q8_0 are usual`,
        { tensor: tensor.name },
      )
    const target = tensor.name.replaceAll(end, '')
    const pair = pairs.get(target) ?? {}
    pair[end === '.lora_a' ? 'a' : 'b'] = tensor
    pairs.set(target, pair)
  }
  if (pairs.size === 0) throw refuse('has no pair of matrices, so it would change nothing')
  let rank = 0
  for (const [target, { a, b }] of pairs) {
    if (a === undefined || b === undefined)
      throw refuse(`has only one matrix of the pair for ${quoted(target)}`, { tensor: target })
    const shape = base.shapes.get(target)
    if (shape === undefined)
      throw refuse(
        `changes the tensor ${quoted(target)}, which ${base.path} does not have; pass the adapter with the model that it was trained on`,
        { tensor: target },
      )
    const wrong = mismatch(target, shape, a.shape, b.shape)
    if (wrong !== undefined) {
      throw refuse(
        `does not fit: ${quoted(target)} is ${shape.join(' x ')} in ${base.path}, and its matrices are ${a.shape.join(' x ')} and ${b.shape.join(' x ')}: ${wrong}. Pass the adapter with the model that it was trained on`,
        { tensor: target, shape: [...shape], a: [...a.shape], b: [...b.shape] },
      )
    }
    // llama.cpp finds the same pair for the output then, where it is the wrong way round, and ends the process.
    if (target === 'token_embd.weight' && !base.shapes.has('output.weight')) {
      throw refuse(
        `changes the embeddings (${quoted(target)}), which ${base.path} uses as its output matrix as well; llama.cpp cannot do that. Merge the adapter into the model`,
        { tensor: target },
      )
    }
    rank = Math.max(rank, size(b.shape, 0))
  }
  const name = text(header, 'general.name')
  return {
    path,
    ...(name === undefined ? {} : { name }),
    rank,
    ...(alpha === undefined ? {} : { alpha }),
    pairs: pairs.size,
    sizeBytes: header.sizeBytes,
    leftOut,
  }
}

async function wholeHeader(path: string, openSource: OpenSource): Promise<RawHeader> {
  try {
    const header = await readModelFile(path, openSource)
    checkLayout(header)
    return header
  } catch (error) {
    if (!StreamingLLMError.isInstance(error) || error.code === 'MODEL_NOT_FOUND') throw error
    throw new StreamingLLMError('ADAPTER_INVALID', `the adapter cannot be read: ${error.message}`, {
      cause: error,
      details: { path, reason: error.code },
    })
  }
}

/** llama.cpp asserts the type. */
function alphaOf(entry: Entry | undefined, refuse: (why: string) => StreamingLLMError): number | undefined {
  if (entry === undefined) return undefined
  if (entry.type !== 'float32' || !Number.isFinite(entry.value))
    throw refuse('has no finite float32 as its "adapter.lora.alpha"')
  return Number(entry.value)
}

const size = (shape: readonly number[], dimension: number): number => shape[dimension] ?? 1

/** What of the sizes is wrong; row length first. Of experts each has matrices of its own. */
function mismatch(
  target: string,
  shape: readonly number[],
  a: readonly number[],
  b: readonly number[],
): string | undefined {
  // The input embeddings are looked up in `a`, a row for each token; `b` leads from there to the width.
  const isLookup = target.endsWith('token_embd.weight')
  if (
    isLookup
      ? size(a, 1) !== size(shape, 1) || size(b, 1) !== size(shape, 0)
      : size(a, 0) !== size(shape, 0) || size(b, 1) !== size(shape, 1)
  )
    return 'their outer sizes differ'
  if ((isLookup ? size(a, 0) : size(a, 1)) !== size(b, 0)) return 'their ranks differ'
  if (size(b, 0) < 1) return 'their rank is 0'
  const beyond = [2, 3].find(
    dimension => size(a, dimension) !== size(shape, dimension) || size(b, dimension) !== size(shape, dimension),
  )
  return beyond === undefined ? undefined : 'there are not as many of them'
}
