import { ReplyReader } from '../../../lib/reply/reply-reader.js'
import { type CallSyntaxName, callSyntaxes } from '../../../lib/tools/call-syntax.js'
import { writeCalls } from '../../../lib/tools/write-calls.js'
import { cpuMilliseconds } from '../../tools/cpu-time.js'
import { cut, random, readPieces, tools, written } from './replies.js'

const names = Object.keys(callSyntaxes) as CallSyntaxName[]

/** Replies of all that may matter to a reader: marks, calls in whole and in part, and what stands between. */
function reply(name: CallSyntaxName, next: (below: number) => number): string {
  const syntax = callSyntaxes[name]
  const call = () =>
    writeCalls(
      syntax,
      [
        { id: 'abcdefghi', name: 'get_weather', arguments: { city: pick([...loose, 'x']), days: next(9) } },
        { id: '123456789', name: next(3) === 0 ? 'nothing' : 'now', arguments: {} },
      ].slice(0, 1 + next(2)),
    )
  const loose = [
    ...syntax.open,
    syntax.close ?? ']',
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ':',
    ',',
    ';',
    ' ',
    '\n',
    '          ',
    'text',
    '🌍',
    '\ud83c',
    '<',
    '</',
    '>',
    '{"name": "now"',
    '"arguments": {',
    '"name"',
    'now',
    '[ARGS]',
    '<parameter=city>',
    '</parameter>',
    '</function>',
    '```',
    '\0',
    '123',
    'null',
  ]
  const pick = (items: readonly string[]) => items[next(items.length)]!
  return Array.from({ length: 1 + next(12) }, () => {
    const kind = next(6)
    if (kind === 0) return call()
    if (kind === 1) {
      const whole = call()
      return whole.slice(0, next(whole.length))
    }
    return pick(loose)
  }).join('')
}

describe.each(names)('%s', name => {
  const syntax = callSyntaxes[name]

  test('any reply can be read, loses nothing, and is the same in any pieces', () => {
    for (let seed = 0; seed < 150; seed++) {
      const next = random(seed * 31 + names.indexOf(name))
      const text = reply(name, next)
      const options = { syntax, reasoning: false } as const
      const parts = readPieces([text], options)
      const ignored = syntax.ignored.length > 0 || syntax.messages !== undefined // with the white space after them
      if (!ignored) expect(written(parts)).toBe(text)
      expect(readPieces(cut(text, next), options)).toEqual(parts)
      for (const part of parts) {
        if (part.type !== 'tool-call') continue
        const pieces = parts.filter(other => other.type === 'tool-call-arguments' && other.index === part.index)
        expect(JSON.parse(pieces.map(piece => ('text' in piece ? piece.text : '')).join(''))).toEqual(part.arguments)
      }
    }
  })

  test('also with reasoning in it', () => {
    for (let seed = 0; seed < 80; seed++) {
      const next = random(seed * 37 + names.indexOf(name))
      const marks = ['<think>', '</think>', '<think>\n', '', ' ', '<thi']
      const mark = () => marks[next(marks.length)]!
      const text = mark() + reply(name, next) + mark() + reply(name, next) + mark()
      const options = { syntax, reasoningOpen: next(2) === 0 }
      expect(readPieces(cut(text, next), options)).toEqual(readPieces([text], options))
    }
  })
})

test('text is kept back no further than a mark is long, and white space before it', () => {
  const fragments = ['<tool_', '<', 'call', '>', '<think', ' ', '\n', 'word', '🌍', '</tool_call>']
  for (let seed = 0; seed < 300; seed++) {
    const next = random(seed)
    const reader = new ReplyReader({ tools })
    let text = ''
    let passed = 0
    for (let i = 0; i < 40; i++) {
      const piece = fragments[next(fragments.length)]!
      text += piece
      if (text.includes('<tool_call>') || text.includes('<think>')) break
      passed += reader.push(piece).reduce((sum, part) => sum + (part.type === 'text' ? part.text.length : 0), 0)
      expect(text.length - passed).toBeLessThanOrEqual('<tool_call>'.length + 8)
      if (piece === 'word' || piece === '🌍') expect(passed).toBe(text.length)
    }
  }
})

describe('time grows with the length, not faster', () => {
  const size = 100_000
  const repeated = (text: string) => text.repeat(Math.ceil(size / text.length))
  const texts = {
    'plain text': repeated('some words '),
    'white space': repeated(' \n'),
    'starts of marks': repeated('<tool_cal'),
    marks: repeated('<tool_call>'),
    calls: repeated('<tool_call>{"name": "now"}</tool_call>'),
    'a long argument': `<tool_call>{"name": "now", "arguments": {"a": "${repeated('\\" {')}"}}</tool_call>`,
    'deep nesting': `<tool_call>{"name": "now", "arguments": ${repeated('{"a":[')}`,
    'many keys': `<tool_call>{${repeated('"a": 1, ')}`,
    'a broken call': `<tool_call>${repeated('x </tool_')}`,
    separators: `<tool_call>{"name": "now"}${repeated(' ,')}`,
    reasoning: `<think>${repeated('hm </thin')}`,
    'a bracket': `{"name"${repeated(' ')}`,
    parameters: `<function=get_weather><parameter=city>${repeated('\n</param')}`,
  }

  test.each(Object.entries(texts))('%s', (_, text) => {
    for (const syntax of [
      callSyntaxes.hermes,
      callSyntaxes.llama3,
      callSyntaxes.mistral,
      callSyntaxes['qwen3-coder'],
    ]) {
      for (const length of [1, text.length]) {
        const reader = new ReplyReader({ tools, syntax })
        const started = cpuMilliseconds()
        for (let at = 0; at < text.length; at += length) reader.push(text.slice(at, at + length))
        reader.end()
        // A quadratic reader would take minutes.
        expect(cpuMilliseconds() - started).toBeLessThan(2000)
      }
    }
  })
})
