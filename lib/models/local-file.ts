import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { allParts } from './split-files.js'

/**
 * The absolute path of a model on this machine; of a split model its first part, whichever part was named.
 * @throws {StreamingLLMError} MODEL_NOT_FOUND when it, or one of its parts, is missing or is no file
 */
export async function localFile(path: string): Promise<string> {
  const named = resolve(path)
  // The named file comes first: who mistypes a name should read that name in the message.
  await requireFile(named, problem => `${problem} at ${named}. ${hint(path)}`)
  const parts = allParts(named)
  for (const part of parts) {
    await requireFile(part, problem =>
      `${basename(named)} belongs to a model split into ${parts.length} files, but ${problem} at ${part}. `
      + 'All parts must lie in the same folder.')
  }
  return parts[0] ?? named
}

async function requireFile(path: string, message: (problem: string) => string): Promise<void> {
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
  const text = message(problem)
  throw new StreamingLLMError('MODEL_NOT_FOUND', text.charAt(0).toUpperCase() + text.slice(1), { cause, details: { path } })
}

function hint(reference: string): string {
  const looksLikeRepo = /^[\w-][\w.-]*\/[\w.-]+(\/.+\.gguf|:[\w-]+)$/i.test(reference)
  return looksLikeRepo
    ? `For that model on Hugging Face write hf:${reference}`
    : 'For a Hugging Face model write hf:owner/repo/file.gguf'
}
