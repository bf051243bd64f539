import { StreamingLLMError } from '../../../lib/errors.js'
import { checkGrammar } from '../../../lib/structured/grammar-check.js'
import { cpuMilliseconds } from '../../tools/cpu-time.js'

function failure(source: unknown): StreamingLLMError {
  try {
    checkGrammar(source, 'someCall')
  } catch (error) {
    expect(error).toBeInstanceOf(StreamingLLMError)
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { call: 'someCall', option: 'grammar' } })
    return error as StreamingLLMError
  }
  throw new Error(`${JSON.stringify(source).slice(0, 200)} is not refused`)
}

function expectFailure(source: unknown, message: string | RegExp, line?: number): void {
  const error = failure(source)
  expect(error.message).toMatch(message)
  expect(error.details.line).toBe(line)
  if (line !== undefined) expect(error.message).toContain(`line ${line}:`)
}

const lines = (...all: string[]) => all.join('\n')

test.each([
  ['a literal', 'root ::= "yes"'],
  ['choices', 'root ::= "yes" | "no" | '],
  ['an empty rule', 'root ::= '],
  [
    'several rules, comments and empty lines',
    lines(
      '# what it is for',
      '',
      'root ::= answer "." # the end',
      '',
      'answer ::=',
      '  "a" | other',
      'other ::= [a-z]+',
      '',
    ),
  ],
  ['a group over several lines', lines('root ::= (', '  "a" |', '  # a comment', '  "b"', ')* "c"')],
  ['a choice that goes on after the bar', lines('root ::= "a" |', '  "b"')],
  ['sets', 'root ::= [^"\\\\\\x7F\\u00e4\\U0001F600] [a-] [-a] [a\\-z] [\\[\\]] [ä-ü] . [\\n\\r\\t]'],
  ['repetitions', 'root ::= "a"* "b"+ "c"? "d"{3} "e"{2,} "f"{ 2 , 5 } [g]{0} ("h" | "i"){0,9} "j"{0,1999}'],
  ['a repetition of a repetition', 'root ::= "a"{30}{30} "b"{2}*'],
  ['right recursion', lines('root ::= "(" root ")" | ""', 'tail ::= [a-z] tail | "."')],
  ['tokens', 'root ::= <[5]> !<[6]> <think> !</think>'],
  ['carriage returns', 'root ::= a\r\na ::= "b"\r\n'],
  ['a NUL that is escaped', 'root ::= "\\x00"'],
  ['rules before root', lines('a ::= "x"', 'root ::= a')],
  ['a rule that nothing refers to', lines('root ::= "x"', 'b ::= "y"')],
  ['hyphens and digits', lines('root ::= 1-a-', '1-a- ::= "x"')],
  [
    'what may be empty by way of others, repeated without limit, which llama.cpp finds its way out of',
    lines('root ::= space* ("a"?)* (space "b")+', 'space ::= [ ]*', 'tail ::= space tail | "x"'),
  ],
  ['an empty set, which matches the empty text', 'root ::= [] "a"'],
])('takes %s', (_, source) => {
  expect(() => checkGrammar(source, 'someCall')).not.toThrow()
})

test.each<[string, unknown, RegExp, number?]>([
  [
    'a rule that a bar at the end of the line before swallows',
    lines('root ::= "a" |', 'b ::= "c"'),
    /the end of the line was expected, and ":" is there/,
    2,
  ],
  ['what is no string', 5, /must be a string/],
  ['nothing', '', /has no rule 'root'/],
  ['no root', 'answer ::= "x"', /has no rule 'root'/],
  ['a root that is only referred to', 'a ::= root', /'root' is not defined/, 1],
  ['a rule that is missing', lines('root ::= a', 'a ::= "x"', '', '  ', 'b ::= c'), /the rule 'c' is not defined/, 5],
  ['a rule twice', lines('root ::= "a"', 'b ::= "c"', 'root ::= "d"'), /'root' is defined twice/, 3],
  ['no ::=', lines('root ::= "a"', 'b = "c"'), /'::=' after the rule's name 'b' was expected, and "=" is there/, 2],
  ['no name', lines('root ::= "a"', '::= "c"'), /a rule's name was expected, and ":" is there/, 2],
  ['a name with an underscore', lines('root ::= "a"', 'a_b ::= "c"'), /'::='/, 2],
  ['an open literal', lines('root ::= "a', 'x'), /more was expected, and the end is there/, 2],
  ['an open set', 'root ::= [a', /more was expected/, 1],
  ['an open group', lines('root ::= ("a"', '| "b"'), /'\)' was expected, and the end is there/, 2],
  ['a group that was never opened', 'root ::= "a")', /the end of the line was expected, and "\)" is there/, 1],
  ['a choice on the next line', lines('root ::= "a"', '  | "b"'), /a rule's name was expected, and "\|" is there/, 2],
  ['an escape that is not known', 'root ::= "\\d"', /a backslash before "d" is no escape/, 1],
  ['an escape that is cut off', 'root ::= "\\x4"', /a backslash before "x" is no escape, or its digits are missing/, 1],
  ['a single quote', "root ::= 'a'", /the end of the line was expected/, 1],
  ['nothing to repeat', 'root ::= *', /nothing to repeat/, 1],
  ['an empty text, repeated', 'root ::= ""*', /nothing to repeat/, 1],
  ['a count that is missing', 'root ::= "a"{,5}', /a number was expected/, 1],
  ['a count that is open', 'root ::= "a"{5', /'}' was expected/, 1],
  ['counts the wrong way round', 'root ::= "a"{5,3}', /a repetition from 5 to 3 times/, 1],
  [
    'two thousand repetitions',
    'root ::= "a"{2000}',
    /2000 repetitions of what has 1 rule; their product must be below 2000/,
    1,
  ],
  ['an upper bound that llama.cpp would not keep to', 'root ::= "a"{0,3000}', /3000 repetitions/, 1],
  ['a count beyond all numbers', `root ::= "a"{${'9'.repeat(400)}}`, /repetitions/, 1],
  ['repetitions of repetitions', 'root ::= "a"{50}{50}', /50 repetitions of what has 50 rules/, 1],
  ['repetitions of a group with many rules', 'root ::= ("a"{0,99}){20}', /20 repetitions of what has 100 rules/, 1],
  ['a NUL', lines('root ::= "a"', '# \0'), /a NUL character/, 2],
  ['half of a character', lines('root ::= a', 'a ::= "\ud800"'), /half of a surrogate pair/, 2],
  ['a token without a name', 'root ::= <>', /a token/, 1],
  ['left recursion', lines('root ::= "x" a', 'a ::= a "x" | "y"'), /left recursion/, 2],
  [
    'left recursion by way of others',
    lines('root ::= a', 'a ::= b', 'b ::= c | "x"', 'c ::= ("y" | a)'),
    /left recursion/,
    2,
  ],
  [
    'left recursion behind what may be empty',
    lines('root ::= "x" a', 'b ::= "y"?', 'a ::= b a "z" | "w"'),
    /left recursion/,
    3,
  ],
  [
    'left recursion behind what may be empty by way of others, which llama.cpp does not see',
    lines('root ::= d a', 'a ::= b a "z" | "w"', 'b ::= c c', 'c ::= d', 'd ::= | "e"'),
    /left recursion/,
    2,
  ],
  ['what may be empty, repeated without limit', 'root ::= ("a" | "")* "b"', /left recursion/, 1],
  [
    'two rules that begin with each other behind what may be empty',
    lines('root ::= "x" a', 'a ::= b c "z" | "w"', 'b ::= d', 'c ::= b a', 'd ::= "y"?'),
    /left recursion/,
    2,
  ],
])('refuses %s', (...[, source, message, line]) => {
  expectFailure(source, message, line)
})

describe('limits', () => {
  test('size', () => {
    expect(() => checkGrammar(`root ::= "a" #${'x'.repeat(1024 ** 2 - 20)}`, 'c')).not.toThrow()
    expectFailure(`root ::= "a" #${'x'.repeat(1024 ** 2)}`, /1048590 bytes, and at most 1048576/)
    expectFailure(`root ::= "a" #${'ä'.repeat(1024 ** 2 / 2)}`, /bytes/)
    expectFailure(`root ::= "${'a'.repeat(300_000)}"`, /more than 250000 elements/, 1)
    expect(() => checkGrammar(`root ::= "a"${' '.repeat(1_000_000)}`, 'c')).not.toThrow()
    expect(() => checkGrammar(`${'\n'.repeat(1_000_000)}root ::= "a"`, 'c')).not.toThrow()
  })

  test('parentheses', () => {
    expect(() => checkGrammar(`root ::= ${'('.repeat(100)}"a"${')'.repeat(100)}`, 'c')).not.toThrow()
    expectFailure(`root ::= ${'('.repeat(101)}"a"${')'.repeat(101)}`, /nested more than 100 deep/, 1)
    expectFailure(`root ::= ${'('.repeat(500_000)}`, /nested more than 100 deep/, 1)
    expect(() => checkGrammar(`root ::= ${'("a")'.repeat(1000)}`, 'c')).not.toThrow()
  })

  test('what repetitions grow to', () => {
    expectFailure(`root ::= "${'a'.repeat(1000)}"{1000}`, /more than 250000 elements/, 1)
    expectFailure(`root ::= ${'"a"{0,1999} '.repeat(30)}`, /more than 50000 rules/, 1)
    expectFailure(
      lines('root ::= "a"', ...Array.from({ length: 60_000 }, (_, i) => `r${i} ::= "a"`)),
      /more than 50000 rules/,
      50_001,
    )
  })

  test('rules that begin with rules', () => {
    const chain = (length: number, body: (next: string) => string) =>
      lines(
        'root ::= r0',
        ...Array.from({ length }, (_, i) => `r${i} ::= ${i === length - 1 ? '"x"' : body(`r${i + 1}`)}`),
      )
    expect(() =>
      checkGrammar(
        chain(900, next => next),
        'c',
      ),
    ).not.toThrow()
    expectFailure(
      chain(1001, next => next),
      /more than 1000 deep/,
    )
    expectFailure(
      chain(40_000, next => next),
      /more than 1000 deep/,
    )
    expect(() =>
      checkGrammar(
        chain(15, next => `${next} "a" | ${next}`),
        'c',
      ),
    ).not.toThrow()
    // llama.cpp would look at each of 2^40 ways
    expectFailure(
      chain(40, next => `${next} "a" | ${next}`),
      /too many ways/,
    )
    expect(() =>
      checkGrammar(
        chain(1500, next => `"a" ${next}`),
        'c',
      ),
    ).not.toThrow()
    expectFailure('root ::= ("a" | "b" | ){0,1500}', /1500 repetitions|more than 1000 deep/)
  })

  test('none takes long', () => {
    const start = cpuMilliseconds()
    const backwards = lines(
      'root ::= r0',
      ...Array.from({ length: 20_000 }, (_, i) => `r${i} ::= ${i === 19_999 ? '' : `r${i + 1} r${i + 1}`}`).reverse(),
    )
    failure(backwards)
    expect(() => checkGrammar(`root ::= ${'"a" | '.repeat(80_000)}"b"`, 'c')).not.toThrow()
    expect(cpuMilliseconds() - start).toBeLessThan(3000)
  })
})
