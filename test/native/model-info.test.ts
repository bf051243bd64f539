import { loadModel, type Model } from '../../lib/index.js'
import { chatML, tinyModel } from '../tools/tiny-models.js'

async function withModel<T>(path: string, use: (model: Model) => T): Promise<T> {
  const model = await loadModel(path, { gpu: false })
  try {
    return use(model)
  } finally {
    await model.close()
  }
}

test('what a file says, how it remembers, what a chat does by default, what it runs on', async () => {
  await withModel(tinyModel('llama', { weights: 'f16' }), model => {
    const { info } = model
    expect(info).toMatchObject({
      name: 'tiny llama',
      architecture: 'llama',
      quantization: 'F16',
      trainedLength: 2048,
      vocabularySize: model.vocabularySize,
      layers: 3,
      licence: undefined,
      memory: { kind: 'attention', eviction: 'evict', sinksMove: true },
      policy: { eviction: 'evict', sinks: 4, reason: model.memory.reason },
      device: model.device,
      chatTemplate: chatML,
    })
    expect(info.parameters).toBe(model.nativeInfo.parameters)
    expect(info.sizeBytes).toBeGreaterThan(info.parameters)
    expect(info.metadata['llama.block_count']).toBe(3)
    expect(info.metadata['tokenizer.ggml.tokens']).toMatchObject({
      arrayLength: model.vocabularySize,
      values: expect.arrayContaining(['<s>']),
    })
    expect(info.policy!.window).toBeGreaterThan(1000)
    expect(info.policy!.reanchorEvery).toBeGreaterThan(0)
  })
})

test('its default policy is the one that a chat then has', async () => {
  for (const kind of ['llama', 'gpt2', 'jamba', 'gemma2'] as const) {
    await withModel(tinyModel(kind), model => {
      const { policy, sinks, window, reanchorEvery } = model.createChat().limits
      expect(model.info.policy).toMatchObject({ eviction: policy === 'refill' ? 'refill' : 'evict', sinks, window })
      expect(model.info.policy!.reanchorEvery).toBe(kind === 'gpt2' || kind === 'jamba' ? undefined : reanchorEvery)
    })
  }
})

test('it is frozen all through, and always the same', async () => {
  await withModel(tinyModel('llama'), model => {
    const { info } = model
    const frozen = (value: object): boolean =>
      Object.isFrozen(value) &&
      Object.values(value).every(each => typeof each !== 'object' || each === null || frozen(each as object))
    expect(frozen(info)).toBe(true)
    expect(model.info).toBe(info)
    expect(() => {
      ;(info as { name: string }).name = 'another'
    }).toThrow(TypeError)
    // What it is made from is not.
    expect(Object.isFrozen(model.device)).toBe(false)
  })
})

test('a model without a template, and one too short for any window by default', async () => {
  await withModel(tinyModel('llama', { chatTemplate: null }), model => expect(model.info.chatTemplate).toBeUndefined())
  await withModel(tinyModel('llama', { contextLength: 6 }), model => expect(model.info.policy).toBeUndefined())
})

test('it stays when the model is closed', async () => {
  const model = await loadModel(tinyModel('mamba'), { gpu: false })
  await model.close()
  expect(model.info.memory.kind).toBe('recurrent')
})
