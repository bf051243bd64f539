import { malformed } from './failures.js'
import { deltaNets, fusedOrSeparate, needsConvolutionBias } from './graph-rules.js'
import { quoted, type RawHeader } from './header.js'

/**
 * What llama.cpp's arithmetic on a processor takes as weights of a matrix. Others are made on the way, or are no
 * weights.
 */
const notMultiplied = new Set(['Q8_1', 'Q8_K', 'I8', 'I16', 'F64'])

/** Tables of numbers of tokens or experts. */
const integers = new Set(['I32', 'I64'])
const isTable = (name: string): boolean => /tid2eid|d2t|t2d/.test(name)

/** What is used number by number, in 32 bits alone: norms, biases, kernels of convolutions, the like. */
const elementwise =
  /norm\.weight$|\.bias$|\.(ssm_a|ssm_d|(ssm_conv1d(_[qkv])?|shortconv\.conv|time_mix_first|time_mix_lerp_[a-z]+)\.weight)$/

/**
 * Checks that llama.cpp can compute with each tensor's type. It would only find out in the middle of a batch, and end
 * the process.
 */
export function checkWeights(parts: readonly RawHeader[], architecture: string): void {
  const names = new Set(parts.flatMap(({ tensors }) => [...tensors.keys()]))
  for (const { path, tensors } of parts) {
    for (const { name, type } of tensors.values()) {
      const wrong = (need: string) =>
        malformed(path, `tensor ${quoted(name)} is of type ${type.name}; ${need}`, { tensor: name, type: type.name })
      if (integers.has(type.name) && isTable(name)) continue
      if (notMultiplied.has(type.name) || integers.has(type.name)) throw wrong('no weights are of this type')
      if (elementwise.test(name) && type.name !== 'F32') throw wrong('F32 is needed here')
    }
    for (const name of names) checkCompanions(path, architecture, name, names)
  }
}

/** Tensors that llama.cpp takes as optional, and computes with whether they are there or not. */
function checkCompanions(path: string, architecture: string, name: string, names: ReadonlySet<string>): void {
  const layer = /^(blk\.\d+\.)(ssm_conv1d|attn_output)\.weight$/.exec(name)
  if (layer === null) return
  const [, prefix, kind] = layer
  const need = (...companions: string[]) => {
    for (const companion of companions) {
      if (!names.has(prefix + companion))
        throw malformed(path, `tensor ${quoted(name)} is there, and ${quoted(prefix + companion)} is missing`, {
          tensor: prefix + companion,
        })
    }
  }
  if (kind === 'ssm_conv1d' && needsConvolutionBias.has(architecture)) need('ssm_conv1d.bias')
  if (kind === 'ssm_conv1d' && deltaNets.has(architecture) && !names.has(`${prefix}ssm_in.weight`))
    need('attn_qkv.weight', 'attn_gate.weight')
  if (kind === 'attn_output' && fusedOrSeparate.has(architecture) && !names.has(`${prefix}attn_qkv.weight`))
    need('attn_q.weight', 'attn_k.weight', 'attn_v.weight')
}
