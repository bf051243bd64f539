import type { TemplateMessage } from '../messages.js'
import { escapePattern } from '../util/escape-pattern.js'
import { atOnce, partLength, type Work } from '../util/pace.js'
import type { CompiledTemplate } from './compiled-template.js'
import type { TextRange } from './prompt-pieces.js'
import type { SpecialTokens, TokenOccurrence } from './special-tokens.js'
import type { UnusedCharacters } from './unused-characters.js'

// Does a special token come from the template, or from a message?
//
// The text of a prompt is always the plain rendering of the real messages, so that nothing of what the template does
// with them (trim, tests for a prefix, splitting at a marker) is disturbed. What is wanted is only, for each special
// token in that text, whether some of its characters came from a message. Escaping the tokens in the messages before
// rendering would not do. It misses tokens that arise at a seam, from a message's end and the template's next
// characters, or when the template cuts or joins messages. It also changes what the template's tests see. Markers
// around contents change more: they keep `trim` from trimming.
//
// So the conversation is rendered a second time, as a *shadow*: in each message every character that occurs in any
// special token is replaced by a stand-in, one for one. White space, lengths, and all other characters stay the same,
// so templates do the same with it. Where the shadow shows a stand-in, the character comes from a message. This holds
// for tokens in whole, for fragments at seams, and whatever the template cut away. That the shadow has the same length
// and the same characters elsewhere is verified, not assumed.
//
// Templates may also look for text of their own in the messages (`</think>`, `<tool_response>`); the shadow keeps such
// literals readable. First only literals that are no part of a special token, which costs no certainty. If the shadow
// still comes out differently, all literals are kept. Then a special token that overlaps a kept literal is no longer
// known to be the template's. It becomes text, unless the template writes just as many of them where nothing is kept.
// If all that fails (for example where contents are written as escaped JSON), a special token becomes text if the
// messages hold its start or its end. In doubt a token is text. Then the model only sees an odd spelling, while user
// text that became a control token could open a turn of another role.

const nothing: readonly string[] = []

/** A rendered text and the ranges of it that must not be read as special tokens: sorted, disjoint, not adjacent. */
export interface MarkedText {
  text: string
  plain: TextRange[]
}

interface Tables {
  key: string
  standIns: Uint16Array
  originals: Uint16Array
}

/** Renders conversations, and marks which characters come from the messages. */
export class MarkedRenderer {
  readonly #template: CompiledTemplate
  readonly #special: SpecialTokens
  readonly #unused: UnusedCharacters
  /** The characters of special tokens, in both cases since a template may change the case of what it is given. */
  readonly #alphabet: readonly string[]
  readonly #harmless: readonly string[]
  readonly #keepings = new Map<readonly string[], RegExp>()
  #tables: Tables | undefined

  constructor(template: CompiledTemplate, special: SpecialTokens, unused: UnusedCharacters) {
    this.#template = template
    this.#special = special
    this.#unused = unused
    this.#alphabet = bothCases(special.alphabet)
    this.#harmless = template.literals.filter(literal => special.overlapping(literal).length === 0)
  }

  /** Throws `TEMPLATE_FAILED` where rendering the messages fails. */
  *render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): Work<MarkedText> {
    const text = this.#template.render(messages, addGenerationPrompt)
    yield
    if (!(yield* this.#special.isIn(text))) return { text, plain: [] }
    return { text, plain: yield* this.#plainRanges(text, messages, addGenerationPrompt) }
  }

  *#plainRanges(text: string, messages: readonly TemplateMessage[], addGenerationPrompt: boolean): Work<TextRange[]> {
    const contents = messages.flatMap(message => textsOf([message.content, message.tool_calls, message.name]))
    const characters = this.#unused.take(this.#alphabet.length, contents)
    const { standIns, originals } = this.#tablesFor(characters)

    const template = this.#template
    const keeping = (kept: readonly string[]) => this.#keeping(kept)
    const shadow = function* (kept: readonly string[]): Work<string> {
      const pattern = keeping(kept)
      const replaced = (text: string) => atOnce(mapCharacters(text, standIns, pattern))
      // A call's kind and id, and a message's role, are words of the program.
      const shadows: TemplateMessage[] = []
      for (const message of messages) {
        shadows.push({
          ...message,
          content: message.content === null ? null : yield* mapCharacters(message.content, standIns, pattern),
          ...(message.tool_calls === undefined
            ? {}
            : {
                tool_calls: message.tool_calls.map(call => ({
                  ...call,
                  function: mapTexts(call.function, replaced) as typeof call.function,
                })),
              }),
        })
        yield
      }
      try {
        return template.render(shadows, addGenerationPrompt)
      } catch {
        return '' // a template may raise for what it expects to read and doesn't find
      }
    }

    const fromInput = yield* inputCharacters(text, yield* shadow(this.#harmless), originals)
    if (fromInput !== undefined) return yield* plainRanges(text, this.#special, fromInput, () => false)
    if (this.#harmless.length < this.#template.literals.length) {
      const fromInput = yield* inputCharacters(text, yield* shadow(this.#template.literals), originals)
      if (fromInput !== undefined) {
        const kept = this.#template.literals.filter(literal => contents.some(content => content.includes(literal)))
        const touched = new Set(kept.flatMap(literal => this.#special.overlapping(literal)))
        const readable = yield* countTokens(
          this.#special,
          text,
          ({ start, end }) => !fromInput.subarray(start, end).includes(1),
        )
        const certain = yield* countTokens(this.#special, yield* shadow(nothing))
        return yield* plainRanges(
          text,
          this.#special,
          fromInput,
          token => touched.has(token) && readable.get(token) !== certain.get(token),
        )
      }
    }
    const lower = contents.map(content => content.toLowerCase())
    return yield* plainRanges(text, this.#special, new Uint8Array(text.length), token => {
      const ends = [token.slice(0, 2).toLowerCase(), token.slice(-2).toLowerCase()]
      return lower.some(content => ends.some(end => content.includes(end)))
    })
  }

  /** What becomes of each character, and back: as a rule the stand-ins are the same each time. */
  #tablesFor(characters: readonly string[]): Pick<Tables, 'standIns' | 'originals'> {
    const key = characters.join('')
    if (this.#tables?.key !== key) {
      this.#tables = {
        key,
        standIns: characterTable(this.#alphabet, characters),
        originals: characterTable(characters, this.#alphabet),
      }
    }
    return this.#tables
  }

  /** Matches the literals to keep, the longest first. */
  #keeping(kept: readonly string[]): RegExp | undefined {
    if (kept.length === 0) return undefined
    let pattern = this.#keepings.get(kept)
    if (pattern === undefined) {
      pattern = new RegExp(
        [...kept]
          .sort((a, b) => b.length - a.length)
          .map(escapePattern)
          .join('|'),
        'g',
      )
      this.#keepings.set(kept, pattern)
    }
    return pattern
  }
}

/** Copied: making one anew takes longer than rendering a short chat. */
const identity = Uint16Array.from({ length: 0x10000 }, (_, unit) => unit)

/** What each UTF-16 unit becomes: those of the first characters the others, all the rest itself. */
function characterTable(from: readonly string[], to: readonly string[]): Uint16Array {
  const table = identity.slice()
  from.forEach((character, i) => {
    table[character.charCodeAt(0)] = to[i]!.charCodeAt(0)
  })
  return table
}

/**
 * The text with other characters, but for what `kept` matches. By units and not by an expression: texts may have
 * millions.
 */
function* mapCharacters(text: string, table: Uint16Array, kept: RegExp | undefined): Work<string> {
  const units = new Uint16Array(text.length)
  for (let i = 0; i < text.length; i++) {
    if (i % partLength === partLength - 1) yield
    units[i] = table[text.charCodeAt(i)]!
  }
  if (kept !== undefined) {
    for (const { 0: match, index } of text.matchAll(kept)) {
      for (let i = 0; i < match.length; i++) units[index + i] = match.charCodeAt(i)
    }
  }
  return Buffer.from(units.buffer).toString('utf16le')
}

/** All texts within a value. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)])
}

/** The value with other texts in place of its own, its keys left as they are. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map(each => mapTexts(each, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapTexts(each, change)]))
}

/**
 * A byte for each character, 1 where the shadow has a stand-in for it; undefined where the shadow is no shadow of the
 * text.
 */
function* inputCharacters(text: string, shadow: string, originals: Uint16Array): Work<Uint8Array | undefined> {
  if (text.length !== shadow.length) return undefined
  const fromInput = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    if (i % partLength === partLength - 1) yield
    const unit = text.charCodeAt(i)
    const shadowed = shadow.charCodeAt(i)
    if (unit === shadowed) continue
    const original = originals[shadowed]!
    if (original === shadowed) return undefined // no stand-in
    if (original !== unit && String.fromCharCode(original).toLowerCase() !== text.charAt(i).toLowerCase())
      return undefined
    fromInput[i] = 1
  }
  return fromInput
}

/**
 * The special tokens of the text that are, or may be, a person's. What belongs to a token of the template as well stays
 * special.
 */
function* plainRanges(
  text: string,
  special: SpecialTokens,
  fromInput: Uint8Array,
  doubtful: (token: string) => boolean,
): Work<TextRange[]> {
  const plain = new Uint8Array(text.length)
  const doubts = new Map<string, boolean>()
  const isPlain = ({ start, end, token }: TokenOccurrence): boolean => {
    let doubt = doubts.get(token)
    // White space has no stand-ins, so the source of a token of white space is not known.
    if (doubt === undefined) doubts.set(token, (doubt = token.trim() === '' || doubtful(token)))
    return doubt || fromInput.subarray(start, end).includes(1)
  }
  let any = false
  yield* special.each(text, occurrence => {
    if (!isPlain(occurrence)) return
    plain.fill(1, occurrence.start, occurrence.end)
    any = true
  })
  if (!any) return []
  // Without its own characters a person's token at a seam is broken as well: a person's characters are in none of the
  // template's.
  yield* special.each(text, occurrence => {
    if (!isPlain(occurrence)) plain.fill(0, occurrence.start, occurrence.end)
  })
  const ranges: TextRange[] = []
  for (let start = plain.indexOf(1); start !== -1; ) {
    const next = plain.indexOf(0, start)
    const end = next === -1 ? text.length : next
    ranges.push({ start, end })
    start = plain.indexOf(1, end)
  }
  return ranges
}

function* countTokens(
  special: SpecialTokens,
  text: string,
  counted: (occurrence: TokenOccurrence) => boolean = () => true,
): Work<Map<string, number>> {
  const counts = new Map<string, number>()
  yield* special.each(text, occurrence => {
    if (counted(occurrence)) counts.set(occurrence.token, (counts.get(occurrence.token) ?? 0) + 1)
  })
  return counts
}

function bothCases(characters: Iterable<string>): string[] {
  const all = new Set<string>()
  for (const character of characters) {
    for (const variant of [character, character.toLowerCase(), character.toUpperCase()])
      if (variant.length === 1) all.add(variant)
  }
  return [...all]
}
