import type { GgufWriter } from './gguf-writer.js'

/**
 * Real, if tiny, vocabularies that llama.cpp tokenizes with:
 * - `spm`: SentencePiece with all 256 byte tokens, so that every text has tokens;
 * - `bpe`: byte-level BPE as in GPT-2 and Qwen, without a beginning-of-sequence token;
 * - `fim`: as `bpe`, with the tokens of Qwen's coders for filling in the middle;
 * - `wordpiece`: BERT's;
 * - `incomplete`: SentencePiece without byte tokens, for which llama.cpp's tokenizer throws std::out_of_range
 *   at a character that is no token, e.g. a line feed;
 * - `unigram`: T5's, `rwkv`: RWKV's longest match, `plamo2`: PLaMo's; all with the texts of `spm`.
 */
export type VocabularyKind = 'spm' | 'bpe' | 'fim' | 'wordpiece' | 'incomplete' | 'unigram' | 'rwkv' | 'plamo2'

export interface VocabularyOptions {
  /** Of byte-level BPE, by llama.cpp's name (`tokenizer.ggml.pre`); 'qwen2' unless given. */
  preTokenizer?: string
  /** Texts that become these tokens in any text; none unless given. Not for `wordpiece`. */
  userDefined?: readonly string[]
  /** More pieces, each of two that are tokens; none unless given. Not for `wordpiece`. */
  morePieces?: readonly (readonly [string, string])[]
  /** A space is put before a text (`tokenizer.ggml.add_space_prefix`); false unless given. Of `spm`. */
  spacePrefix?: boolean
}

export interface Vocabulary {
  kind: VocabularyKind
  tokens: string[]
  types: number[]
  /** Ids that a random model is to produce hardly ever: bytes and control tokens. */
  rare: Set<number>
  /** Ids that end a reply. */
  ends: Set<number>
  write(writer: GgufWriter): void
}

const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** U+2581, which SentencePiece writes for a space. */
const space = '\u2581'

const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))

// Every piece is made of two that are tokens already, as merging goes pair by pair; the earlier, the sooner merged.
const pieces: readonly (readonly [string, string])[] = [
  [' ', 't'],
  ['h', 'e'],
  [' ', 'a'],
  ['i', 'n'],
  ['r', 'e'],
  ['o', 'n'],
  [' t', 'he'],
  ['e', 'r'],
  ['a', 't'],
  [' ', 's'],
  ['n', 'd'],
  ['e', 'n'],
  [' ', 'w'],
  ['o', 'r'],
  ['o', 'u'],
  ['e', 's'],
  ['i', 's'],
  [' ', 'o'],
  [' ', 'c'],
  ['i', 't'],
  ['in', 'g'],
  ['a', 'n'],
  [' ', 'b'],
  [' ', 'f'],
  [' ', 'p'],
  ['e', 'd'],
  ['a', 'l'],
  ['a', 'r'],
  ['l', 'l'],
  [' a', 'nd'],
  [' ', 'in'],
  [' o', 'f'],
  [' t', 'o'],
  ['i', 'on'],
  [' ', 'm'],
  [' ', 'd'],
  ['l', 'e'],
  ['o', 'm'],
  ['u', 's'],
  ['s', 't'],
  [' ', 'h'],
  ['i', 'c'],
  ['e', 'l'],
  ['l', 'y'],
  ['r', 'o'],
  ['v', 'e'],
  ['c', 'h'],
  [' w', 'or'],
  ['l', 'd'],
  [' wor', 'ld'],
  ['H', 'e'],
  ['He', 'll'],
  ['Hell', 'o'],
  ['u', 's'],
  ['us', 'er'],
  ['s', 's'],
  ['a', 'ss'],
  ['is', 't'],
  ['ist', 'an'],
  ['istan', 't'],
  ['ass', 'istant'],
  ['y', 's'],
  ['t', 'e'],
  ['te', 'm'],
  ['s', 'ys'],
  ['sys', 'tem'],
  [' y', 'ou'],
  [' ', 'y'],
  [' ', 'is'],
  [' ', 're'],
  ['.', ' '],
  [',', ' '],
  ['S', 't'],
  ['e', 'p'],
  ['St', 'op'],
  ['o', 'p'],
  [' ', ' '],
]

const foreign = ['\u00e9', '\u00fc', '\u2014', '\u2019', '\u4f60', '\u597d', '\u{1f642}']

/** Builds the vocabulary of that kind; the same every time. */
export function vocabularyOf(kind: VocabularyKind, options: VocabularyOptions = {}): Vocabulary {
  switch (kind) {
    case 'spm':
      return sentencePiece(true, options)
    case 'incomplete':
      return sentencePiece(false, options)
    case 'bpe':
      return bytePair([], options)
    case 'fim':
      return bytePair(['<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>'], options)
    case 'wordpiece':
      return wordPiece()
    case 'unigram':
      return sentencePiece(true, options, 't5')
    case 'rwkv':
      return longestMatch(options)
    case 'plamo2':
      return sentencePiece(true, options, 'plamo2')
  }
}

function collect() {
  const tokens: string[] = []
  const types: number[] = []
  const seen = new Set<string>()
  return {
    tokens,
    types,
    add(text: string, type: keyof typeof tokenTypes = 'normal') {
      // llama.cpp aborts the process over a token that occurs twice
      if (seen.has(text)) return
      seen.add(text)
      tokens.push(text)
      types.push(tokenTypes[type])
    },
    id: (text: string) => tokens.indexOf(text),
    idsOf: (type: keyof typeof tokenTypes) => tokens.flatMap((_, id) => (types[id] === tokenTypes[type] ? [id] : [])),
  }
}

function sentencePiece(
  complete: boolean,
  { userDefined = [], morePieces = [], spacePrefix = false }: VocabularyOptions,
  model: 'llama' | 't5' | 'plamo2' = 'llama',
): Vocabulary {
  const list = collect()
  list.add('<unk>', 'unknown')
  list.add('<s>', 'control')
  list.add('</s>', 'control')
  if (complete) {
    for (let byte = 0; byte < 256; byte++) list.add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, 'byte')
  }
  list.add('<|im_start|>', 'control')
  list.add('<|im_end|>', 'control')
  const merged = [...pieces, ...morePieces].map(([left, right]) =>
    (left + right).replaceAll(' ', model === 'plamo2' ? ' ' : space),
  )
  for (const text of merged) list.add(text)
  list.add(model === 'plamo2' ? ' ' : space)
  for (const text of printable) list.add(text)
  if (complete) for (const text of foreign) list.add(text)
  for (const text of userDefined) list.add(text, 'userDefined')
  const ends = new Set([list.id('</s>'), list.id('<|im_end|>')])
  return {
    kind: model === 't5' ? 'unigram' : model === 'plamo2' ? 'plamo2' : complete ? 'spm' : 'incomplete',
    tokens: list.tokens,
    types: list.types,
    rare: new Set(
      [...list.idsOf('byte'), ...list.idsOf('control'), ...list.idsOf('unknown')].filter(id => !ends.has(id)),
    ),
    ends,
    write(writer) {
      writer.set('tokenizer.ggml.model', 'string', model)
      writeTokens(writer, list.tokens, list.types)
      // the merge with the highest score goes first
      writer.setArray(
        'tokenizer.ggml.scores',
        'float32',
        list.types.map((type, id) => (type === tokenTypes.normal ? -id : 0)),
      )
      writer.set('tokenizer.ggml.bos_token_id', 'uint32', list.id('<s>'))
      writer.set('tokenizer.ggml.eos_token_id', 'uint32', list.id('</s>'))
      writer.set('tokenizer.ggml.eot_token_id', 'uint32', list.id('<|im_end|>'))
      writer.set('tokenizer.ggml.unknown_token_id', 'uint32', 0)
      writer.set('tokenizer.ggml.add_bos_token', 'bool', true)
      writer.set('tokenizer.ggml.add_eos_token', 'bool', false)
      writer.set('tokenizer.ggml.add_space_prefix', 'bool', spacePrefix)
    },
  }
}

/** GPT-2's alphabet: each byte as one printable character. */
function byteCharacters(): string[] {
  const plain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : next++))
}

function bytePair(
  more: readonly string[],
  { preTokenizer = 'qwen2', userDefined = [], morePieces = [] }: VocabularyOptions,
): Vocabulary {
  const alphabet = byteCharacters()
  const encode = (text: string) => Array.from(Buffer.from(text, 'utf8'), byte => alphabet[byte]).join('')
  const list = collect()
  for (const character of alphabet) list.add(character)
  const merges: string[] = []
  for (const [left, right] of [...pieces, ...morePieces]) {
    list.add(encode(left + right))
    merges.push(`${encode(left)} ${encode(right)}`)
  }
  for (const text of ['<|endoftext|>', '<|im_start|>', '<|im_end|>', ...more]) list.add(text, 'control')
  for (const text of userDefined) list.add(text, 'userDefined')
  const ends = new Set([list.id('<|endoftext|>'), list.id('<|im_end|>')])
  const bytes = alphabet.flatMap((_, byte) => ((byte < 32 && byte !== 10) || byte > 126 ? [byte] : []))
  return {
    kind: more.length > 0 ? 'fim' : 'bpe',
    tokens: list.tokens,
    types: list.types,
    rare: new Set([...bytes, list.id('<|im_start|>'), ...more.map(list.id)]),
    ends,
    write(writer) {
      writer.set('tokenizer.ggml.model', 'string', 'gpt2')
      writer.set('tokenizer.ggml.pre', 'string', preTokenizer)
      writeTokens(writer, list.tokens, list.types)
      writer.setArray('tokenizer.ggml.merges', 'string', [...new Set(merges)])
      writer.set('tokenizer.ggml.eos_token_id', 'uint32', list.id('<|im_end|>'))
      // llama.cpp would look for one by its text, and which of several it finds is not settled
      writer.set('tokenizer.ggml.eot_token_id', 'uint32', list.id('<|im_end|>'))
      writer.set('tokenizer.ggml.bos_token_id', 'uint32', list.id('<|endoftext|>'))
      writer.set('tokenizer.ggml.padding_token_id', 'uint32', list.id('<|endoftext|>'))
      writer.set('tokenizer.ggml.add_bos_token', 'bool', false)
    },
  }
}

/** Bytes are escaped in the file as RWKV's are; which texts end a reply llama.cpp is told. */
function longestMatch({ userDefined = [], morePieces = [] }: VocabularyOptions): Vocabulary {
  const list = collect()
  list.add('<|rwkv_tokenizer_end_of_text|>', 'control')
  for (let byte = 0; byte < 256; byte++) {
    const plain = byte > 32 && byte < 127 && byte !== 92
    list.add(plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`)
  }
  for (const [left, right] of [...pieces, ...morePieces]) list.add(left + right)
  for (const text of userDefined) list.add(text, 'userDefined')
  return {
    kind: 'rwkv',
    tokens: list.tokens,
    types: list.types,
    rare: new Set(list.tokens.flatMap((text, id) => (text.startsWith('\\x') ? [id] : []))),
    ends: new Set([0]),
    write(writer) {
      writer.set('tokenizer.ggml.model', 'string', 'rwkv')
      writeTokens(writer, list.tokens, list.types)
      writer.set('tokenizer.ggml.eos_token_id', 'uint32', 0)
    },
  }
}

function wordPiece(): Vocabulary {
  const list = collect()
  for (const text of ['[PAD]', '[CLS]', '[SEP]', '[MASK]']) list.add(text, 'control')
  list.add('[UNK]', 'unknown')
  // llama.cpp marks the beginning of a word, where BERT marks its continuation
  for (const text of printable) {
    list.add(space + text)
    list.add(text)
  }
  return {
    kind: 'wordpiece',
    tokens: list.tokens,
    types: list.types,
    rare: new Set(),
    ends: new Set(),
    write(writer) {
      writer.set('tokenizer.ggml.model', 'string', 'bert')
      writer.set('tokenizer.ggml.token_type_count', 'uint32', 2)
      writeTokens(writer, list.tokens, list.types)
      writer.set('tokenizer.ggml.padding_token_id', 'uint32', list.id('[PAD]'))
      writer.set('tokenizer.ggml.unknown_token_id', 'uint32', list.id('[UNK]'))
      writer.set('tokenizer.ggml.bos_token_id', 'uint32', list.id('[CLS]'))
      writer.set('tokenizer.ggml.seperator_token_id', 'uint32', list.id('[SEP]'))
      writer.set('tokenizer.ggml.mask_token_id', 'uint32', list.id('[MASK]'))
    },
  }
}

function writeTokens(writer: GgufWriter, tokens: string[], types: number[]): void {
  writer.setArray('tokenizer.ggml.tokens', 'string', tokens)
  writer.setArray('tokenizer.ggml.token_type', 'int32', types)
}
