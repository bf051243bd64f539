import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { loadModel, type Model } from '../../../lib/index.js'
import { readGguf, type GgufFile } from '../../../test/tools/gguf-file.js'
import { families, type TinyKind } from '../../../test/tools/tiny-families.js'
import { tinyModelBytes } from '../../../test/tools/tiny-models.js'
import { mutated, pick } from '../gguf-mutations.js'
import { expect, type FuzzTarget } from '../target.js'

interface Prepared {
  folder: string
  bases: { name: string; file: GgufFile }[]
}

const encoders = new Set<TinyKind>(['bert'])

/** Besides the tiny models, sound files of a folder; they should be small. */
const moreFiles = process.env.STREAMING_LLM_FUZZ_MODELS

export const target: FuzzTarget = {
  description: 'Headers of tiny models of all families, changed in a few places, then loaded and used: a reply past the window, a saved chat. A model is refused with a typed error, or works, or its turns fail with typed errors.',
  prepare: async (): Promise<Prepared> => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-fuzz-headers-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    const kinds = (Object.keys(families) as TinyKind[]).filter(kind => !encoders.has(kind))
    const bases = moreFiles === undefined
      ? kinds.map(kind => ({ name: kind, file: readGguf(tinyModelBytes(kind, { width: 64, heads: 2, contextLength: 256, weights: 'f16' })) }))
      : readdirSync(moreFiles).filter(name => name.endsWith('.gguf')).sort().map(name => ({ name, file: readGguf(readFileSync(path.join(moreFiles, name))) }))
    return { folder, bases }
  },
  attempt: async (random, prepared, describe) => {
    const { folder, bases } = prepared as Prepared
    const { name, file } = pick(random, bases)
    const { bytes, changes } = mutated(file, random)
    describe(`${name}: ${changes.join('; ')}`)
    const model = path.join(folder, 'model.gguf')
    writeFileSync(model, bytes)
    await loadAndUse(model, folder, random.integer(4))
  },
  secondsPerInput: 10,
}

/** Loads the model and uses it a little; any error must be a typed one, and is told. */
export async function loadAndUse(file: string, folder: string, variant: number, onError: (error: StreamingLLMError) => void = () => {}): Promise<'refused' | 'failed' | 'works'> {
  let model: Model
  try {
    model = await loadModel(file, { gpu: false, threads: 1, batchSize: 16, maxSequences: 2, flashAttention: variant % 2 === 0, kvType: variant === 3 ? 'q8_0' : 'f16' })
  } catch (error) {
    onError(needTyped(error))
    return 'refused'
  }
  try {
    void model.info
    const sequence = model.createSequence({ sinks: 2, window: 20 })
    let count = 0
    for await (const event of sequence.generate({ tokens: model.textTokens('Hello world, and a few more words.'), maxTokens: 12, seed: 1 })) {
      if (event.type === 'text') count++
      expect(count <= 12, 'more texts than tokens')
    }
    await sequence.close()
    const chat = model.createChat({ window: 40, sinks: 4, seed: 1 })
    await chat.ask('Hello', { maxTokens: 3 })
    await chat.save(path.join(folder, 'chat'))
    await chat.close()
    return 'works'
  } catch (error) {
    onError(needTyped(error))
    return 'failed'
  } finally {
    await model.close()
  }
}

function needTyped(error: unknown): StreamingLLMError {
  if (!StreamingLLMError.isInstance(error)) throw error
  return error
}
