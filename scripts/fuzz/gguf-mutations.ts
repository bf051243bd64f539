import { arrayType, type GgufFile, type RawEntry, writeGguf } from '../../test/tools/gguf-file.js'
import { valueTypes } from '../../test/tools/gguf-writer.js'
import type { SeededRandom } from '../../test/tools/tiny-random.js'
import {
  architectures,
  arrayKeys,
  flagKeys,
  preTokenizers,
  realKeys,
  textKeys,
  tokenIdKeys,
  vocabularyFlagKeys,
  vocabularyModels,
  wholeKeys,
} from './gguf-keys.js'

type Scalar = number | bigint | string

/** Changes one thing of the file and returns what, in words. */
type Mutation = (file: GgufFile, random: SeededRandom) => string

const { uint32, int32, float32, bool, string } = valueTypes

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.integer(from.length)]!
}

const wholes = [
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  12,
  15,
  16,
  17,
  24,
  31,
  32,
  33,
  48,
  63,
  64,
  65,
  96,
  127,
  128,
  129,
  255,
  256,
  440,
  511,
  512,
  513,
  1023,
  1024,
  1025,
  4096,
  65_535,
  65_536,
  2 ** 20,
  2 ** 24,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 32 - 1,
]
const reals = [
  0,
  -0,
  1,
  -1,
  2,
  0.5,
  1e-5,
  1e-12,
  1e-38,
  1e-45,
  8,
  16,
  50,
  1e3,
  1e4,
  1e6,
  3e38,
  -3e38,
  Number.NaN,
  Infinity,
  -Infinity,
  -1e4,
  -1e-5,
]

function wholeNear(random: SeededRandom, value: number): number {
  return Math.max(
    0,
    Math.trunc(pick(random, [value + 1, value - 1, value * 2, value / 2, value * 3, value / 4, value + 8])),
  )
}

function whole(random: SeededRandom, near?: number): number {
  return near !== undefined && Number.isSafeInteger(near) && random.integer(2) === 0
    ? wholeNear(random, near)
    : pick(random, wholes)
}

function architectureOf(file: GgufFile): string {
  const entry = file.entries.find(({ key }) => key === 'general.architecture')
  return entry !== undefined && 'value' in entry ? String(entry.value) : 'llama'
}

function find(file: GgufFile, key: string): RawEntry | undefined {
  return file.entries.find(entry => entry.key === key)
}

function set(file: GgufFile, entry: RawEntry): string {
  const at = file.entries.findIndex(({ key }) => key === entry.key)
  if (at < 0) file.entries.push(entry)
  else file.entries[at] = entry
  return `${entry.key} = ${
    'value' in entry
      ? String(entry.value).slice(0, 60)
      : `[${entry.values
          .slice(0, 12)
          .map(value => String(value).slice(0, 20))
          .join(', ')}${entry.values.length > 12 ? `, .. ${entry.values.length}` : ''}]`
  } (${entry.type === arrayType && 'elementType' in entry ? `array of ${entry.elementType}` : entry.type})`
}

function layersOf(file: GgufFile): number {
  const entry = find(file, `${architectureOf(file)}.block_count`)
  return entry !== undefined && 'value' in entry ? Math.min(64, Number(entry.value)) : 2
}

/** A figure of the architecture: one that the file has, or any that llama.cpp reads. */
const hparam: Mutation = (file, random) => {
  const architecture = architectureOf(file)
  const has = file.entries.map(({ key }) => key).filter(key => key.startsWith(`${architecture}.`))
  const key =
    has.length > 0 && random.integer(3) > 0
      ? pick(random, has)
      : `${architecture}.${pick(random, pick(random, [wholeKeys, wholeKeys, wholeKeys, realKeys, flagKeys, textKeys, arrayKeys]))}`
  return value(file, random, key)
}

function value(file: GgufFile, random: SeededRandom, key: string): string {
  const old = find(file, key)
  const name = key.slice(key.indexOf('.') + 1)
  if (random.integer(24) === 0) return otherType(file, random, key)
  if (
    old?.type === arrayType ||
    (old === undefined && arrayKeys.includes(name)) ||
    (wholeKeys.includes(name) && random.integer(8) === 0)
  )
    return arrayOf(file, random, key)
  if (old?.type === float32 || realKeys.includes(name))
    return set(file, { key, type: float32, value: pick(random, reals) })
  if (old?.type === bool || flagKeys.includes(name)) return set(file, { key, type: bool, value: random.integer(2) })
  if (old?.type === string || textKeys.includes(name)) {
    return set(file, {
      key,
      type: string,
      value: pick(random, [
        '',
        'none',
        'linear',
        'yarn',
        'longrope',
        'gelu',
        'silu',
        'relu',
        'x'.repeat(5000),
        '\u0000',
        'A%s%n',
      ]),
    })
  }
  return set(file, {
    key,
    type: uint32,
    value: whole(random, old !== undefined && 'value' in old ? Number(old.value) : undefined),
  })
}

function otherType(file: GgufFile, random: SeededRandom, key: string): string {
  const type = pick(
    random,
    Object.values(valueTypes).filter(each => each !== arrayType),
  )
  const number = pick(random, [0, 1, 2, 4, 128, 255])
  return set(file, { key, type, value: type === string ? String(number) : number })
}

function arrayOf(file: GgufFile, random: SeededRandom, key: string): string {
  const old = find(file, key)
  const before: readonly Scalar[] = old === undefined ? [] : 'values' in old ? old.values : [old.value]
  const layers = layersOf(file)
  const length = pick(random, [
    before.length,
    before.length,
    layers,
    layers,
    0,
    1,
    2,
    3,
    4,
    5,
    layers + 1,
    Math.max(0, layers - 1),
    512,
    513,
    2000,
  ])
  const fresh = random.integer(3) === 0
  const values = Array.from({ length }, (_, index): Scalar => {
    const known = before[index] ?? before[0]
    if (!fresh && random.integer(3) > 0 && known !== undefined) return known
    return pick(random, [whole(random, Number(known ?? 4)), random.integer(5), -1])
  })
  const elementType =
    old !== undefined && 'elementType' in old && random.integer(8) > 0
      ? old.elementType
      : pick(random, [
          uint32,
          int32,
          int32,
          uint32,
          float32,
          bool,
          valueTypes.uint64,
          valueTypes.int64,
          valueTypes.uint8,
          string,
        ])
  return set(file, { key, type: arrayType, elementType, values })
}

const missing: Mutation = (file, random) => {
  const at = random.integer(file.entries.length)
  const [gone] = file.entries.splice(at, 1)
  return `without ${gone?.key}`
}

const otherArchitecture: Mutation = (file, random) => {
  const [from, to] = [architectureOf(file), pick(random, architectures)]
  file.entries = file.entries.map(entry =>
    entry.key.startsWith(`${from}.`) ? { ...entry, key: to + entry.key.slice(from.length) } : entry,
  )
  return set(file, { key: 'general.architecture', type: string, value: to })
}

const anyEntry: Mutation = (file, random) => {
  const { key } = pick(random, file.entries)
  return key.startsWith('tokenizer.ggml.tokens') ? tokens(file, random) : value(file, random, key)
}

function vocabularySize(file: GgufFile): number {
  const entry = find(file, 'tokenizer.ggml.tokens')
  return entry !== undefined && 'values' in entry ? entry.values.length : 0
}

const tokenId: Mutation = (file, random) => {
  const size = vocabularySize(file)
  const id = pick(random, [
    0,
    1,
    2,
    size - 1,
    size,
    size + 1,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32 - 2,
    random.integer(Math.max(1, size)),
  ])
  return set(file, { key: pick(random, tokenIdKeys), type: random.integer(10) === 0 ? int32 : uint32, value: id })
}

const vocabularyFlag: Mutation = (file, random) =>
  set(file, { key: pick(random, vocabularyFlagKeys), type: bool, value: random.integer(2) })

const vocabularyKind: Mutation = (file, random) =>
  random.integer(2) === 0
    ? set(file, { key: 'tokenizer.ggml.model', type: string, value: pick(random, vocabularyModels) })
    : set(file, { key: 'tokenizer.ggml.pre', type: string, value: pick(random, preTokenizers) })

const oddTexts = [
  '',
  ' ',
  '\u0000',
  'a',
  '\n',
  '<0x00>',
  '<0xZZ>',
  '<0x0A>',
  '<0x',
  '\u2581',
  '\ufffd',
  '\u{1f642}',
  'x'.repeat(70_000),
  "b'\\x00'",
  '"',
  "'a'",
  'a b',
  ' a',
  'a ',
  '\u0120',
  '\u0120\u0120 \u0120',
  '<|fim_prefix|>',
  '</s>',
  '<|im_end|>',
]

const tokens: Mutation = (file, random) => {
  const entry = find(file, 'tokenizer.ggml.tokens')
  if (entry === undefined || !('values' in entry)) return 'no tokens'
  const values = [...entry.values]
  const count = pick(random, [1, 1, 2, 30])
  for (let i = 0; i < count && values.length > 0; i++)
    values[random.integer(values.length)] =
      random.integer(3) === 0 ? `${pick(random, oddTexts)}${random.integer(1000)}` : pick(random, oddTexts)
  const length = pick(random, [
    values.length,
    values.length,
    values.length,
    values.length - 1,
    values.length + 1,
    0,
    1,
    3,
  ])
  while (values.length < length) values.push(`more ${values.length}`)
  return set(file, { ...entry, values: values.slice(0, length) })
}

const tokenKinds: Mutation = (file, random) => {
  const size = vocabularySize(file)
  const key = pick(random, [
    'tokenizer.ggml.token_type',
    'tokenizer.ggml.token_type',
    'tokenizer.ggml.scores',
    'tokenizer.ggml.merges',
    'tokenizer.ggml.suppress_tokens',
    'tokenizer.ggml.precompiled_charsmap',
  ])
  const old = find(file, key)
  const length = pick(random, [size, size, size, size - 1, size + 1, 0, 1, 5])
  const before = old !== undefined && 'values' in old ? old.values : []
  if (key.endsWith('token_type')) {
    const all = pick(random, [undefined, undefined, 0, 1, 2, 3, 4, 5, 6, 7, -1])
    const values = Array.from(
      { length },
      (_, i) =>
        all ??
        (random.integer(10) === 0 ? pick(random, [0, 1, 2, 3, 4, 5, 6, 7, 255, -1, 2 ** 31 - 1]) : (before[i] ?? 1)),
    )
    return set(file, { key, type: arrayType, elementType: int32, values })
  }
  if (key.endsWith('scores'))
    return set(file, {
      key,
      type: arrayType,
      elementType: pick(random, [float32, float32, int32]),
      values: Array.from({ length }, (_, i) =>
        random.integer(10) === 0 ? pick(random, reals.filter(Number.isFinite)) : (before[i] ?? 0),
      ),
    })
  if (key.endsWith('merges')) {
    const odd = ['', ' ', 'a', 'a b c', 'ab', ' b', 'a ', '\u0120 t', 'zzz yyy']
    return set(file, {
      key,
      type: arrayType,
      elementType: string,
      values: Array.from({ length: Math.min(length, 40) }, () => pick(random, odd)),
    })
  }
  if (key.endsWith('charsmap')) {
    const bytes = pick(random, [0, 1, 3, 4, 5, 8, 12, 64])
    return set(file, {
      key,
      type: arrayType,
      elementType: pick(random, [valueTypes.uint8, valueTypes.int8]),
      values: Array.from({ length: bytes }, () => pick(random, [0, 1, 4, 255, random.integer(256)])),
    })
  }
  return set(file, {
    key,
    type: arrayType,
    elementType: pick(random, [int32, uint32]),
    values: Array.from({ length: 5 }, () => pick(random, [0, 1, size - 1, size, -1, 2 ** 31 - 1])),
  })
}

const template: Mutation = (file, random) =>
  set(file, {
    key: 'tokenizer.chat_template',
    type: string,
    value: pick(random, [
      '',
      '{{ messages }}',
      '{{',
      '{% for m in messages %}{{ m.content }}{% endfor %}',
      'x',
      '{{ raise_exception("no") }}',
      '\u0000'.repeat(10),
    ]),
  })

// By tensor type: elements and bytes of a block.
const blocks: readonly [type: number, elements: number, bytes: number][] = [
  [0, 1, 4],
  [1, 1, 2],
  [30, 1, 2],
  [8, 32, 34],
  [2, 32, 18],
  [3, 32, 20],
  [24, 1, 1],
  [26, 1, 4],
  [28, 1, 8],
  [39, 32, 17],
  [20, 32, 18],
  [12, 256, 144],
  [14, 256, 210],
  [9, 32, 36],
]

function bytesOf(type: number, shape: readonly number[]): number | undefined {
  const block = blocks.find(([each]) => each === type)
  const elements = shape.reduce((product, size) => product * size, 1)
  if (block === undefined || elements % block[1] !== 0 || (shape[0] ?? 1) % block[1] !== 0) return undefined
  const length = (elements / block[1]) * block[2]
  return length > 4 * 2 ** 20 ? undefined : length
}

/** The data cut or repeated to a length. */
function fit(data: Buffer, length: number): Buffer {
  if (data.length >= length) return data.subarray(0, length)
  const fitted = Buffer.alloc(length)
  for (let at = 0; at < length && data.length > 0; at += data.length) data.copy(fitted, at)
  return fitted
}

/** A tensor of another shape or type, with data of the right length. */
const tensorForm: Mutation = (file, random) => {
  const tensor = pick(random, file.tensors)
  const shape = [...tensor.shape]
  let { type } = tensor
  const way = random.integer(12)
  if (way < 4) type = pick(random, blocks)[0]
  else if (way < 6) shape.reverse()
  else if (way === 6) shape.push(1)
  else if (way === 7) shape.pop()
  else {
    const at = random.integer(shape.length)
    shape[at] = whole(random, shape[at])
  }
  const length = bytesOf(type, shape)
  if (length === undefined) return 'nothing'
  Object.assign(tensor, { shape, type, data: fit(tensor.data, length) })
  return `${tensor.name}: [${shape.join(', ')}] of type ${type}`
}

/** All weights of one type. */
const allOfType: Mutation = (file, random) => {
  const [type] = pick(random, blocks)
  for (const tensor of file.tensors) {
    const length = tensor.shape.length > 1 ? bytesOf(type, tensor.shape) : undefined
    if (length !== undefined) Object.assign(tensor, { type, data: fit(tensor.data, length) })
  }
  return `matrices of type ${type}`
}

/** A size becomes another one everywhere, in figures and tensors alike, so that the file stays consistent. */
const sizeEverywhere: Mutation = (file, random) => {
  const from = pick(random, pick(random, file.tensors).shape)
  const to = pick(
    random,
    [
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      12,
      15,
      16,
      17,
      20,
      24,
      30,
      31,
      32,
      33,
      40,
      48,
      63,
      64,
      65,
      72,
      80,
      96,
      100,
      from + 1,
      from - 1,
      from * 2,
    ].filter(size => size > 0),
  )
  const factors = random.integer(2) === 0 ? [1] : [1, 2, 3]
  for (const tensor of file.tensors) {
    const shape = tensor.shape.map(size => (factors.includes(size / from) ? (size / from) * to : size))
    const length = bytesOf(tensor.type, shape)
    if (length !== undefined) Object.assign(tensor, { shape, data: fit(tensor.data, length) })
  }
  const architecture = architectureOf(file)
  file.entries = file.entries.map(entry =>
    'value' in entry &&
    entry.type === uint32 &&
    entry.key.startsWith(`${architecture}.`) &&
    Number(entry.value) === from &&
    random.integer(8) > 0
      ? { ...entry, value: to }
      : entry,
  )
  return `${from} everywhere ${to}`
}

const tensorNames: Mutation = (file, random) => {
  const at = random.integer(file.tensors.length)
  const tensor = file.tensors[at]!
  if (random.integer(2) === 0) {
    file.tensors.splice(at, 1)
    return `without ${tensor.name}`
  }
  const others = [
    'output.weight',
    'output.bias',
    'position_embd.weight',
    'token_types.weight',
    'rope_freqs.weight',
    'blk.0.attn_q.bias',
    'blk.0.attn_sinks.weight',
    'blk.0.rope_freqs.weight',
    'blk.1.attn_q_norm.weight',
    'blk.9.attn_q.weight',
    'blk.0.attn_qkv.weight',
    'blk.0.ffn_gate_exps.weight',
    'cls.weight',
    'enc.blk.0.attn_q.weight',
    'x',
    '',
  ]
  const before = tensor.name
  const name = pick(random, others)
  if (random.integer(2) === 0) file.tensors.push({ ...tensor, name })
  else tensor.name = name
  return `${before} as ${name}`
}

const tensorOffset: Mutation = (file, random) => {
  const tensor = pick(random, file.tensors)
  tensor.offset = BigInt(pick(random, [0, 1, 32, 64, 2 ** 31, 2 ** 53]))
  return `${tensor.name} at ${tensor.offset}`
}

const weightValues: Mutation = (file, random) => {
  const tensor = pick(random, file.tensors)
  const data = Buffer.from(tensor.data)
  const fill = pick(random, ['0000c07f', '0000807f', '00000000', 'ffffffff', 'ff7f7f7f', '000080ff'])
  data.fill(Buffer.from(fill, 'hex'))
  tensor.data = data
  return `${tensor.name} filled with ${fill}`
}

const mutations: readonly [weight: number, mutation: Mutation][] = [
  [40, hparam],
  [8, anyEntry],
  [3, missing],
  [4, otherArchitecture],
  [5, tokenId],
  [2, vocabularyFlag],
  [3, vocabularyKind],
  [4, tokens],
  [5, tokenKinds],
  [1, template],
  [6, tensorForm],
  [2, allOfType],
  [10, sizeEverywhere],
  [3, tensorNames],
  [1, tensorOffset],
  [2, weightValues],
]
const weights = mutations.reduce((sum, [weight]) => sum + weight, 0)

function mutation(random: SeededRandom): Mutation {
  let at = random.integer(weights)
  for (const [weight, each] of mutations) {
    at -= weight
    if (at < 0) return each
  }
  return hparam
}

/** A file with one to four things changed, and now and then bytes of it overwritten or its end cut off. */
export function mutated(base: GgufFile, random: SeededRandom): { bytes: Buffer; changes: string[] } {
  const file: GgufFile = {
    entries: [...base.entries],
    tensors: base.tensors.map(tensor => ({ ...tensor, shape: [...tensor.shape] })),
  }
  const changes: string[] = []
  if (random.integer(16) > 0) {
    const count = pick(random, [1, 1, 1, 2, 2, 3, 4])
    for (let i = 0; i < count; i++) changes.push(mutation(random)(file, random))
  }
  let bytes = writeGguf(file)
  if (changes.length === 0) {
    const header = bytes.length - file.tensors.reduce((sum, { data }) => sum + data.length, 0)
    const count = pick(random, [1, 1, 2, 8])
    for (let i = 0; i < count; i++) {
      const at = random.integer(header)
      bytes[at] = pick(random, [0, 255, random.integer(256), bytes[at]! ^ (1 << random.integer(8))])
      changes.push(`byte ${at} = ${bytes[at]}`)
    }
  } else if (random.integer(60) === 0) {
    bytes = bytes.subarray(0, random.integer(bytes.length))
    changes.push(`cut off at ${bytes.length}`)
  }
  return { bytes, changes }
}
