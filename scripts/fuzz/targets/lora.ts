import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type GgufFile, readGguf } from '../../../test/tools/gguf-file.js'
import { loraBytes, tinyLora } from '../../../test/tools/tiny-loras.js'
import { type TinyKind, tinyModelBytes } from '../../../test/tools/tiny-models.js'
import { mutated, pick } from '../gguf-mutations.js'
import { loadAndUse } from '../load-and-use.js'
import type { FuzzTarget } from '../target.js'

interface Prepared {
  folder: string
  bases: { name: string; model: string; file: GgufFile }[]
}

const changed: readonly [TinyKind, readonly string[]][] = [
  [
    'llama',
    ['blk.0.attn_q.weight', 'blk.1.attn_v.weight', 'blk.2.ffn_down.weight', 'output.weight', 'token_embd.weight'],
  ],
  ['gemma2', ['blk.0.attn_q.weight', 'blk.1.ffn_up.weight']],
  ['qwen2vl', ['blk.0.attn_k.weight', 'blk.1.attn_output.weight']],
  ['jamba', ['blk.1.attn_q.weight', 'blk.0.ssm_in.weight']],
  ['mamba', ['blk.0.ssm_in.weight', 'blk.1.ssm_out.weight']],
]

export const target: FuzzTarget = {
  description:
    'Files of LoRA adapters for tiny models, changed in a few places, then loaded with the model and used: it is refused with a typed error, or works.',
  prepare: async (): Promise<Prepared> => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-fuzz-adapters-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    const bases: Prepared['bases'] = []
    for (const [kind, tensors] of changed) {
      const model = path.join(folder, `${kind}.gguf`)
      writeFileSync(model, tinyModelBytes(kind, { width: 64, heads: 2, contextLength: 256 }))
      bases.push({ name: kind, model, file: readGguf(loraBytes(await tinyLora(model, tensors))) })
    }
    return { folder, bases }
  },
  attempt: async (random, prepared, { describe, count }) => {
    const { folder, bases } = prepared as Prepared
    const { name, model, file } = pick(random, bases)
    const { bytes, changes } = mutated(file, random)
    describe(`for ${name}: ${changes.join('; ')}`)
    const lora = path.join(folder, 'adapter.gguf')
    writeFileSync(lora, bytes)
    count(
      await loadAndUse(model, folder, random.integer(4), {
        adapters: [{ path: lora, scale: pick(random, [1, 0.5, -1, 0]) }],
      }),
    )
  },
  secondsPerInput: 10,
}
