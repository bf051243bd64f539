import { fileURLToPath } from 'node:url'
import { StreamingLLMError } from '../errors.js'

/** A reference to a model's file, taken apart. `repo` is `owner/name`; `revision` a branch, tag or commit. */
export type ModelReference =
  | { kind: 'path'; path: string }
  | { kind: 'hub-file'; repo: string; revision: string; file: string }
  | { kind: 'hub-quant'; repo: string; revision: string; quant: string }

const acceptedForms =
  'Accepted are a path to a .gguf file, a file: URL, hf:owner/repo/file.gguf, hf:owner/repo:QUANT' +
  ' (such as hf:owner/repo:Q4_K_M), each hf: form also with a revision, as in hf:owner/repo@revision/file.gguf.'

// Owner and name become a folder's name, so they are held to what the hub itself allows.
const namePattern = '[A-Za-z0-9_][\\w.-]*'
// A slash within a revision would end it, so other branches write theirs as %2F; the hub's own refs are known by name.
const revisionPattern = 'refs/(?:pr|convert)/[^/:]+|[^/:]+'
const hubPattern = new RegExp(
  `^hf:(${namePattern})/(${namePattern})(?:@(${revisionPattern}))?(?:/(.+)|:([^/:]+))$`,
  'is',
)

/**
 * Takes a reference apart; touches neither disk nor network.
 * @throws {StreamingLLMError} INVALID_OPTION for anything but the accepted forms, which the message lists
 */
export function parseReference(reference: string): ModelReference {
  if (typeof reference !== 'string' || reference.trim() === '') {
    throw malformed(reference, 'is not a reference to a model')
  }
  if (/^hf:/i.test(reference)) return parseHub(reference)
  if (/^file:/i.test(reference)) {
    try {
      return { kind: 'path', path: fileURLToPath(reference) }
    } catch (cause) {
      throw malformed(reference, 'is not a usable file: URL', cause)
    }
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(reference))
    throw malformed(reference, 'is a URL that models are not fetched from')
  return { kind: 'path', path: reference }
}

function parseHub(reference: string): ModelReference {
  const match = hubPattern.exec(reference)
  if (!match) throw malformed(reference, 'is not a complete hf: reference')
  const [, owner = '', name = '', encodedRevision = 'main', file, quant] = match
  let revision: string
  try {
    revision = decodeURIComponent(encodedRevision)
  } catch (cause) {
    throw malformed(reference, 'has a revision that is not properly %-encoded', cause)
  }
  if (!isSafePath(revision)) throw malformed(reference, `has the impossible revision "${revision}"`)
  const repo = `${owner}/${name}`
  if (quant !== undefined) return { kind: 'hub-quant', repo, revision, quant }
  if (file === undefined || !isSafePath(file)) throw malformed(reference, `has the impossible file path "${file}"`)
  if (!/\.gguf$/i.test(file)) throw malformed(reference, 'does not name a .gguf file')
  return { kind: 'hub-file', repo, revision, file }
}

/** True where a path from outside may be joined to a folder of the cache: it stays inside, on Windows too. */
export function isSafePath(path: string): boolean {
  // Half a surrogate pair has no UTF-8, and so no address.
  return (
    !/[\u0000-\u001f\\:*?"<>|]|\p{Surrogate}/u.test(path) &&
    path.split('/').every(segment => segment !== '' && segment !== '.' && segment !== '..')
  )
}

function malformed(reference: unknown, what: string, cause?: unknown): StreamingLLMError {
  const shown = typeof reference === 'string' ? `"${reference}"` : String(reference)
  return new StreamingLLMError('INVALID_OPTION', `The model reference ${shown} ${what}. ${acceptedForms}`, {
    cause,
    details: { reference },
  })
}
