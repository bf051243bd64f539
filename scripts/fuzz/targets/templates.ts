import { StreamingLLMError } from '../../../lib/errors.js'
import type { ChatMessage } from '../../../lib/messages.js'
import { ChatTemplate, type PromptPiece, piecesText } from '../../../lib/templates/chat-template.js'
import { toolCallFormat } from '../../../lib/tools/tool-call-format.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { plain, type Sample, samples } from '../../../test/unit/templates/samples.js'
import { randomTemplate } from '../random-template.js'
import { expect, type FuzzTarget, isOurMistake } from '../target.js'

const scraps = [
  '<|im',
  '_end|>',
  '<',
  '|>',
  '|',
  '>',
  '[',
  'INST',
  ']',
  's',
  '/',
  'S',
  '<|',
  'im_end',
  'x',
  'user',
  'assistant',
  '\ue000',
  '\uf8ff',
  ' ',
  '\n',
  '\n\n',
  '\t',
  '\u00a0',
  '👩‍🚀',
  'é',
  '\ud83d',
  '"',
  '\\',
  '<think>',
  '</think>',
  '<tool_response>',
  'hello',
  '漢字',
  '<|IM_END|>',
  'ß',
  'İ',
  '{{ 1 }}',
  '{%',
  '',
]

/**
 * Those that write each content once and whole, so that all that the template itself writes can be counted by other
 * means.
 */
const exact = ['chatml', 'headers', 'inst', 'gemma', 'lastUser', 'roleTokens', 'reasoning'] as const
/** Those of which it is at least known how often. */
const bounded = ['reasoningTokens', 'deepseek', 'json', 'cleaning'] as const

const fragments = [
  '{{ messages | tojson }}',
  '{% for i in range(999999) %}',
  '{% endfor %}',
  '{% if true %}',
  '{% endif %}',
  '{% set x = x ~ x %}',
  '{{ x }}',
  '{% macro f(a) %}',
  '{% endmacro %}',
  '{{ f(f) }}',
  '| join',
  '| length',
  '.split("")',
  "['content']",
  '[::-1]',
  '{{',
  '}}',
  '{%',
  '%}',
  '{#',
  '#}',
  '-%}',
  '{%-',
  '999999999',
  '0',
  '"',
  "'",
  '(',
  ')',
  '[',
  ']',
  '\\',
  ' not ',
  ' in ',
  ' is ',
  '**',
  '//',
  '==',
  ',',
  '|',
  '~',
  '.',
  '\u0000',
  '\ud800',
  ' '.repeat(600),
  'namespace(',
  'loop',
  'none',
  '{% break %}',
  '{% generation %}',
]

export default {
  description:
    'Templates of random programs, and known ones that were damaged: text or a typed error, within the steps that' +
    ' are allowed. Random messages in known templates: no text of a message becomes a control token.',
  async attempt(random, _, { describe, count }) {
    const kind = random.integer(4)
    if (kind === 0) {
      inputMarking(random, describe)
      count('known: rendered')
      return
    }
    const made = kind === 1 ? 'damaged' : 'program'
    const source = kind === 1 ? damaged(random) : randomTemplate(random)
    describe(source)
    let outcome = 'refused'
    try {
      const specialTokens = ['<s>', '<|im_start|>', '<|im_end|>', '</think>']
      const template = new ChatTemplate(source, {
        bosToken: '<s>',
        eosToken: '<|im_end|>',
        specialTokens,
        variables: {
          tools: random.integer(2) === 0 ? null : [{ type: 'function', function: { name: 'f', parameters: {} } }],
        },
      })
      outcome = 'failed'
      const messages = conversation(random, true)
      piecesText(template.render(messages, true))
      if (template.incremental) template.continueTurn([{ role: 'user', content: content(random, scraps) }])
      outcome = 'opening failed'
      template.renderOpening('Be of use.')
      outcome = 'rendered'
    } catch (error) {
      expect(
        !isOurMistake(error as Error),
        `a mistake of ours: ${((error as Error).cause as Error | undefined)?.stack}`,
      )
      expect(
        StreamingLLMError.isInstance(error) && error.code === 'TEMPLATE_FAILED',
        `an error that is not typed: ${error instanceof Error ? error.stack : String(error)}`,
      )
    }
    toolCallFormat(source)
    count(`${made}: ${outcome}`)
  },
} satisfies FuzzTarget

function inputMarking(random: SeededRandom, describe: (input: string) => void): void {
  const names = [...exact, ...bounded]
  const name = names[random.integer(names.length)]!
  const sample: Sample = samples[name]
  const template = new ChatTemplate(sample.source, sample.options)
  const tokens = sample.options.specialTokens.slice(0, 8)
  const messages = conversation(random, name !== 'gemma', [...scraps, ...tokens])
  if (name.startsWith('reasoning')) messages.push({ role: 'user', content: '?' })
  describe(`${name}: ${JSON.stringify(messages)}`)
  const pieces = template.render(messages, true)
  expect(
    piecesText(pieces) === plain(sample, messages, true),
    'the text is not what the template makes of the messages',
  )
  expect(
    pieces.every(({ text }, i) => text !== '' && pieces[i - 1]?.special !== pieces[i]!.special),
    'empty pieces, or two of a kind',
  )
  const harmless = plain(
    sample,
    messages.map(message => ({ ...message, content: message.content.trim() === '' ? message.content : '漢' })),
    true,
  )
  for (const token of tokens) {
    const seen = special(pieces).reduce((sum, text) => sum + count(text, token), 0)
    const own = count(harmless, token)
    const holds = (exact as readonly string[]).includes(name) ? seen === own : seen <= own
    expect(holds, `${token} is a control token ${seen} times, and the template writes ${own} of them`)
  }
}

const special = (pieces: readonly PromptPiece[]): string[] =>
  pieces.filter(piece => piece.special).map(({ text }) => text)
const count = (text: string, token: string): number => text.split(token).length - 1

function content(random: SeededRandom, vocabulary: readonly string[]): string {
  return Array.from({ length: random.integer(7) }, () => vocabulary[random.integer(vocabulary.length)]).join('')
}

function conversation(
  random: SeededRandom,
  withSystem: boolean,
  vocabulary: readonly string[] = scraps,
): ChatMessage[] {
  const messages: ChatMessage[] = []
  if (withSystem && random.integer(2) === 0) messages.push({ role: 'system', content: content(random, vocabulary) })
  for (let i = 2 * random.integer(3); i >= 0; i--)
    messages.push({ role: i % 2 === 0 ? 'user' : 'assistant', content: content(random, vocabulary) })
  return messages
}

/**
 * Words, texts, numbers and whole tags of a template: in place of another of its kind, what is left is mostly still a
 * template.
 */
const kinds = [
  /\b[a-z_]\w*\b/gi,
  /'[^'\n]*'|"[^"\n]*"/g,
  /\b\d+\b/g,
  /\{\{.*?\}\}/gs,
  /\{%-? *(set|if|elif|for) .*?%\}/gs,
  /==|!=|\bnot in\b|\bin\b|\band\b|\bor\b|[+~]/g,
]

/**
 * One of the known templates with some of it exchanged for the like, or repeated, cut out, moved, or replaced by
 * anything.
 */
function damaged(random: SeededRandom): string {
  const sources = Object.values(samples)
  let source = sources[random.integer(sources.length)]!.source
  const crude = random.integer(4) === 0
  for (let times = 1 + random.integer(5); times > 0; times--) {
    const other = sources[random.integer(sources.length)]!.source
    if (!crude) {
      const kind = kinds[random.integer(kinds.length)]!
      const [places, likes] = [[...source.matchAll(kind)], [...(random.integer(3) > 0 ? source : other).matchAll(kind)]]
      const place = places[random.integer(places.length)]
      const like = likes[random.integer(likes.length)]?.[0] ?? ''
      if (place !== undefined)
        source =
          source.slice(0, place.index) +
          (random.integer(8) === 0 ? place[0] + like : like) +
          source.slice(place.index + place[0].length)
      continue
    }
    const at = random.integer(source.length + 1)
    const end = Math.min(source.length, at + random.integer(40))
    const from = random.integer(other.length)
    const by = [
      '',
      fragments[random.integer(fragments.length)]!,
      source.slice(at, end).repeat(2 + random.integer(50)),
      other.slice(from, from + random.integer(200)),
      String.fromCharCode(random.integer(128)),
    ]
    source = source.slice(0, at) + by[random.integer(by.length)]! + source.slice(end)
  }
  return source
}
