import { loadModel, type Model, type ModelOptions, type TextStream } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

const exact: ModelOptions = { threads: 1, kvType: 'f32', flashAttention: 'off', gpu: false }
const path = tinyModel('qwen2', { vocabulary: 'fim', endBias: -20, contextLength: 512 })

async function read(stream: TextStream): Promise<{ text: string; promptTokens: number; reason: string }> {
  let text = ''
  for await (const event of stream) {
    if (event.type === 'text') text += event.text
    if (event.type === 'finish') return { text, promptTokens: event.usage.promptTokens, reason: event.reason }
  }
  throw new Error('it did not finish')
}

const special = (model: Model, text: string) => model.tokenize(text, { special: true })
const greedy = { temperature: 0, maxTokens: 40 } as const

test('the reply is that to prefix, suffix and middle in this order', async () => {
  await using model = await loadModel(path, exact)
  const filled = await read(model.fill('Hello world, the ', ' is in it.', greedy))
  const tokens = special(model, '<|fim_prefix|>Hello world, the <|fim_suffix|> is in it.<|fim_middle|>')
  expect(filled.promptTokens).toBe(tokens.length)
  expect(filled.text).toBe((await read(model.createSequence().generate({ tokens, ...greedy }))).text)
  expect(filled.text).not.toBe((await read(model.fill(' is in it.', 'Hello world, the ', greedy))).text)
  expect(filled.reason).toBe('length')
})

test('names of the tokens inside the texts are text', async () => {
  await using model = await loadModel(path, exact)
  const { promptTokens } = await read(model.fill('<|fim_suffix|>', '<|fim_middle|>', greedy))
  expect(promptTokens).toBe(model.countTokens('<|fim_suffix|>') + model.countTokens('<|fim_middle|>') + 3)
  expect(model.countTokens('<|fim_suffix|>')).toBeGreaterThan(1)
})

test('what is longer than the window keeps what is next to the gap, and room for the reply', async () => {
  await using model = await loadModel(path, exact)
  const { sinks, window } = model.info.policy!
  const before = Array.from({ length: 3000 }, (_, i) => `${i} `).join('')
  const after = Array.from({ length: 3000 }, (_, i) => `; ${i}`).join('')
  const filled = await read(model.fill(before, after, greedy))
  const room = sinks + window - 40
  expect(filled.promptTokens).toBe(room)
  const suffixTokens = Math.floor((room - 3) / 4)
  const cut = Int32Array.from([
    ...special(model, '<|fim_prefix|>'),
    ...model.tokenize(before).slice(-(room - 3 - suffixTokens)),
    ...special(model, '<|fim_suffix|>'),
    ...model.tokenize(after).slice(0, suffixTokens),
    ...special(model, '<|fim_middle|>'),
  ])
  expect(filled.text).toBe((await read(model.createSequence().generate({ tokens: cut, ...greedy }))).text)
  // Without a limit a quarter is left for it.
  expect((await read(model.fill(before, after, { temperature: 0, timeLimit: 1 }))).promptTokens).toBe(
    sinks + window - Math.floor((sinks + window) / 4),
  )
  // The reply may be longer than that: it goes on as any other.
  expect((await read(model.fill(before, after, { temperature: 0, maxTokens: 700 }))).reason).toBe('length')
})

test('tokens that the metadata name, with a beginning', async () => {
  const tokenizer = {
    'tokenizer.ggml.fim_pre_token_id': 300,
    'tokenizer.ggml.fim_suf_token_id': 301,
    'tokenizer.ggml.fim_mid_token_id': 302,
  }
  await using model = await loadModel(tinyModel('llama', { endBias: -20, metadata: tokenizer }), exact)
  const filled = await read(model.fill('Hello', 'world', greedy))
  const tokens = [1, 300, ...model.tokenize('Hello'), 301, ...model.tokenize('world'), 302]
  expect(filled.promptTokens).toBe(tokens.length)
  expect(filled.text).toBe((await read(model.createSequence().generate({ tokens, ...greedy }))).text)
})

test('refused by a model without such tokens, and wrong arguments at once', async () => {
  await using model = await loadModel(tinyModel('llama'), exact)
  expect(() => model.fill('a', 'b')).toThrow(
    expect.objectContaining({ code: 'FIM_UNAVAILABLE', message: expect.stringContaining('prefix, suffix, middle') }),
  )
  await using other = await loadModel(path, exact)
  expect(() => other.fill('a', undefined as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(() => other.fill('a', 'b', { maxToken: 3 } as never)).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_OPTION' }),
  )
  await other.close()
  expect(() => other.fill('a', 'b')).toThrow(expect.objectContaining({ code: 'CLOSED' }))
})

test('leaving it frees its sequence', async () => {
  await using model = await loadModel(path, { ...exact, maxSequences: 1, whenFull: 'refuse' })
  for (let i = 0; i < 3; i++)
    for await (const text of model.fill('Hello', 'world', { temperature: 0 }).text()) if (text !== '') break
  expect((await read(model.fill('Hello', 'world', greedy))).reason).toBe('length')
})
