import type { NativeModel } from '../../../lib/engine/native.js'
import { fromNative, StreamingLLMError } from '../../../lib/errors.js'
import { loadNative, openAddon } from '../../../test/tools/native-engine.js'
import { preTokenizers, textClasses } from '../../../test/tools/pre-tokenizers.js'
import { type TinyOptions, tinyModel } from '../../../test/tools/tiny-models.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { expect, type FuzzTarget } from '../target.js'

interface Vocabulary {
  name: string
  options: TinyOptions
  /** Texts come back whole; not where a vocabulary lacks what llama.cpp would write single bytes with. */
  whole: boolean
}

const userDefined = ['<b>', '</b>', '\n\n', '\t\t', 'Hello world', '==', 'é']
/** So that a cut at a wrong place shows: some across places where texts are cut, and of what runs are made. */
const morePieces: [string, string][] = [
  ['\n', '\n'],
  ['\n\n', '\n'],
  [' ', '\n'],
  ['\n', ' '],
  ['\r', '\n'],
  ["'", 's'],
  ['7', '7'],
  ['77', '7'],
  ['=', '='],
  ['==', '=='],
  ['e', ' '],
  ['\n', 'T'],
  ['d', ' '],
  ['d ', 't'],
  ['a', 'a'],
  ['aa', 'aa'],
  ['A', 'A'],
  [' ', 'H'],
  ['.', '\n'],
  ['=', '\n'],
  ['>', '<'],
  ['x', '\n'],
  ['  ', ' '],
  ['   ', ' '],
  [' ', 'a'],
  ['t', ' '],
]
const lossy = ['gemma4', 'granite-embed-multi-311m', 'sarvam-moe']

const vocabularies: Vocabulary[] = [
  // llama.cpp ends the process over spaces in a vocabulary that calls itself whitespace and is none, which no file
  // check lets in.
  ...preTokenizers
    .filter(name => name !== 'whitespace')
    .flatMap(preTokenizer => [
      {
        name: preTokenizer,
        options: { vocabulary: 'bpe', preTokenizer, morePieces },
        whole: !lossy.includes(preTokenizer),
      } as const,
      {
        name: `${preTokenizer}, user-defined tokens`,
        options: { vocabulary: 'bpe', preTokenizer, userDefined, morePieces },
        whole: !lossy.includes(preTokenizer),
      } as const,
    ]),
  ...[true, false].flatMap(spacePrefix =>
    [[], userDefined].map(
      defined =>
        ({
          name: `spm${spacePrefix ? ', a space before' : ''}${defined.length > 0 ? ', user-defined tokens' : ''}`,
          options: { vocabulary: 'spm', spacePrefix, userDefined: defined, morePieces },
          whole: false,
        }) as const,
    ),
  ),
  ...(['incomplete', 'wordpiece', 'unigram', 'rwkv', 'plamo2'] as const).map(vocabulary => ({
    name: vocabulary,
    options: { vocabulary, userDefined: vocabulary === 'wordpiece' ? [] : userDefined, morePieces },
    whole: false,
  })),
]

/** At most; many are much shorter. */
const maxLength = 4_000

const texts: FuzzTarget = {
  description:
    'Texts for the tokenizers of all pre-tokenizers and kinds of vocabulary: typed errors alone, the same tokens however the text is cut, and the text back from its tokens.',
  async prepare() {
    const addon = openAddon()
    const models = new Map<string, Promise<NativeModel>>()
    return async ({ name, options }: Vocabulary): Promise<NativeModel> => {
      const model = models.get(name) ?? loadNative(addon, tinyModel('llama', { layers: 1, width: 32, ...options }))
      models.set(name, model)
      return model
    }
  },
  async attempt(random, prepared, { describe, count }) {
    const vocabulary = vocabularies[random.integer(vocabularies.length)]!
    const text = randomText(random)
    const special = random.integer(2) === 0
    const partBytes = 1 + random.integer(random.integer(4) === 0 ? 2_000 : 100)
    describe(`${vocabulary.name}, special ${special}, parts of ${partBytes}: ${JSON.stringify(text)}`)
    const model = await (prepared as (vocabulary: Vocabulary) => Promise<NativeModel>)(vocabulary)
    const tokenized = (bytes: number) => attempted(() => model.tokenize(text, special, bytes))
    const whole = tokenized(2 ** 20)
    const parts = tokenized(partBytes)
    expect(whole.error === parts.error, `in one call ${whole.error}, in parts ${parts.error}`)
    count(whole.error ?? 'tokens')
    if (whole.tokens === undefined || parts.tokens === undefined) return
    const at = whole.tokens.findIndex((token, i) => token !== parts.tokens[i])
    expect(
      at < 0 && whole.tokens.length === parts.tokens.length,
      `the parts have other tokens, from token ${at < 0 ? Math.min(whole.tokens.length, parts.tokens.length) : at} on`,
    )
    const back = model.detokenize(whole.tokens, true)
    // llama.cpp leaves out spaces before punctuation for some, as its vocabularies' makers do.
    if (vocabulary.whole && !/ [?!.,']/.test(text))
      expect(back === Buffer.from(text).toString(), `it comes back as ${JSON.stringify(back)}`)
  },
}

export default texts

function attempted(
  call: () => Int32Array,
): { tokens: Int32Array; error?: undefined } | { tokens?: undefined; error: string } {
  try {
    return { tokens: call() }
  } catch (thrown) {
    const error = fromNative(thrown)
    if (!StreamingLLMError.isInstance(error)) throw thrown
    return { error: error.code }
  }
}

function randomText(random: SeededRandom): string {
  const length = random.integer(random.integer(10) === 0 ? maxLength : 300)
  let text = ''
  while (text.length < length) {
    const piece = random.integer(12) === 0 ? randomCharacters(random) : textClasses[random.integer(textClasses.length)]!
    text += piece.repeat(random.integer(20) === 0 ? 1 + random.integer(300) : 1 + random.integer(3))
    // Most places where a text can be cut are next to words.
    if (random.integer(3) === 0) text += [' and', ' the', '\nThe', 'so', ' on'][random.integer(5)]
  }
  return text
}

/** Any code unit, lone surrogates included. */
function randomCharacters(random: SeededRandom): string {
  return Array.from({ length: 1 + random.integer(4) }, () =>
    String.fromCharCode(random.integer(random.integer(2) === 0 ? 0x1_0000 : 0x100)),
  ).join('')
}
