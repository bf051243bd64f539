import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { list } from '../options/check.js'
import { allParts } from './split-files.js'

/**
 * The absolute path of a model on this machine; of a split model its first part, whichever part was named.
 * @throws {StreamingLLMError} MODEL_NOT_FOUND when it, or one of its parts, is missing or is no file
 */
export async function localFile(path: string): Promise<string> {
  const named = resolve(path)
  // The named file comes first, so that a mistyped name is in the message.
  await requireFile(named, async problem => `${problem} at ${named}. ${await hint(path)}`)
  const parts = allParts(named)
  for (const part of parts) {
    await requireFile(
      part,
      problem =>
        `${basename(named)} belongs to a model split into ${parts.length} files, but ${problem} at ${part}. ` +
        'All parts must lie in the same folder.',
    )
  }
  return parts[0] ?? named
}

async function requireFile(path: string, message: (problem: string) => string | Promise<string>): Promise<void> {
  let problem: string
  let cause: unknown
  try {
    if ((await stat(path)).isFile()) return
    problem = 'there is no file but a folder or device'
  } catch (error) {
    cause = error
    const code = (error as NodeJS.ErrnoException).code
    problem = code === 'ENOENT' || code === 'ENOTDIR' ? 'there is no file' : `no file can be read (${code})`
  }
  const text = await message(problem)
  throw new StreamingLLMError('MODEL_NOT_FOUND', text.charAt(0).toUpperCase() + text.slice(1), {
    cause,
    details: { path },
  })
}

async function hint(reference: string): Promise<string> {
  const looksLikeRepo = /^[\w-][\w.-]*\/[\w.-]+(\/.+\.gguf|:[\w-]+)$/i.test(reference)
  if (looksLikeRepo) return `For that model on Hugging Face write hf:${reference}`
  const isName = /^[\w-][\w.-]*$/.test(reference)
  const cached = isName ? await cachedOfName(reference) : []
  if (cached.length > 0) return `Of that name, the cache has ${list(cached, 'and')}`
  return `For a Hugging Face model write hf:owner/repo/file.gguf${isName ? ' or hf:owner/repo:QUANT' : ''}`
}

const maxNamed = 3

/**
 * References of the cached models that a name without a folder may mean: it is how their file's name or their
 * repository's begins.
 */
async function cachedOfName(name: string): Promise<string[]> {
  const plain = (text: string) => text.toLowerCase().replace(/\.gguf$/, '')
  const begins = (whole: string) =>
    plain(whole).startsWith(plain(name)) && !/^[a-z0-9]/.test(plain(whole).slice(plain(name).length))
  try {
    // Imported only now: a file that is there does not need it.
    const { cacheContents } = await import('./cached-models.js')
    const { models } = await cacheContents()
    return models
      .filter(model => begins(model.name) || (model.hub !== undefined && begins(basename(model.hub.repo))))
      .slice(0, maxNamed)
      .map(({ reference }) => reference)
  } catch {
    return [] // a cache that cannot be looked at is not what was asked about
  }
}
