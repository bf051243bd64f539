import { spawnSync } from 'node:child_process'
import { loadModel, type Model, type ModelOptions, StreamingLLMError } from '../../lib/index.js'
import { library, typescript } from '../tools/child-program.js'
import { cpuMilliseconds } from '../tools/cpu-time.js'
import { readReferenceModel } from '../tools/reference/model.js'
import { type Cached, Transformer } from '../tools/reference/transformer.js'
import { type TinyKind, tinyModel } from '../tools/tiny-models.js'

const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }

const texts = [
  'Hello world',
  'a',
  'The system is in the world, and you are in it.',
  'Stop. ',
  'no'.repeat(150),
  '  ',
  'Hello world',
  'assistant user system',
]

type Vector = ArrayLike<number>
const dot = (a: Vector, b: Vector) => Array.from(a).reduce((sum, each, i) => sum + each * b[i]!, 0)
const length = (a: Vector) => Math.sqrt(dot(a, a))
const farthest = (a: Vector, b: Vector) => Math.max(...Array.from(a, (each, i) => Math.abs(each - b[i]!)))
const normalized = (a: Vector) => Array.from(a, each => each / length(a))

/** The last layer's states by a forward pass that shares nothing with llama.cpp. */
function states(path: string, tokens: ArrayLike<number>): Float64Array[] {
  const transformer = new Transformer(readReferenceModel(path))
  const seen: Cached[] = []
  return Array.from(tokens, token => {
    const { cached, hidden } = transformer.decode(token, seen)
    seen.push(cached)
    return hidden
  })
}

const mean = (all: Float64Array[]) =>
  Array.from(all[0]!, (_, i) => all.reduce((sum, each) => sum + each[i]!, 0) / all.length)

describe.each<[TinyKind, number]>([
  ['llama', 2e-3],
  ['qwen2', 2e-3],
  ['gptneox', 1e-2],
  ['bloom', 1e-2],
])('embeddings of a %s model', (kind, bound) => {
  const path = tinyModel(kind)
  let model: Model
  let truth: Float64Array[][]
  beforeAll(async () => {
    model = await loadModel(path, { ...exact, batchSize: 32 })
    truth = texts.map(text => states(path, model.textTokens(text)))
  })
  afterAll(() => model.close())

  test('are what the reference makes of the texts, by mean, last and first state', async () => {
    const expected = { mean: truth.map(mean), last: truth.map(all => all.at(-1)!), cls: truth.map(all => all[0]!) }
    for (const pooling of ['mean', 'last', 'cls'] as const) {
      const vectors = await model.embed(texts, { pooling, normalize: false })
      vectors.forEach((vector, i) => expect(farthest(vector, expected[pooling][i]!)).toBeLessThan(bound))
    }
    const vectors = await model.embed(texts)
    expect(vectors).toHaveLength(texts.length)
    vectors.forEach((vector, i) => {
      expect(Object.prototype.toString.call(vector)).toBe('[object Float32Array]') // of another realm under a test runner
      expect(length(vector)).toBeCloseTo(1, 5)
      expect(farthest(vector, normalized(expected.mean[i]!))).toBeLessThan(bound)
    })
    // And they tell texts apart.
    expect(dot(vectors[0]!, vectors[2]!)).toBeLessThan(0.99)
  })
})

test.each<TinyKind>(['llama', 'gemma2', 'gemma3', 'gpt2', 'qwen2vl', 'deepseek2', 'lfm2', 'jamba', 'qwen35', 'mamba'])(
  '%s: alone, in another order and in other batches each text has the same',
  async kind => {
    await using model = await loadModel(tinyModel(kind), exact)
    const together = await model.embed(texts, { pooling: 'last' })
    for (const [i, text] of texts.entries()) {
      const [alone] = await model.embed([text], { pooling: 'last' })
      expect(farthest(alone!, together[i]!)).toBeLessThan(2e-3)
    }
    const reversed = await model.embed([...texts].reverse(), { pooling: 'last' })
    reversed.reverse().forEach((vector, i) => expect(farthest(vector, together[i]!)).toBeLessThan(2e-3))
    expect(farthest(together[0]!, together[6]!)).toBeLessThan(2e-3)
    await using small = await loadModel(tinyModel(kind), { ...exact, batchSize: 16 })
    const inParts = await small.embed(texts, { pooling: 'last' })
    inParts.forEach((vector, i) => expect(farthest(vector, together[i]!)).toBeLessThan(2e-3))
  },
)

test("the model's file says which pooling is its own", async () => {
  for (const [number, pooling] of [
    [1, 'mean'],
    [2, 'cls'],
    [3, 'last'],
    [4, 'mean'],
  ] as const) {
    await using model = await loadModel(tinyModel('llama', { metadata: { 'llama.pooling_type': number } }), exact)
    expect(await model.embed(['Hello world'])).toEqual(await model.embed(['Hello world'], { pooling }))
  }
})

test('many texts, beside a chat that is generating', async () => {
  const path = tinyModel('llama', { endBias: -20 })
  await using model = await loadModel(path, exact)
  const ask = { maxTokens: 200, temperature: 0 } as const
  const expected = await model.createChat({ window: 300 }).ask('Hello', ask)
  const many = Array.from({ length: 200 }, (_, i) => `Text ${i} of ${'many '.repeat(i % 7)}`)
  const [reply, vectors, others] = await Promise.all([
    model.createChat({ window: 300 }).ask('Hello', ask),
    model.embed(many),
    model.embed(texts),
  ])
  expect(reply.text).toBe(expected.text)
  expect(vectors).toHaveLength(200)
  const [alone] = await model.embed([many[123]!])
  expect(farthest(vectors[123]!, alone!)).toBeLessThan(1e-3)
  expect(others).toHaveLength(texts.length)
})

test('with an adapter of a model they change', async () => {
  const { loraBytes, tinyLora } = await import('../tools/tiny-loras.js')
  const { writeFileSync, mkdtempSync, rmSync } = await import('node:fs')
  const { tmpdir } = await import('node:os')
  const { join } = await import('node:path')
  const folder = mkdtempSync(join(tmpdir(), 'streaming-llm-embed-'))
  try {
    const path = tinyModel('llama')
    writeFileSync(
      join(folder, 'a.gguf'),
      loraBytes(await tinyLora(path, ['blk.0.attn_v.weight', 'blk.2.ffn_down.weight'])),
    )
    await using plain = await loadModel(path, exact)
    await using adapted = await loadModel(path, { ...exact, adapters: [{ path: join(folder, 'a.gguf') }] })
    const [a] = await plain.embed(['Hello world'])
    const [b] = await adapted.embed(['Hello world'])
    expect(farthest(a!, b!)).toBeGreaterThan(0.01)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a text that is longer than the trained length, or has no tokens, is refused by its index; nothing else is lost', async () => {
  await using model = await loadModel(tinyModel('llama', { contextLength: 64 }), exact)
  const whole = 'xyz'.repeat(21) // 63 tokens and the one that begins every text
  await expect(model.embed(['short', `${whole}x`])).rejects.toMatchObject({
    code: 'TEXT_TOO_LONG',
    message: expect.stringMatching(/text 1 has 65 tokens.* at most 64/),
  })
  expect(await model.embed([whole])).toHaveLength(1)
  await using bare = await loadModel(tinyModel('gpt2'), exact)
  await expect(bare.embed(['a', ''])).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('text 1'),
  })
  expect(await model.embed([''])).toHaveLength(1)
  expect(await model.embed([])).toEqual([])
  await using incomplete = await loadModel(tinyModel('llama', { vocabulary: 'incomplete' }), exact)
  await expect(incomplete.embed(['a\nb'])).rejects.toMatchObject({ code: 'TOKENIZE_FAILED' })
  for (const wrong of ['text', [1], null, [undefined]] as never[])
    await expect(model.embed(wrong)).rejects.toBeInstanceOf(StreamingLLMError)
})

test('a signal ends it, waiting or not, and the next call works', async () => {
  await using model = await loadModel(tinyModel('llama', { contextLength: 4096, width: 512 }), exact)
  const long = Array.from({ length: 50 }, () => 'world '.repeat(400))
  const first = new AbortController()
  const second = new AbortController()
  const calls = [model.embed(long, { signal: first.signal }), model.embed(long, { signal: second.signal })]
  second.abort(new Error('the second'))
  await expect(calls[1]).rejects.toThrow('the second')
  setTimeout(() => first.abort(new Error('the first')), 50)
  const start = cpuMilliseconds()
  await expect(calls[0]).rejects.toThrow('the first')
  expect(cpuMilliseconds() - start).toBeLessThan(2000)
  await expect(model.embed(['a'], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  expect(await model.embed(['a'])).toHaveLength(1)
})

test('closing the model ends it with CLOSED', async () => {
  const model = await loadModel(tinyModel('llama', { contextLength: 4096, width: 512 }), exact)
  const calls = Promise.allSettled([
    model.embed(Array.from({ length: 50 }, () => 'world '.repeat(400))),
    model.embed(['waits']),
  ])
  await new Promise(resolve => setTimeout(resolve, 50))
  await model.close()
  for (const call of await calls) expect(call).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } })
  await expect(model.embed(['a'])).rejects.toMatchObject({ code: 'CLOSED' })
})

test('the event loop stays free meanwhile', async () => {
  await using model = await loadModel(tinyModel('llama', { contextLength: 4096, width: 512 }), exact)
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  await model.embed(Array.from({ length: 10 }, () => 'world '.repeat(300)))
  clearInterval(timer)
  // It computes for a second or so; held up by it, the loop would have turned once or twice.
  expect(turns).toBeGreaterThan(20)
})

test('a process may exit in the middle of it, and one that is done exits by itself', () => {
  const program = (end: string) => `
    import { loadModel } from ${library}
    const model = await loadModel(${JSON.stringify(tinyModel('llama', { contextLength: 4096, width: 512 }))}, { gpu: false })
    ${end}`
  const run = (end: string) =>
    spawnSync(process.execPath, [...typescript, '--input-type=module', '-e', program(end)], {
      encoding: 'utf8',
      timeout: 500_000,
      killSignal: 'SIGKILL',
    })
  expect(
    run(
      `void model.embed(Array.from({ length: 50 }, () => 'world '.repeat(400))); setTimeout(() => process.exit(7), 100)`,
    ),
  ).toMatchObject({ status: 7, signal: null })
  expect(run(`await model.embed(['a'])`)).toMatchObject({ status: 0, signal: null })
})
