import type { ToolCall, ToolDefinitions } from '../../lib/tools/tool-definitions.js'
import { seeded } from '../../test/tools/random.js'

/** Calls of a reply, and the tools that they call. */
export interface RandomCalls {
  tools: ToolDefinitions
  calls: ToolCall[]
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const idCharacters = `${letters}0123456789`
const nameCharacters = `${idCharacters}_-`
const keyCharacters = `${idCharacters}__`
const scraps = [
  'plain words',
  ' ',
  '\n',
  '\n\n',
  '\t',
  '"',
  "'",
  '\\',
  '\\n',
  '`',
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  ',',
  ':',
  '<b>',
  '</p>',
  '&amp;',
  '=',
  'Zürich',
  '漢字',
  '👩‍🚀',
  '\u00a0',
  '{"a": 1}',
  '42',
  'true',
  'None',
  '$1',
  '/*',
]

type Random = ReturnType<typeof seeded>

/** Up to three calls of up to three tools, whose schemas say what the arguments are. */
export class CallGenerator {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  next(parallel: boolean): RandomCalls {
    const count = parallel ? 1 + this.#random.below(3) : 1
    const tools: Record<string, { description: string; parameters: Record<string, unknown> }> = {}
    const calls: ToolCall[] = []
    for (let i = 0; i < count; i++) {
      const name = this.#word(nameCharacters, 24)
      if (Object.hasOwn(tools, name)) continue
      const properties: Record<string, unknown> = {}
      const values: Record<string, unknown> = {}
      for (let left = this.#random.below(5); left > 0; left--) {
        const key = this.#word(keyCharacters, 16)
        const { schema, value } = this.#value(2)
        properties[key] = schema
        values[key] = value
      }
      tools[name] = { description: 'Does it.', parameters: { type: 'object', properties } }
      calls.push({ id: this.#id(), name, arguments: values })
    }
    return { tools, calls }
  }

  #value(depth: number): { schema: object; value: unknown } {
    const random = this.#random
    switch (random.below(depth > 0 ? 8 : 6)) {
      case 0:
        return { schema: { type: 'integer' }, value: random.below(2_000_000) - 1_000_000 }
      case 1:
        return { schema: { type: 'number' }, value: (random.below(2_000_000) - 1_000_000) / 1024 }
      case 2:
        return { schema: { type: 'boolean' }, value: random.chance(0.5) }
      case 3:
      case 4:
        return { schema: { type: 'string' }, value: this.#text() }
      case 5:
        return { schema: { type: 'string', enum: ['C', 'F'] }, value: random.chance(0.5) ? 'C' : 'F' }
      case 6:
        return {
          schema: { type: 'array' },
          value: Array.from({ length: random.below(4) }, () => this.#value(depth - 1).value),
        }
      default:
        return {
          schema: { type: 'object' },
          value: Object.fromEntries(
            Array.from({ length: random.below(4) }, () => [this.#word(keyCharacters, 8), this.#inner(depth - 1)]),
          ),
        }
    }
  }

  #inner(depth: number): unknown {
    return this.#random.chance(0.1) ? null : this.#value(depth).value
  }

  #text(): string {
    return Array.from({ length: this.#random.below(8) }, () => scraps[this.#random.below(scraps.length)]).join('')
  }

  #word(characters: string, longest: number): string {
    const random = this.#random
    const rest = Array.from({ length: random.below(longest) }, () => characters[random.below(characters.length)])
    return letters[random.below(letters.length)] + rest.join('')
  }

  #id(): string {
    return Array.from({ length: 9 }, () => idCharacters[this.#random.below(idCharacters.length)]).join('')
  }
}
