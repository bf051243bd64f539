import { GgufWriter } from '../../test/tools/gguf-writer.js'
import { SeededRandom } from '../../test/tools/tiny-random.js'

/** The sizes of a llama model with random weights in f16. */
export interface RandomModelShape {
  layers: number
  width: number
  feedForward: number
  vocabulary: number
  /** The output matrix is that of the input embeddings. */
  tied: boolean
}

const headWidth = 64
const contextLength = 8_192
/** Tokens before the words: unknown, beginning, end, 256 bytes, and what words are merged from. */
const firstWord = 259 + 12
const bosToken = 1

/**
 * The bytes of a llama model that knows nothing, piece by piece: what a token costs depends on sizes, not on weights.
 * Its tokens are words with a space before them, " w0", " w1" and so on, so that each one is a text event of its own,
 * and the logit of the end of the text is 0 where the likeliest token's is far above, so that greedy text never ends.
 */
export function* randomModel({ layers, width, feedForward, vocabulary, tied }: RandomModelShape): Generator<Buffer> {
  const random = new SeededRandom(1)
  const writer = new GgufWriter('llama')
  writer.set('general.type', 'string', 'model')
  writer.set('general.name', 'string', `random weights, ${layers} layers of ${width}`)
  writer.set('general.file_type', 'uint32', 1) // mostly f16
  for (const [key, value] of Object.entries({
    context_length: contextLength,
    embedding_length: width,
    block_count: layers,
    feed_forward_length: feedForward,
    vocab_size: vocabulary,
    'attention.head_count': width / headWidth,
    'attention.head_count_kv': width / headWidth,
    'rope.dimension_count': headWidth,
  }))
    writer.set(`llama.${key}`, 'uint32', value)
  writer.set('llama.attention.layer_norm_rms_epsilon', 'float32', 1e-5)
  writer.set('llama.rope.freq_base', 'float32', 10_000)
  writeVocabulary(writer, vocabulary)

  // Uniform, with the standard deviation of `gain` after a sum over the inputs.
  const values = (size: number, inputs: number, gain: number) => {
    const max = gain * Math.sqrt(3 / inputs)
    return Float32Array.from({ length: size }, () => (2 * random.uniform() - 1) * max)
  }
  const matrix = (name: string, inputs: number, outputs: number, gain = 1, silent = 0) => {
    writer.tensor(
      name,
      [inputs, outputs],
      {
        length: inputs * outputs,
        make: () => values(inputs * outputs, inputs, gain).fill(0, 0, silent * inputs),
      },
      'f16',
    )
  }
  const ones = (name: string) => writer.tensor(name, [width], new Float32Array(width).fill(1))
  // Rows of tokens that are no words are 0: as outputs they are never the likeliest.
  matrix('token_embd.weight', width, vocabulary, 2, firstWord)
  if (!tied) matrix('output.weight', width, vocabulary, 2, firstWord)
  ones('output_norm.weight')
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}.weight`
    ones(name('attn_norm'))
    matrix(name('attn_q'), width, width)
    matrix(name('attn_k'), width, width)
    matrix(name('attn_v'), width, width)
    matrix(name('attn_output'), width, width)
    ones(name('ffn_norm'))
    matrix(name('ffn_gate'), width, feedForward)
    matrix(name('ffn_up'), width, feedForward)
    matrix(name('ffn_down'), feedForward, width)
  }
  yield* writer.pieces()
}

/** Tokens that are words of such a model, after its token for a beginning; the same each time. */
export function randomTokens({ vocabulary }: Pick<RandomModelShape, 'vocabulary'>, count: number): number[] {
  const random = new SeededRandom(2)
  return Array.from({ length: count }, (_, i) =>
    i === 0 ? bosToken : firstWord + random.integer(vocabulary - firstWord),
  )
}

/** SentencePiece's kind: a word is merged from left to right, and each of its beginnings is a token. */
function writeVocabulary(writer: GgufWriter, size: number): void {
  const space = '\u2581'
  const tokens = ['<unk>', '<s>', '</s>']
  const types = [2, 3, 3]
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
    types.push(6)
  }
  tokens.push(space, `${space}w`, ...'0123456789')
  for (let word = 0; tokens.length < size; word++) tokens.push(`${space}w${word}`)
  while (types.length < size) types.push(1)
  writer.set('tokenizer.ggml.model', 'string', 'llama')
  writer.setArray('tokenizer.ggml.tokens', 'string', tokens)
  writer.setArray('tokenizer.ggml.token_type', 'int32', types)
  writer.setArray(
    'tokenizer.ggml.scores',
    'float32',
    tokens.map((_, id) => -id),
  )
  writer.set('tokenizer.ggml.unknown_token_id', 'uint32', 0)
  writer.set('tokenizer.ggml.bos_token_id', 'uint32', bosToken)
  writer.set('tokenizer.ggml.eos_token_id', 'uint32', 2)
  writer.set('tokenizer.ggml.add_bos_token', 'bool', true)
  writer.set('tokenizer.ggml.add_eos_token', 'bool', false)
  writer.set('tokenizer.ggml.add_space_prefix', 'bool', false)
}
