import path from 'node:path'
import { StreamingLLMError } from '../../lib/errors.js'
import { type AdapterOptions, loadModel, type Model } from '../../lib/index.js'
import { expect } from './target.js'

/** Loads the model and uses it a little; any error must be a typed one, and is told. */
export async function loadAndUse(
  file: string,
  folder: string,
  variant: number,
  { adapters, onError }: { adapters?: AdapterOptions[]; onError?: (error: StreamingLLMError) => void } = {},
): Promise<'refused' | 'failed' | 'works'> {
  let model: Model
  try {
    model = await loadModel(file, {
      gpu: false,
      threads: 1,
      batchSize: 16,
      maxSequences: 2,
      flashAttention: variant % 2 === 0,
      kvType: variant === 3 ? 'q8_0' : 'f16',
      adapters,
      onWarning: () => {},
    })
  } catch (error) {
    const typed = needTyped(error)
    onError?.(typed)
    return 'refused'
  }
  try {
    void model.info
    const sequence = model.createSequence({ sinks: 2, window: 20 })
    let count = 0
    for await (const event of sequence.generate({
      tokens: model.textTokens('Hello world, and a few more words.'),
      maxTokens: 12,
      seed: 1,
    })) {
      if (event.type === 'text') count++
      expect(count <= 12, 'more texts than tokens')
    }
    await sequence.close()
    const chat = model.createChat({ window: 40, sinks: 4, seed: 1 })
    await chat.ask('Hello', { maxTokens: 3 })
    await chat.save(path.join(folder, 'chat'))
    await chat.close()
    return 'works'
  } catch (error) {
    const typed = needTyped(error)
    onError?.(typed)
    return 'failed'
  } finally {
    await model.close()
  }
}

function needTyped(error: unknown): StreamingLLMError {
  if (!StreamingLLMError.isInstance(error)) throw error
  return error
}
