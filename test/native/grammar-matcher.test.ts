import { checkGrammar } from '../../lib/structured/grammar-check.js'
import { GbnfGrammar } from '../tools/gbnf.js'
import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import { randomGrammar } from '../tools/random-grammar.js'
import type { TestAddon } from '../tools/test-addon.js'

let addon: TestAddon
beforeAll(() => {
  addon = openAddon()
})

const characters = ['a', 'a', 'b', ' ', 'c', 'é', '你', '🙂', '\n', '0']
const match = (grammar: string, text: string | Uint8Array) =>
  new addon.GrammarMatcher(grammar).match(typeof text === 'string' ? Buffer.from(text) : text)
const whole = (grammar: string, text: string) => {
  const { taken, complete } = match(grammar, text)
  return complete && taken === Buffer.byteLength(text)
}

test.each([
  ['a literal', 'root ::= "yes"', ['yes'], ['', 'ye', 'yess', 'no']],
  ['choices that begin alike', 'root ::= "ab" | "ac" | "a" "d"?', ['ab', 'ac', 'a', 'ad'], ['', 'b', 'abc']],
  [
    'repetitions',
    'root ::= "a"* "b"+ "c"? "d"{2} "e"{1,} "f"{0,2}',
    ['bdde', 'aabbcddeeeff'],
    ['adde', 'bde', 'bddefff', 'bddf'],
  ],
  [
    'repetitions of what may be empty',
    'root ::= (("a"? "b"?){0,3}){2} "c"',
    ['c', `${'abababababababc'.slice(0, 12)}c`, 'bac'],
    ['', 'abababababababc'],
  ],
  [
    'recursion',
    'root ::= "(" root ")" | root-2\nroot-2 ::= "x" root-2 | ""',
    ['', 'xx', '((x))', '()'],
    ['(', '(()', 'x)'],
  ],
  ['what begins with itself and leaves nothing', 'root ::= e root | "x"\ne ::= "y"?', ['x', 'yyx'], ['', 'yy']],
  ['sets', 'root ::= [^a-c\\]] [a-] [\\-é-ü] .', ['d-ö\n', 'äa-🙂'], ['a-ö\n', 'd-a\n', ']-ö\n']],
  ['an empty set, which is nothing', 'root ::= [] "a" [^]', ['a'], ['', 'b']],
  ['escapes', 'root ::= "\\x41\\u00e9\\U0001F600\\t\\"\\\\"', ['Aé😀\t"\\'], ['A']],
  [
    'comments, groups over lines, and carriage returns',
    '# a\r\nroot ::= ( # b\r\n  "a" |\r\n  "b")* # c\r\n',
    ['', 'abba'],
    ['c'],
  ],
  ['a choice of nothing', 'root ::= ', [''], ['a']],
])('%s', (_name, grammar, right, wrong) => {
  for (const text of right) expect([text, whole(grammar, text)]).toEqual([text, true])
  for (const text of wrong) expect([text, whole(grammar, text)]).toEqual([text, false])
})

test('characters come in bytes, and only as far as one of them can go on', () => {
  const bytes = (...all: number[]) => match('root ::= [é-ü你] | "🙂"', Uint8Array.from(all)).taken
  expect(bytes(0xc3)).toBe(1)
  expect(bytes(0xc3, 0xa9)).toBe(2)
  expect(bytes(0xc3, 0x80)).toBe(1) // À
  expect(bytes(0xc2)).toBe(0)
  expect(bytes(0xe4, 0xbd, 0xa0)).toBe(3)
  expect(bytes(0xe5)).toBe(0)
  expect(bytes(0xf0, 0x9f, 0x99, 0x82)).toBe(4)
  const any = (...all: number[]) => match('root ::= .*', Uint8Array.from(all)).taken
  expect(any(0xc0, 0x80)).toBe(0) // longer than need be
  expect(any(0xe0, 0x80)).toBe(1)
  expect(any(0xed, 0xa0)).toBe(1) // a surrogate
  expect(any(0xf4, 0x90)).toBe(1) // beyond Unicode
  expect(any(0x80)).toBe(0)
  expect(any(0xc3, 0x28)).toBe(1)
  expect(any(0x61, 0x00)).toBe(1)
})

test('agrees with the reference about random grammars: what texts they have, and what these begin with', () => {
  let compared = 0
  for (let seed = 0; seed < 500; seed++) {
    const random = seeded(seed)
    const source = randomGrammar(random)
    try {
      checkGrammar(source, 'test')
    } catch {
      continue
    }
    const reference = new GbnfGrammar(source)
    const matcher = new addon.GrammarMatcher(source)
    for (let walk = 0, text = ''; walk < 20 && text.length < 12; walk++) {
      const tried = text + characters[random.below(characters.length)]!
      const { taken, complete } = matcher.match(Buffer.from(tried))
      const all = taken === Buffer.byteLength(tried)
      expect([seed, source, tried, all, all && complete]).toEqual([
        seed,
        source,
        tried,
        reference.begins(tried),
        reference.accepts(tried),
      ])
      if (all) text = tried
      compared++
    }
  }
  expect(compared).toBeGreaterThan(4000)
}, 60_000)

describe('what leaves many ways open', () => {
  test.each([
    ['repetitions within repetitions', 'root ::= (([a-zA-Z]? ){0,400}){0,4} "zzzz"', 'abc'.repeat(500)],
    ['the same without a character that must come', 'root ::= (([a-z]?){0,40}){0,40} "!"', 'a'.repeat(1500)],
    ['alternatives that differ at their ends alone', 'root ::= ("a"* "b" | "a"* "c" | "a"* "d")', 'a'.repeat(2000)],
    [
      'a list that goes on and a list of lists',
      'root ::= l\nl ::= ("a" l "b" | "a" l "c")?',
      `${'a'.repeat(1000)}${'bc'.repeat(500)}`,
    ],
    ['brackets', 'root ::= "(" root ")" root | ""', '('.repeat(1000) + ')'.repeat(1000)],
  ])('%s costs little for each character', (_name, grammar, text) => {
    const { taken, steps } = match(grammar, text)
    expect(taken).toBe(Buffer.byteLength(text))
    expect(steps).toBeLessThan(100_000)
  })

  test('what costs too much for one is an error that says so', () => {
    // Nothing tells the first from the second, so that all numbers of them remain possible.
    const matcher = new addon.GrammarMatcher('root ::= e "!"\ne ::= "a" e e | "a" e e e | "a"', 10_000)
    expect(() => matcher.match(Buffer.from('a'.repeat(1000)))).toThrow(
      expect.objectContaining({ code: 'GRAMMAR_TOO_COMPLEX' }),
    )
    expect(matcher.match(Buffer.from('aaaa!'))).toMatchObject({ taken: 5, complete: true })
  })
})
