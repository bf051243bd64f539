import { readFileSync } from 'node:fs'
import { readModelFile } from '../../lib/gguf/open.js'
import { GgufWriter, type ScalarType, type WeightType } from './gguf-writer.js'
import { SeededRandom } from './tiny-random.js'

/** Low-rank changes of some tensors of a model in f32, and what a file of them is made of. */
export interface TinyLora {
  architecture: string
  alpha: number | undefined
  pairs: { tensor: string; shape: readonly number[]; rank: number; a: Float32Array; b: Float32Array }[]
}

const isLookup = (tensor: string) => tensor === 'token_embd.weight'

/** Random changes that show: each of a size that makes up a good part of what it changes. */
export async function tinyLora(
  model: string,
  tensors: readonly string[],
  { rank = 4, alpha = 8 as number | undefined, seed = 3 } = {},
): Promise<TinyLora> {
  const header = await readModelFile(model)
  const random = new SeededRandom(seed)
  const normal = (size: number, gain: number) => Float32Array.from({ length: size }, () => random.normal() * gain)
  return {
    architecture: String((header.entries.get('general.architecture') as { value: string }).value),
    alpha,
    pairs: tensors.map(tensor => {
      const { shape } = header.tensors.get(tensor)!
      const [inner, outer] = shape as [number, number]
      return {
        tensor,
        shape,
        rank,
        a: normal((isLookup(tensor) ? outer : inner) * rank, 0.2),
        b: normal((isLookup(tensor) ? inner : outer) * rank, 0.2),
      }
    }),
  }
}

/** The adapter's file, with another entry or tensor where a test wants it broken. */
export function loraBytes(
  { architecture, alpha, pairs }: TinyLora,
  {
    entries = {},
    type = 'f32' as WeightType,
    more = [] as { name: string; shape: number[] }[],
  }: {
    entries?: Record<string, [ScalarType, number | string | number[]] | undefined>
    type?: WeightType
    more?: { name: string; shape: number[] }[]
  } = {},
): Buffer {
  const all: typeof entries = {
    'general.architecture': ['string', architecture],
    'general.type': ['string', 'adapter'],
    'general.name': ['string', 'tiny adapter'],
    'adapter.type': ['string', 'lora'],
    ...(alpha === undefined ? {} : { 'adapter.lora.alpha': ['float32', alpha] }),
    ...entries,
  }
  const writer = new GgufWriter()
  for (const [key, entry] of Object.entries(all)) {
    if (entry === undefined) continue
    const [kind, value] = entry
    if (Array.isArray(value)) writer.setArray(key, kind, value)
    else writer.set(key, kind, value)
  }
  for (const {
    tensor,
    rank,
    a,
    b,
    shape: [inner, outer],
  } of pairs) {
    writer.tensor(`${tensor}.lora_a`, isLookup(tensor) ? [rank, outer!] : [inner!, rank], a, type)
    writer.tensor(`${tensor}.lora_b`, [rank, isLookup(tensor) ? inner! : outer!], b, type)
  }
  for (const { name, shape } of more)
    writer.tensor(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1)))
  return writer.toBuffer()
}

/** The model with scale * alpha / rank * B A added to its weights. */
export async function mergedBytes(
  model: string,
  changes: readonly { lora: TinyLora; scale: number }[],
): Promise<Buffer> {
  const bytes = readFileSync(model)
  const { tensors, dataOffset } = await readModelFile(model)
  for (const {
    lora: { alpha, pairs },
    scale,
  } of changes) {
    for (const { tensor, rank, a, b, shape } of pairs) {
      const [inner, outer] = shape as [number, number]
      const factor = alpha === undefined ? scale : (scale * alpha) / rank
      const start = dataOffset + tensors.get(tensor)!.offset
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          let change = 0
          for (let r = 0; r < rank; r++)
            change += isLookup(tensor) ? a[o * rank + r]! * b[i * rank + r]! : b[o * rank + r]! * a[r * inner + i]!
          const at = start + 4 * (o * inner + i)
          bytes.writeFloatLE(bytes.readFloatLE(at) + factor * change, at)
        }
      }
    }
  }
  return bytes
}
