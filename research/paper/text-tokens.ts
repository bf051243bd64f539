import type { Model } from '../../lib/index.js'
import type { TextFile } from './experiment.js'

const known = new WeakMap<Model, Map<string, Int32Array>>()

/**
 * The first tokens of a text as a model's own tokenizer gives them, with the beginning-of-sequence token before them
 * where the model has one; a text that is too short begins again.
 */
export function textTokens(text: Pick<TextFile, 'content' | 'sha256'>, model: Model, count: number): Int32Array {
  const { bosToken } = model.nativeInfo
  const tokens = new Int32Array(count)
  const start = bosToken === undefined ? 0 : 1
  if (bosToken !== undefined) tokens[0] = bosToken
  const all = wholeText(text, model)
  if (all.length === 0) throw new Error('the text has no tokens')
  for (let i = start; i < count; i++) tokens[i] = all[(i - start) % all.length]!
  return tokens
}

/** All tokens of a text, found once for each loaded model. */
function wholeText(text: Pick<TextFile, 'content' | 'sha256'>, model: Model): Int32Array {
  const texts = known.get(model) ?? new Map<string, Int32Array>()
  known.set(model, texts)
  const name = `${text.sha256} ${text.content.length}`
  const tokens = texts.get(name) ?? model.tokenize(text.content)
  texts.set(name, tokens)
  return tokens
}
