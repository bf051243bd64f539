import type { NativeModel } from '../../lib/engine/native.js'
import { loadModel } from '../../lib/index.js'
import { loadNative, openAddon } from '../tools/native-engine.js'
import { textClasses, waysToSplit } from '../tools/pre-tokenizers.js'
import { type TinyOptions, tinyModel } from '../tools/tiny-models.js'

const addon = openAddon()

async function loaded(options: TinyOptions): Promise<NativeModel> {
  return loadNative(addon, tinyModel('llama', { layers: 1, width: 32, ...options }))
}

async function withVocabulary<T>(options: TinyOptions, use: (model: NativeModel) => T): Promise<T> {
  const model = await loaded(options)
  try {
    return use(model)
  } finally {
    await model.close()
  }
}

const mebibyte = 2 ** 20

test.each(waysToSplit)('%s: a run of 24,000 characters ends nothing', preTokenizer =>
  withVocabulary({ vocabulary: 'bpe', preTokenizer }, model => {
    for (const character of ['=', 'A']) {
      const text = character.repeat(24_000)
      expect(model.detokenize(model.tokenize(text, false), false)).toBe(text)
    }
  }),
)

test('a run of each Unicode class, for what splits by std::regex', () =>
  withVocabulary({ vocabulary: 'bpe', preTokenizer: 'gpt-4o' }, model => {
    const text = textClasses.map(piece => piece.repeat(Math.ceil(400 / piece.length))).join('')
    expect(model.detokenize(model.tokenize(text, false), false)).toBe(text)
  }))

test('a mebibyte goes in one call, and one more byte that cannot be cut is refused', () =>
  withVocabulary({ vocabulary: 'bpe', preTokenizer: 'seed-coder' }, model => {
    expect(model.tokenize('='.repeat(mebibyte), false)).toHaveLength(mebibyte)
    expect(() => model.tokenize('='.repeat(mebibyte + 1), false)).toThrow(
      expect.objectContaining({ code: 'TEXT_TOO_LONG', message: expect.stringContaining('a space between two words') }),
    )
  }))

test('more than 64 MB are refused', () =>
  withVocabulary({}, model => {
    expect(() => model.tokenize('x'.repeat(64 * mebibyte + 1), false)).toThrow(
      expect.objectContaining({ code: 'TEXT_TOO_LONG', message: expect.stringContaining('67108864') }),
    )
  }))

// Pieces across the places where texts are cut, and of what runs are made, so that a cut at a wrong place shows.
const morePieces: [string, string][] = [
  ['\n', '\n'],
  ['7', '7'],
  ['77', '7'],
  ['=', '='],
  ['e', ' '],
  ['\n', 'T'],
  ['d', ' '],
  ['d ', 't'],
  ['  ', ' '],
  ['.', '\n'],
  ['>', '<'],
  ['a', 'a'],
]
const userDefined = ['<b>', '</b>', '\t\t', 'Hello world', '==']
const words =
  " the so and\nThe world, is it\nand on 1234567 times.\nHe said: <b><b>x</b>\n and  so   on it is\n\nStop. don't you\nin a case of 77777 == ===== it isn't"
const mixed = textClasses.map(piece => piece + words.slice(piece.codePointAt(0)! % 80).slice(0, 40)).join('')

const vocabularies: [string, TinyOptions][] = [
  ...waysToSplit.map((preTokenizer): [string, TinyOptions] => [
    preTokenizer,
    { vocabulary: 'bpe', preTokenizer, morePieces, userDefined },
  ]),
  ...[true, false].map((spacePrefix): [string, TinyOptions] => [
    `spm, a space before: ${spacePrefix}`,
    { spacePrefix, morePieces, userDefined },
  ]),
  ...(['wordpiece', 'unigram', 'rwkv', 'plamo2'] as const).map((vocabulary): [string, TinyOptions] => [
    vocabulary,
    { vocabulary, morePieces },
  ]),
]

test.each(vocabularies)('%s: where a text is cut changes no token', (_, options) =>
  withVocabulary(options, model => {
    const whole = model.tokenize(mixed, false, mebibyte)
    for (const bytes of [200, 1_000]) expect(model.tokenize(mixed, false, bytes)).toEqual(whole)
  }),
)

test('many special tokens in a row take no time that grows with their square', () =>
  withVocabulary({ vocabulary: 'bpe', userDefined }, model => {
    const text = '<b>'.repeat(60_000)
    const tokens = model.tokenize(text, false)
    expect(tokens).toHaveLength(60_000)
    expect(new Set(tokens).size).toBe(1)
  }))

test('runs that cost the square of their length are refused where it is too much', async () => {
  await withVocabulary({ vocabulary: 'bpe', preTokenizer: 'deepseek-llm' }, model => {
    for (const space of [' ', '\u00a0', '\u3000']) {
      expect(() => model.tokenize(`${space.repeat(40_000)}5`, false)).toThrow(
        expect.objectContaining({ code: 'TEXT_TOO_LONG', message: expect.stringContaining('runs of white space') }),
      )
      expect(model.tokenize(`${space.repeat(1_000)}5`, false).length).toBeGreaterThan(100)
    }
    // It begins anew behind each line feed.
    expect(model.tokenize('\n'.repeat(40_000), false).length).toBeGreaterThan(10_000)
  })
  await withVocabulary({ vocabulary: 'bpe', preTokenizer: 'superbpe' }, model => {
    expect(() => model.tokenize('7'.repeat(40_000), false)).toThrow(
      expect.objectContaining({ code: 'TEXT_TOO_LONG', message: expect.stringContaining('runs of digits') }),
    )
    expect(model.tokenize('7'.repeat(1_000), false)).toHaveLength(1_000)
  })
})

test('what are no options of tokenize and detokenize, and what are no tokens, is refused by name', async () => {
  await using model = await loadModel(tinyModel('llama', { layers: 1, width: 32 }), { gpu: false, threads: 1 })
  const refused = (call: () => unknown, option: string, code = 'INVALID_OPTION') =>
    expect(call).toThrow(expect.objectContaining({ code, details: expect.objectContaining({ option }) }))
  refused(() => model.tokenize('x', null as never), 'options')
  refused(() => model.detokenize([1], null as never), 'options')
  refused(() => model.tokenize('x', { specail: true } as never), 'specail', 'UNKNOWN_OPTION')
  refused(() => model.detokenize(new Array(2 ** 24 + 1) as never), 'tokens')
  refused(() => model.detokenize([1, Symbol('x')] as never), 'tokens[1]')
  expect(() => model.tokenize('x'.repeat(2 ** 26 + 1))).toThrow(expect.objectContaining({ code: 'TEXT_TOO_LONG' }))
  await expect(model.embed(new Array(65_537).fill('x') as never)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    details: { option: 'texts' },
  })
  const chat = model.createChat()
  await expect(chat.ask([])).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('there is no message to be answered'),
  })
  // A long message is tokenized beside JavaScript, and comes out the same.
  const long = 'the world of it '.repeat(3_000)
  expect(await model.tokenizer.tokenizeLater(long)).toEqual(model.tokenize(long))
})
