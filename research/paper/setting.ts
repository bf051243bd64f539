import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { modelReference } from '../../lib/cli/open-model.js'
import { progressBar } from '../../lib/cli/progress-bar.js'
import { StreamingLLMError } from '../../lib/errors.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import { sha256OfFile } from '../../lib/hub/checksum.js'
import { DEFAULT_MODEL, DEFAULT_MODEL_SHA256 } from '../../lib/hub/default-model.js'
import { resolveModel } from '../../lib/hub/resolve-model.js'
import { tinyModel } from '../../test/tools/tiny-models.js'
import type { Missing, ModelFile, Setting, TextFile } from './experiment.js'
import type { ModelShelf } from './models.js'
import { explodingModel, mobyDick, questions } from './pinned-files.js'
import { packageProse } from './prose.js'
import { findFile, sha256 } from './sources.js'

/** What `npm run paper` takes. */
export interface PaperFlags {
  quick?: boolean
  out: string
  model?: string
  explodingModel?: string
  texts?: string
  text?: string
  only?: string[]
  longTokens?: number
  threads?: number
  seed: number
  fresh?: boolean
  scale: number
}

/** Finds and hashes the models and texts of a run; fetches what is not on this machine yet. */
export async function makeSetting(flags: PaperFlags, shelf: ModelShelf): Promise<Setting> {
  const quick = flags.quick ?? false
  const [model, exploding, text, others] = await Promise.all([
    givenModel(modelReference(flags)),
    explodes(flags),
    longText(flags),
    Promise.all(questions.map(async pinned => [pinned.file, await pinnedText(pinned, flags.texts)] as const)),
  ])
  return {
    quick,
    scale: flags.scale,
    seed: flags.seed,
    threads: flags.threads,
    longTokens: flags.longTokens ?? (quick ? 30_000 : 200_000),
    model,
    explodingModel: exploding,
    // So little to compute that two threads would only wait for each other.
    tinyModel: {
      ...(await modelFile(tinyModel('llama', { layers: 1, seed: flags.seed }), 'tiny random model')),
      threads: 1,
    },
    text,
    texts: Object.fromEntries(others),
    open: (file, loading) => shelf.open(file, loading),
  }
}

async function givenModel(reference: string): Promise<ModelFile> {
  const bar = progressBar()
  try {
    const path = await resolveModel(reference, {
      onProgress: bar.show,
      sha256: reference === DEFAULT_MODEL ? DEFAULT_MODEL_SHA256 : undefined,
    })
    return await modelFile(path, basename(path).replace(/\.gguf$/, ''))
  } finally {
    bar.end()
  }
}

async function modelFile(path: string, name: string): Promise<ModelFile> {
  const { metadata, architecture } = await checkModelFile(path)
  return {
    name,
    path,
    sha256: await sha256OfFile(path),
    trainedLength: Number(metadata.get(`${architecture}.context_length`)),
  }
}

async function explodes({ explodingModel: reference, texts }: PaperFlags): Promise<ModelFile | Missing> {
  if (reference !== undefined) return await givenModel(reference)
  try {
    const { path } = await findFile(explodingModel, texts)
    return await modelFile(path, explodingModel.name)
  } catch (error) {
    return { missing: `${(error as Error).message}; or name one by --exploding-model` }
  }
}

async function longText({ text, texts }: PaperFlags): Promise<TextFile> {
  if (text !== undefined) {
    const bytes = await readFile(resolve(text)).catch((cause: Error) => {
      throw new StreamingLLMError('INVALID_OPTION', `--text: ${cause.message}`, { cause })
    })
    return { name: basename(text), source: 'given by option', sha256: sha256(bytes), content: bytes.toString('utf8') }
  }
  try {
    const { bytes, source, start } = await findFile(mobyDick, texts)
    const end = bytes.lastIndexOf('*** END OF')
    return {
      name: `${mobyDick.name}, from byte ${start.toLocaleString('en')}`,
      source,
      sha256: sha256(bytes),
      content: bytes.subarray(start, end < 0 ? undefined : end).toString('utf8'),
    }
  } catch (error) {
    const content = await packageProse(fileURLToPath(new URL('../../node_modules', import.meta.url)))
    return {
      name: 'Documentation of the installed packages (no book could be had)',
      source: `the Markdown files in node_modules, as package-lock.json pins them. ${(error as Error).message}`,
      sha256: sha256(content),
      content,
    }
  }
}

async function pinnedText(
  pinned: Parameters<typeof findFile>[0],
  folder: string | undefined,
): Promise<TextFile | Missing> {
  try {
    const { bytes, source } = await findFile(pinned, folder)
    return { name: pinned.name, source, sha256: sha256(bytes), content: bytes.toString('utf8') }
  } catch (error) {
    return { missing: (error as Error).message }
  }
}

/** Where finished cells are kept, in the report's folder. */
export function cellsFolder(out: string): string {
  return join(out, 'cells')
}
