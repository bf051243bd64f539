import { join } from 'node:path'
import { afterName, failureOf, ModelDraft, temporaryDirectory } from './model-draft.js'

const path = join(temporaryDirectory(), 'model.gguf')

async function expectMalformed(bytes: Buffer, reason: string) {
  const failure = await failureOf(path, bytes)
  expect(failure.message).toContain(reason)
  expect(failure.code).toBe('GGUF_MALFORMED')
}

describe('the structure', () => {
  // each patch is to the bytes of a sound file
  const second = 'output_norm.weight'
  test.each<[string, string, (bytes: Buffer) => void]>([
    ['version 1', 'it is of GGUF version 1', bytes => bytes.writeUInt32LE(1, 4)],
    ['a version of the future', 'it is of GGUF version 4', bytes => bytes.writeUInt32LE(4, 4)],
    [
      'an absurd number of tensors',
      'claims to hold 1099511627776 tensors',
      bytes => bytes.writeBigUInt64LE(1n << 40n, 8),
    ],
    [
      'an absurd number of entries',
      'claims to hold 18446744073709552000 metadata entries',
      bytes => bytes.writeBigUInt64LE((1n << 64n) - 1n, 16),
    ],
    [
      'a key that is too long',
      'the key of metadata entry 0 claims a length of 70000 bytes',
      bytes => bytes.writeBigUInt64LE(70_000n, 24),
    ],
    [
      'a string with an absurd length',
      '"general.architecture" claims a length of 1152921504606847000 bytes',
      bytes => bytes.writeBigUInt64LE(1n << 60n, 56),
    ],
    ['an empty key', 'has an empty key', bytes => bytes.writeBigUInt64LE(0n, 24)],
    [
      'an unknown value type',
      '"general.architecture" has the unknown value type 13',
      bytes => bytes.writeUInt32LE(13, afterName(bytes, 'general.architecture')),
    ],
    [
      'an array of arrays',
      '"tokenizer.ggml.tokens" is an array of arrays',
      bytes => bytes.writeUInt32LE(9, afterName(bytes, 'tokenizer.ggml.tokens') + 4),
    ],
    [
      'an absurd array',
      '"tokenizer.ggml.scores" claims to have 1099511627776 elements',
      bytes => bytes.writeBigUInt64LE(1n << 40n, afterName(bytes, 'tokenizer.ggml.scores') + 8),
    ],
    [
      'a token with an absurd length',
      'string 0 of "tokenizer.ggml.tokens" claims a length',
      bytes => bytes.writeBigUInt64LE(1n << 50n, afterName(bytes, 'tokenizer.ggml.tokens') + 16),
    ],
    [
      'a tensor name that is too long',
      'the name of tensor 1 claims a length of 64 bytes',
      bytes => bytes.writeBigUInt64LE(64n, bytes.indexOf(second) - 8),
    ],
    [
      'five dimensions',
      `tensor "${second}" claims to have 5 dimensions`,
      bytes => bytes.writeUInt32LE(5, afterName(bytes, second)),
    ],
    [
      'a size beyond all numbers',
      `tensor "${second}" has the impossible shape`,
      bytes => bytes.writeBigUInt64LE(1n << 62n, afterName(bytes, second) + 4),
    ],
    [
      'a tensor type that was removed',
      `tensor "${second}" has the unknown type 4`,
      bytes => bytes.writeUInt32LE(4, afterName(bytes, second) + 12),
    ],
    [
      'a tensor type of the future',
      `tensor "${second}" has the unknown type 43`,
      bytes => bytes.writeUInt32LE(43, afterName(bytes, second) + 12),
    ],
    [
      'rows that are not whole blocks',
      'of type Q8_0 has rows of 3 elements, which is no multiple of 32',
      bytes => bytes.writeUInt32LE(8, afterName(bytes, second) + 12),
    ],
    [
      'a misaligned tensor',
      'begin at 513, which is no multiple of 32; 512 was expected',
      bytes => bytes.writeBigUInt64LE(513n, afterName(bytes, second) + 16),
    ],
    [
      'overlapping tensors',
      'begin at 480, within the tensor before it; 512 was expected',
      bytes => bytes.writeBigUInt64LE(480n, afterName(bytes, second) + 16),
    ],
    [
      'a gap between tensors',
      'begin at 544, which leaves a gap; 512 was expected',
      bytes => bytes.writeBigUInt64LE(544n, afterName(bytes, second) + 16),
    ],
  ])('%s', async (_, reason, patch) => {
    const bytes = new ModelDraft().toBuffer()
    patch(bytes)
    await expectMalformed(bytes, reason)
  })

  test('a key twice', async () => {
    const draft = new ModelDraft()
    draft.entries.push({ key: 'llama.block_count', type: 'uint32', value: 2 })
    await expectMalformed(draft.toBuffer(), 'the metadata key "llama.block_count" occurs twice')
  })

  test('a tensor twice', async () => {
    const tensor = { name: 'a', shape: [32] }
    await expectMalformed(new ModelDraft().withTensors(tensor, tensor).toBuffer(), 'there are two tensors named "a"')
  })

  test.each([0, 24, 131_072])('an alignment of %i', async alignment => {
    await expectMalformed(
      new ModelDraft().with('general.alignment', 'uint32', alignment).toBuffer(),
      `"general.alignment" is ${alignment}`,
    )
  })
})

describe('the figures', () => {
  test.each<[string, (draft: ModelDraft) => ModelDraft]>([
    ['it does not name its architecture', draft => draft.without('general.architecture')],
    ['it lacks "llama.context_length"', draft => draft.without('llama.context_length')],
    ['it lacks "llama.embedding_length"', draft => draft.without('llama.embedding_length')],
    ['it lacks "llama.block_count"', draft => draft.without('llama.block_count')],
    ['"llama.context_length" is 0', draft => draft.with('llama.context_length', 'uint32', 0)],
    ['"llama.context_length" is 4000000000', draft => draft.with('llama.context_length', 'uint32', 4e9)],
    ['"llama.embedding_length" is 0', draft => draft.with('llama.embedding_length', 'uint32', 0)],
    ['"llama.embedding_length" is 2000000', draft => draft.with('llama.embedding_length', 'uint32', 2_000_000)],
    ['"llama.block_count" is 0', draft => draft.with('llama.block_count', 'uint32', 0)],
    // llama.cpp aborts the process here
    ['"llama.block_count" is 513', draft => draft.with('llama.block_count', 'uint32', 513)],
    ['"llama.block_count" is the string "2"', draft => draft.with('llama.block_count', 'string', '2')],
    ['"llama.block_count" is 2 (uint64); a uint32 is needed', draft => draft.with('llama.block_count', 'uint64', 2)],
    ['"llama.attention.head_count" is missing', draft => draft.without('llama.attention.head_count')],
    ['"llama.attention.head_count" is 0', draft => draft.with('llama.attention.head_count', 'uint32', 0)],
    ['"llama.attention.head_count" is 33', draft => draft.with('llama.attention.head_count', 'uint32', 33)],
    [
      'an array of 3 int32 values; an array of 2 integers is needed',
      draft => draft.with('llama.attention.head_count_kv', 'int32', [1, 1, 1]),
    ],
    ['no layer can have less than 0', draft => draft.with('llama.attention.head_count_kv', 'int32', [1, -1])],
    ['"llama.expert_count" is 1025', draft => draft.with('llama.expert_count', 'uint32', 1025)],
    [
      '"llama.expert_used_count" is missing; the model has 8 experts',
      draft => draft.with('llama.expert_count', 'uint32', 8),
    ],
    [
      '"llama.expert_used_count" is 2 (uint32); the model has 0 experts',
      draft => draft.with('llama.expert_used_count', 'uint32', 2),
    ],
    ['"llama.nextn_predict_layers" is 3', draft => draft.with('llama.nextn_predict_layers', 'uint32', 3)],
    [
      '"llama.rope.scaling.type" is the string "cubic"',
      draft => draft.with('llama.rope.scaling.type', 'string', 'cubic'),
    ],
    [
      '"llama.attention.layer_norm_rms_epsilon" is -1',
      draft => draft.with('llama.attention.layer_norm_rms_epsilon', 'float32', -1),
    ],
  ])('%s', async (reason, edit) => {
    await expectMalformed(edit(new ModelDraft()).toBuffer(), reason)
  })
})

describe('the vocabulary', () => {
  test.each<[string, (draft: ModelDraft) => ModelDraft]>([
    ['it does not name its kind of vocabulary', draft => draft.without('tokenizer.ggml.model')],
    ['it has no vocabulary', draft => draft.without('tokenizer.ggml.tokens')],
    [
      '"tokenizer.ggml.tokens" is an array of 0 string values',
      draft => draft.with('tokenizer.ggml.tokens', 'string', []),
    ],
    [
      '"tokenizer.ggml.tokens" is an array of 1 int32 values',
      draft => draft.with('tokenizer.ggml.tokens', 'int32', [1]),
    ],
    [
      '"tokenizer.ggml.scores" has 3 values for a vocabulary of 4 tokens',
      draft => draft.with('tokenizer.ggml.scores', 'float32', [0, 0, 0]),
    ],
    [
      '"tokenizer.ggml.token_type" has 1 values for a vocabulary of 4 tokens',
      draft => draft.with('tokenizer.ggml.token_type', 'int32', [1]),
    ],
    [
      '"tokenizer.ggml.token_type" is an array of 4 uint8 values',
      draft => draft.with('tokenizer.ggml.token_type', 'uint8', [1, 1, 1, 1]),
    ],
    [
      '"tokenizer.ggml.eos_token_id" is 4, and the vocabulary has 4 tokens',
      draft => draft.with('tokenizer.ggml.eos_token_id', 'uint32', 4),
    ],
    // llama.cpp aborts the process at the first space
    ['it splits text by "whitespace"', draft => draft.with('tokenizer.ggml.pre', 'string', 'whitespace')],
    // llama.cpp aborts the process over these, the second since it reads up to a NUL
    [
      'its vocabulary has the token "\u2581a" twice',
      draft => draft.with('tokenizer.ggml.tokens', 'string', ['<unk>', '\u2581a', '</s>', '\u2581a']),
    ],
    [
      'its vocabulary has the token "a" twice',
      draft => draft.with('tokenizer.ggml.tokens', 'string', ['<unk>', 'a', '</s>', 'a\0b']),
    ],
  ])('%s', async (reason, edit) => {
    await expectMalformed(edit(new ModelDraft()).toBuffer(), reason)
  })
})
