import { choice, literal, type Piece, sequence } from '../grammar/pieces.js'
import type { GrammarRules } from '../grammar/rules.js'

/** Beyond as many common beginnings within each other, texts are listed side by side. */
const maxDepth = 50

/**
 * One of some distinct texts. A prefix that several have in common is written once. llama.cpp follows all ways that a
 * text may go on, at every token, and a thousand values would be a thousand ways.
 */
export function oneOfTexts(rules: GrammarRules, hint: string, texts: readonly string[], depth = 0): Piece {
  if (texts.length === 1 || depth > maxDepth) return choice(texts.map(literal))
  const groups = new Map<string, string[]>()
  for (const text of texts) {
    const first = text === '' ? '' : String.fromCodePoint(text.codePointAt(0)!)
    groups.set(first, [...(groups.get(first) ?? []), text])
  }
  return choice(
    [...groups.values()].map(group => {
      const prefix = commonPrefix(group)
      const rests = group.map(text => text.slice(prefix.length))
      if (rests.length === 1) return literal(group[0]!)
      return sequence(literal(prefix), rules.rule(hint, oneOfTexts(rules, hint, rests, depth + 1)))
    }),
  )
}

function commonPrefix(texts: readonly string[]): string {
  let common = Array.from(texts[0]!)
  for (const text of texts) {
    const characters = Array.from(text)
    const different = common.findIndex((character, i) => character !== characters[i])
    if (different !== -1) common = common.slice(0, different)
  }
  return common.join('')
}
