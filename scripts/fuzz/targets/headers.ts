import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type GgufFile, readGguf } from '../../../test/tools/gguf-file.js'
import { families, type TinyKind } from '../../../test/tools/tiny-families.js'
import { tinyModelBytes } from '../../../test/tools/tiny-models.js'
import { mutated, pick } from '../gguf-mutations.js'
import { loadAndUse } from '../load-and-use.js'
import type { FuzzTarget } from '../target.js'

interface Prepared {
  folder: string
  bases: { name: string; file: GgufFile }[]
}

const encoders = new Set<TinyKind>(['bert'])

/** Besides the tiny models, sound files of a folder; they should be small. */
const moreFiles = process.env.STREAMING_LLM_FUZZ_MODELS

export const target: FuzzTarget = {
  description:
    'Headers of tiny models of all families, changed in a few places, then loaded and used: a reply past the window, a saved chat. A model is refused with a typed error, or works, or its turns fail with typed errors.',
  prepare: async (): Promise<Prepared> => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-fuzz-headers-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    const kinds = (Object.keys(families) as TinyKind[]).filter(kind => !encoders.has(kind))
    const bases =
      moreFiles === undefined
        ? kinds.map(kind => ({
            name: kind,
            file: readGguf(tinyModelBytes(kind, { width: 64, heads: 2, contextLength: 256, weights: 'f16' })),
          }))
        : readdirSync(moreFiles)
            .filter(name => name.endsWith('.gguf'))
            .sort()
            .map(name => ({ name, file: readGguf(readFileSync(path.join(moreFiles, name))) }))
    return { folder, bases }
  },
  attempt: async (random, prepared, { describe, count }) => {
    const { folder, bases } = prepared as Prepared
    const { name, file } = pick(random, bases)
    const { bytes, changes } = mutated(file, random)
    describe(`${name}: ${changes.join('; ')}`)
    const model = path.join(folder, 'model.gguf')
    writeFileSync(model, bytes)
    count(await loadAndUse(model, folder, random.integer(4)))
  },
  secondsPerInput: 10,
}
