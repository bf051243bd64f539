import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel, type ModelOptions, StreamingLLMError } from '../../lib/index.js'
import { seeded } from '../tools/random.js'
import { loraBytes, mergedBytes, type TinyLora, tinyLora } from '../tools/tiny-loras.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-adapters-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }
let files = 0

function written(bytes: Buffer): string {
  const path = join(folder, `${files++}.gguf`)
  writeFileSync(path, bytes)
  return path
}

/** The model's log-probabilities of a text, part of which has left the window. */
async function scores(path: string, options: ModelOptions = {}): Promise<number[]> {
  await using model = await loadModel(path, { ...exact, ...options })
  const random = seeded(4)
  const tokens = Array.from({ length: 80 }, () => random.below(model.vocabularySize))
  const sequence = model.createSequence({ sinks: 4, window: 40 })
  await sequence.append(tokens.slice(0, 1))
  return [...(await sequence.score(tokens.slice(1)))]
}

const farthest = (a: number[], b: number[]) => Math.max(...a.map((each, i) => Math.abs(each - b[i]!)))

const everything = (layers: number, names: string[]) =>
  Array.from({ length: layers }, (_, layer) => names.map(name => `blk.${layer}.${name}.weight`)).flat()
const attention = ['attn_q', 'attn_k', 'attn_v', 'attn_output']
const feedForward = ['ffn_gate', 'ffn_up', 'ffn_down']

describe.each<[TinyKind, string[]]>([
  ['llama', [...everything(3, [...attention, ...feedForward]), 'output.weight', 'token_embd.weight']],
  ['qwen2', everything(3, attention)],
  ['gemma3', everything(2, [...attention, ...feedForward])],
  ['gptneox', everything(3, ['attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'])],
])('a %s model with an adapter', (kind, tensors) => {
  const path = tinyModel(kind)
  let lora: TinyLora
  let file: string
  let plain: number[]
  beforeAll(async () => {
    lora = await tinyLora(path, tensors)
    file = written(loraBytes(lora))
    plain = await scores(path)
  })

  test.each([1, 0.5, -0.75])('of scale %s: is the model with the change in its weights', async scale => {
    const merged = await scores(written(await mergedBytes(path, [{ lora, scale }])))
    const adapted = await scores(path, { adapters: [{ path: file, scale }] })
    expect(farthest(adapted, merged)).toBeLessThan(3e-3)
    expect(farthest(adapted, plain)).toBeGreaterThan(0.5)
  })

  test('of scale 0: is the model without it', async () => {
    expect(await scores(path, { adapters: [{ path: file, scale: 0 }] })).toEqual(plain)
  })
})

test('two adapters add up, the scale is 1 unless given, and without alpha the scale is all', async () => {
  const path = tinyModel('llama')
  const one = await tinyLora(path, everything(3, attention), { seed: 7, alpha: undefined, rank: 2 })
  const two = await tinyLora(path, everything(3, feedForward), { seed: 8, alpha: 3 })
  const merged = await scores(
    written(
      await mergedBytes(path, [
        { lora: one, scale: 1 },
        { lora: two, scale: 2 },
      ]),
    ),
  )
  const adapted = await scores(path, {
    adapters: [{ path: written(loraBytes(one)) }, { path: written(loraBytes(two)), scale: 2 }],
  })
  expect(farthest(adapted, merged)).toBeLessThan(3e-3)
})

test('it stays when another chat makes the cache larger', async () => {
  const path = tinyModel('llama', { endBias: -20 })
  const lora = await tinyLora(path, everything(3, attention))
  const adapters = [{ path: written(loraBytes(lora)) }]
  const ask = { maxTokens: 20, temperature: 0 } as const
  await using model = await loadModel(path, { ...exact, adapters })
  const chat = model.createChat({ window: 200 })
  const replies = [(await chat.ask('One', ask)).text]
  const other = model.createChat({ window: 500 })
  replies.push((await other.ask('One', ask)).text)
  replies.push((await chat.ask('Two', ask)).text)
  await using merged = await loadModel(written(await mergedBytes(path, [{ lora, scale: 1 }])), exact)
  const truth = merged.createChat({ window: 200 })
  const first = (await truth.ask('One', ask)).text
  expect(replies).toEqual([first, first, (await truth.ask('Two', ask)).text])
})

test('model.info lists them', async () => {
  const path = tinyModel('llama')
  const file = written(loraBytes(await tinyLora(path, everything(1, attention))))
  await using model = await loadModel(path, { ...exact, adapters: [{ path: file, scale: 0.5 }] })
  expect(model.info.adapters).toEqual([
    { path: file, name: 'tiny adapter', scale: 0.5, rank: 4, tensors: 4, sizeBytes: expect.any(Number) },
  ])
  expect(Object.isFrozen(model.info.adapters[0])).toBe(true)
  await using plain = await loadModel(path, exact)
  expect(plain.info.adapters).toEqual([])
})

test('a chat that was saved with another adapter is decoded again, with the same one it is not', async () => {
  const path = tinyModel('llama', { endBias: -20 })
  const adapters = [{ path: written(loraBytes(await tinyLora(path, everything(3, attention)))) }]
  const file = join(folder, 'saved.chat')
  {
    await using model = await loadModel(path, { ...exact, adapters })
    const chat = model.createChat({ window: 200 })
    await chat.ask('One', { maxTokens: 20 })
    await chat.save(file)
    expect((await model.restoreChat(file)).restoredFrom).toEqual({ what: 'cache' })
  }
  const others: ModelOptions[] = [
    {},
    { adapters: [{ ...adapters[0]!, scale: 0.5 }] },
    { adapters: [{ path: written(loraBytes(await tinyLora(path, everything(3, attention), { seed: 9 }))) }] },
  ]
  for (const other of others) {
    await using model = await loadModel(path, { ...exact, ...other, onWarning: () => {} })
    expect((await model.restoreChat(file)).restoredFrom).toMatchObject({ what: 'tokens' })
  }
  await using same = await loadModel(path, { ...exact, adapters: [...adapters, { ...adapters[0]!, scale: 0 }] })
  expect((await same.restoreChat(file)).restoredFrom).toEqual({ what: 'cache' })
})

test('norms in it are left out, and that is told', async () => {
  const path = tinyModel('llama')
  const told: string[] = []
  const file = written(
    loraBytes(await tinyLora(path, everything(1, attention)), {
      more: [{ name: 'blk.0.attn_norm.weight', shape: [128] }],
    }),
  )
  await using model = await loadModel(path, {
    ...exact,
    adapters: [{ path: file }],
    onWarning: message => told.push(message),
  })
  expect(told).toEqual([expect.stringContaining('1 norms')])
  expect(model.info.adapters).toHaveLength(1)
})

test('16-bit matrices, and a trial in another process', async () => {
  const path = tinyModel('llama')
  const lora = await tinyLora(path, everything(3, attention))
  const adapted = await scores(path, {
    probe: true,
    adapters: [{ path: written(loraBytes(lora, { type: 'f16' })) }],
  })
  const merged = await scores(written(await mergedBytes(path, [{ lora, scale: 1 }])))
  expect(farthest(adapted, merged)).toBeLessThan(0.1)
})

describe('refused before llama.cpp sees it:', () => {
  const path = tinyModel('llama')
  let good: TinyLora
  beforeAll(async () => {
    good = await tinyLora(path, ['blk.0.attn_q.weight', 'token_embd.weight'])
  })
  const other = (change: (pair: TinyLora['pairs'][number]) => object, at = 0): TinyLora => ({
    ...good,
    pairs: good.pairs.map((pair, i) => (i === at ? { ...pair, ...change(pair) } : pair)),
  })
  const cases: [string, () => Buffer, string | RegExp][] = [
    [
      'a model',
      () => loraBytes(good, { entries: { 'general.type': ['string', 'model'] } }),
      'is no adapter: its "general.type" is "model"',
    ],
    [
      'a file that does not say what it is',
      () => loraBytes(good, { entries: { 'general.type': undefined } }),
      'is missing',
    ],
    [
      'another kind of adapter',
      () => loraBytes(good, { entries: { 'adapter.type': ['string', 'ia3'] } }),
      'is of the type "ia3"',
    ],
    ['a type that is a number', () => loraBytes(good, { entries: { 'adapter.type': ['uint32', 3] } }), 'only lora'],
    [
      'another architecture',
      () => loraBytes(good, { entries: { 'general.architecture': ['string', 'qwen2'] } }),
      'is for models of the architecture "qwen2"',
    ],
    [
      'a control vector',
      () => loraBytes(good, { entries: { 'general.architecture': ['string', 'controlvector'] } }),
      'is a control vector',
    ],
    [
      'an activated LoRA',
      () => loraBytes(good, { entries: { 'adapter.alora.invocation_tokens': ['uint32', [1, 2]] } }),
      'aLoRA',
    ],
    [
      'an alpha that is a text',
      () => loraBytes(good, { entries: { 'adapter.lora.alpha': ['string', '8'] } }),
      'adapter.lora.alpha',
    ],
    [
      'a part of several',
      () => loraBytes(good, { entries: { 'split.count': ['uint16', 2] } }),
      'split into several files',
    ],
    ['no matrices', () => loraBytes({ ...good, pairs: [] }), 'no pair of matrices'],
    [
      'half a pair',
      () => loraBytes({ ...good, pairs: [] }, { more: [{ name: 'blk.0.attn_q.weight.lora_a', shape: [128, 4] }] }),
      'only one matrix',
    ],
    [
      'a tensor of something else',
      () => loraBytes(good, { more: [{ name: 'blk.0.attn_q.bias', shape: [128] }] }),
      'no part of a LoRA',
    ],
    [
      'a tensor that the model does not have',
      () => loraBytes(other(() => ({ tensor: 'blk.7.attn_q.weight' }))),
      'which .* does not have',
    ],
    [
      'another width',
      () => loraBytes(other(pair => ({ shape: [64, 128], a: pair.a.slice(0, 64 * 4) }))),
      'outer sizes',
    ],
    [
      'another output',
      () => loraBytes(other(pair => ({ shape: [128, 64], b: pair.b.slice(0, 64 * 4) }))),
      'outer sizes',
    ],
    [
      'ranks that differ',
      () =>
        loraBytes(
          { ...good, pairs: [] },
          {
            more: [
              { name: 'blk.0.attn_q.weight.lora_a', shape: [128, 4] },
              { name: 'blk.0.attn_q.weight.lora_b', shape: [8, 128] },
            ],
          },
        ),
      'ranks differ',
    ],
    [
      'ranks that differ in the embeddings, which llama.cpp itself would abort over',
      () =>
        loraBytes(
          { ...good, pairs: [] },
          {
            more: [
              { name: 'token_embd.weight.lora_a', shape: [4, good.pairs[1]!.shape[1]!] },
              { name: 'token_embd.weight.lora_b', shape: [8, 128] },
            ],
          },
        ),
      'ranks differ',
    ],
    [
      'matrices of experts for a model without',
      () =>
        loraBytes(
          { ...good, pairs: [] },
          {
            more: [
              { name: 'blk.0.attn_q.weight.lora_a', shape: [128, 4, 2] },
              { name: 'blk.0.attn_q.weight.lora_b', shape: [4, 128, 2] },
            ],
          },
        ),
      'not as many',
    ],
    ['a file cut off', () => loraBytes(good).subarray(0, -4000), 'cut off'],
    [
      'a text',
      () => Buffer.from('This is no adapter, but a text of more than 64 bytes, which is what is looked at.'),
      'no GGUF file',
    ],
  ]
  test.each(cases)('%s', async (_name, bytes, message) => {
    const wrong = await loadModel(path, { ...exact, adapters: [{ path: written(bytes()) }] }).then(
      model => model.close(),
      (error: unknown) => error,
    )
    expect(wrong).toBeInstanceOf(StreamingLLMError)
    expect(wrong).toMatchObject({ code: 'ADAPTER_INVALID', message: expect.stringMatching(message) })
  })

  test('embeddings that the output matrix shares, which llama.cpp itself would abort over', async () => {
    const tied = tinyModel('gemma3')
    const file = written(loraBytes(await tinyLora(tied, ['blk.0.attn_q.weight', 'token_embd.weight'])))
    await expect(loadModel(tied, { ...exact, adapters: [{ path: file }] })).rejects.toMatchObject({
      code: 'ADAPTER_INVALID',
      message: expect.stringContaining('as its output matrix as well'),
    })
  })

  test('a file that is not there, and options that are none', async () => {
    await expect(loadModel(path, { ...exact, adapters: [{ path: join(folder, 'none.gguf') }] })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    for (const adapters of [
      { path },
      [path],
      [{ path: '' }],
      [{}],
      [{ path, scale: NaN }],
      [{ path, scale: 1000 }],
      Array(17).fill({ path }),
    ] as never[]) {
      await expect(loadModel(path, { ...exact, adapters })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    }
    await expect(loadModel(path, { ...exact, adapters: [{ path, scal: 1 }] as never })).rejects.toMatchObject({
      code: 'UNKNOWN_OPTION',
    })
  })
})
