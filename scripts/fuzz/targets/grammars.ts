import { loadModel, type Model, StreamingLLMError } from '../../../lib/index.js'
import { GbnfGrammar } from '../../../test/tools/gbnf.js'
import { randomGrammar } from '../../../test/tools/random-grammar.js'
import { tinyModel } from '../../../test/tools/tiny-models.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { expect, type FuzzTarget } from '../target.js'

const timeLimit = 1_000
/** By how much a reply may outlast its time limit, in milliseconds of CPU. */
const grace = 5_000
/** What a reply by a grammar may end with. */
const codes = new Set(['INVALID_OPTION', 'GRAMMAR_TOO_COMPLEX', 'DECODE_FAILED'])
/** A larger grammar takes the reference too long. */
const maxForReference = 1_500

const fragments = [
  '"',
  '[',
  ']',
  '(',
  ')',
  '{',
  '}',
  '|',
  '*',
  '+',
  '?',
  '{0,400}',
  '{1,}',
  '{3}',
  '::=',
  '\n',
  '#',
  '.',
  '-',
  '^',
  '\\',
  '\\x4',
  '\\u00e9',
  '\\U0010FFFF',
  '<[5]>',
  '!<[6]>',
  '<think>',
  'root',
  'r0',
  ' ',
  '\t',
  '\r\n',
  'é',
  '你',
  '🙂',
  '\0',
  '\ud800',
  '""',
  '[]',
  '[^]',
  '[\\u0000-\\U0010FFFF]',
  '999999999999',
]

export const grammars: FuzzTarget = {
  description:
    'Grammars in GBNF, valid, ambiguous, broken and hostile. What is accepted holds a reply of 20 tokens by a tiny model: it ends with a typed error, or its text is what a sentence of the grammar begins with, by a parser of its own; never much later than its time limit',
  secondsPerInput: (timeLimit + grace) / 1_000,
  async prepare() {
    return await loadModel(tinyModel('llama', { endBias: -4 }), {
      threads: 1,
      kvType: 'f32',
      flashAttention: 'off',
      gpu: false,
    })
  },
  async attempt(random, prepared, { describe, count }) {
    const model = prepared as Model
    const source = grammar(random)
    describe(source)
    const before = process.cpuUsage()
    const reply = await generate(model, source, random.integer(1_000_000))
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1_000 < timeLimit + grace, `it took ${Math.round((user + system) / 1_000)} ms of CPU`)
    count(reply === undefined ? 'refused or given up' : reply.reason)
    if (reply === undefined || source.length > maxForReference || /[<!]|\d{3}/.test(source)) return
    const reference = new GbnfGrammar(source)
    const text = JSON.stringify(reply.text)
    expect(reference.begins(reply.text), `no sentence begins with ${text}`)
    if (reply.reason === 'end')
      expect(reference.accepts(reply.text), `the reply ended with ${text}, which is no sentence`)
  },
}

/** The reply; undefined where the grammar was refused or given up with a typed error. */
async function generate(
  model: Model,
  source: string,
  seed: number,
): Promise<{ text: string; reason: string } | undefined> {
  const sequence = model.createSequence({ window: 200 })
  let text = ''
  try {
    for await (const event of sequence.generate({
      tokens: [1, 300, 301],
      grammar: source,
      maxTokens: 20,
      timeLimit,
      seed,
      temperature: 1.5,
      topK: 0,
      topP: 1,
      minP: 0,
    })) {
      if (event.type === 'text') text += event.text
      if (event.type === 'finish') return { text, reason: event.reason }
    }
  } catch (error) {
    if (!StreamingLLMError.isInstance(error) || !codes.has(error.code)) throw error
  } finally {
    await sequence.close()
  }
  return undefined
}

function grammar(random: SeededRandom): string {
  const small = {
    below: (limit: number) => random.integer(limit),
    chance: (probability: number) => random.uniform() < probability,
  }
  if (small.chance(0.15)) return hostile(random)
  let source = randomGrammar(small)
  if (small.chance(0.5)) return source
  for (let i = 1 + random.integer(4); i > 0; i--) {
    const at = random.integer(source.length + 1)
    const piece =
      random.uniform() < 0.3
        ? source.slice(random.integer(source.length), random.integer(source.length))
        : fragments[random.integer(fragments.length)]!
    source = source.slice(0, at) + piece + source.slice(at + (small.chance(0.5) ? random.integer(5) : 0))
  }
  return source
}

/** What is expensive to parse, or to follow while text is generated. */
function hostile(random: SeededRandom): string {
  const size = 1 + random.integer(random.uniform() < 0.2 ? 2_000 : 60)
  const times = (count: number, make: (i: number) => string, between = '') =>
    Array.from({ length: count }, (_, i) => make(i)).join(between)
  const item = ['[a-z]?', '"a"', '[a-z ]', '("a" | "ab" | "b")', '""', '.', '"a"*', 'r0'][random.integer(8)]!
  const rules = [
    () => `root ::= ((${item}){0,${size}}){0,${random.integer(20)}} "z"`,
    () => `root ::= ${'('.repeat(size)}${item}${')*'.repeat(size)}`,
    () => `root ::= ${'('.repeat(size)}${item}${')'.repeat(size)}`,
    () => `root ::= e "!"\ne ::= "a" e{0,${size}}`,
    () => `root ::= e\ne ::= e ${item} | "a"`,
    () => `root ::= e e\ne ::= [a-z] ${times(1 + (size % 9), () => 'e')} | [a-f] e | ""`,
    () =>
      `root ::= ${times(size, i => `r${i}`, ' | ')}\n${times(size, i => `r${i} ::= "a"* ${item} "b" | "${String.fromCodePoint(97 + (i % 26))}"`, '\n')}`,
    () => `root ::= r0\n${times(size, i => `r${i} ::= ${i + 1 < size ? `r${i + 1} | "a" r${i + 1} ` : item}`, '\n')}`,
    () => `root ::= [${times(size * 10, i => String.fromCodePoint(0x4e00 + i))}a-z]*`,
    () => `root ::= "${'a'.repeat(size * 50)}"{0,${size}}`,
    () => `root ::= ${times(size, () => `${item}{0,${1 + random.integer(60)}}`, ' ')}`,
    () => `root ::= ${times(size, () => '("a" | )', ' ')} "b"`,
  ]
  return `${rules[random.integer(rules.length)]!()}${item === 'r0' ? '\nr0 ::= "x" | r1\nr1 ::= "y" r0 | "y"' : ''}\n`
}
