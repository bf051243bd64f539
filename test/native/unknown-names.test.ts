import type {
  NativeContextOptions,
  NativeEmbedRequest,
  NativeJob,
  NativeSequenceOptions,
} from '../../lib/engine/native.js'
import { loadNative, openAddon, verified } from '../tools/native-engine.js'
import { tinyModel } from '../tools/tiny-models.js'

// lib/options/ lets none of these through; saved chats and later versions of lib/ might.

const addon = openAddon()
const refusal = (option: string, names: string) =>
  expect.objectContaining({
    code: 'INVALID_OPTION',
    message: `'${option}' must be one of ${names}, got 'made-up'`,
  })

test.each([
  ['kvType', "'f16', 'f32', 'q4_0', 'q8_0'"],
  ['flashAttention', "'auto', 'off', 'on'"],
])('a model is not loaded with an unknown %s', (option, names) => {
  const load = () => loadNative(addon, tinyModel('llama'), { [option]: 'made-up' } as Partial<NativeContextOptions>)
  expect(load).toThrow(refusal(option, names))
})

test('an unknown policy, kind of job or pooling is refused, and the model goes on', async () => {
  const model = await loadNative(addon, tinyModel('llama'))
  const unknown = { ...verified, policy: 'made-up' } as unknown as NativeSequenceOptions
  const policies = "'dense', 'recompute', 'refill', 'streaming'"
  expect(() => model.openSequence(unknown)).toThrow(refusal('policy', policies))
  expect(() => new addon.CachePolicy({ ...unknown, trainedLength: 512 })).toThrow(refusal('policy', policies))
  const sequence = model.openSequence(verified)
  const jobs = "'add', 'append', 'cut', 'generate', 'readTokens', 'rebase', 'replaceSinks', 'restore', 'save', 'score'"
  expect(() => sequence.start({ type: 'made-up' } as unknown as NativeJob)).toThrow(refusal('type', jobs))
  const embed = { texts: ['a'], pooling: 'made-up', normalize: true, maxTokens: 8 } as unknown as NativeEmbedRequest
  expect(() => model.embed(embed)).toThrow(refusal('pooling', "'cls', 'last', 'mean'"))
  await model.close()
})
