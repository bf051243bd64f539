import { malformed, unsupported } from './failures.js'
import { describe, type Entry, quoted, type RawHeader, tokensKey } from './header.js'
import { text } from './kinds.js'

/** Written as an id for "there is no such token". */
const none = 0xffff_ffff

/**
 * Without these right, a reply begins or ends wrongly. For others (padding, separators) llama.cpp only warns, and files
 * whose padding token lies just beyond the vocabulary are common and work.
 */
const specialTokens = ['bos_token_id', 'eos_token_id', 'eot_token_id', 'eom_token_id']

/** Checks the vocabulary as far as llama.cpp throws or aborts over it. */
export function checkVocabulary(header: RawHeader): void {
  const { path, entries } = header
  const model = text(header, 'tokenizer.ggml.model')
  if (model === undefined) throw malformed(path, 'it does not name its kind of vocabulary ("tokenizer.ggml.model")')
  if (model === 'no_vocab' || model === 'none') {
    throw unsupported(
      path,
      'has no vocabulary, so it can neither read nor write text',
      'Pass a model with its tokenizer.',
    )
  }
  const tokens = entries.get(tokensKey)
  if (tokens === undefined) throw malformed(path, `it has no vocabulary (${quoted(tokensKey)})`)
  if (tokens.type !== 'array' || tokens.elementType !== 'string' || tokens.length === 0) {
    throw malformed(path, `${quoted(tokensKey)} is ${describe(tokens)}; an array of strings is needed`, {
      key: tokensKey,
    })
  }
  // of this vocabulary llama.cpp marks the tokens that occur twice, for all others it aborts the process
  if (tokens.firstDuplicate !== undefined && model !== 'hybriddna') {
    throw malformed(path, `its vocabulary has the token ${quoted(tokens.firstDuplicate)} twice`, {
      token: tokens.firstDuplicate,
    })
  }
  // Texts with spaces would then reach llama.cpp's merges, which abort the process over them.
  if (text(header, 'tokenizer.ggml.pre') === 'whitespace' && model !== 'whitespace') {
    throw malformed(
      path,
      `it splits text by "whitespace" ("tokenizer.ggml.pre"), which goes with a vocabulary of that name alone, and its vocabulary is ${quoted(model)}`,
      { model },
    )
  }
  checkParallel(path, 'tokenizer.ggml.scores', entries, tokens.length, ['float32', 'int32'])
  checkParallel(path, 'tokenizer.ggml.token_type', entries, tokens.length, ['int32'])
  for (const name of specialTokens) checkSpecialToken(path, `tokenizer.ggml.${name}`, entries, tokens.length)
}

/** An array with a value for each token; llama.cpp takes one that is longer. */
function checkParallel(
  path: string,
  key: string,
  entries: Map<string, Entry>,
  tokens: number,
  elementTypes: string[],
): void {
  const entry = entries.get(key)
  if (entry === undefined) return
  if (entry.type !== 'array' || !elementTypes.includes(entry.elementType)) {
    throw malformed(path, `${quoted(key)} is ${describe(entry)}; an array of ${elementTypes.join(' or ')} is needed`, {
      key,
    })
  }
  if (entry.length < tokens) {
    throw malformed(path, `${quoted(key)} has ${entry.length} values for a vocabulary of ${tokens} tokens`, {
      key,
      length: entry.length,
      tokens,
    })
  }
}

function checkSpecialToken(path: string, key: string, entries: Map<string, Entry>, tokens: number): void {
  const entry = entries.get(key)
  if (entry === undefined) return
  if (entry.type !== 'uint32')
    throw malformed(path, `${quoted(key)} is ${describe(entry)}; a uint32 is needed`, { key })
  const id = Number(entry.value)
  if (id >= tokens && id !== none) {
    throw malformed(path, `${quoted(key)} is ${id}, and the vocabulary has ${tokens} tokens`, { key, id, tokens })
  }
}
