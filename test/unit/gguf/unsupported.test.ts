import { join } from 'node:path'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { tinyModel } from '../../tools/tiny-models.js'
import { failureOf, ModelDraft, temporaryDirectory } from './model-draft.js'

const path = join(temporaryDirectory(), 'model.gguf')

const architecture = (name: string) => new ModelDraft().with('general.architecture', 'string', name)
const type = (name: string) => new ModelDraft().with('general.type', 'string', name)

test.each<[string, ModelDraft]>([
  ['is a projector (mmproj)', type('mmproj')],
  ['is a projector (mmproj)', architecture('clip')],
  ['is an adapter (LoRA)', type('adapter')],
  ['is a control vector', architecture('controlvector')],
  ['is an importance matrix', type('imatrix')],
  ['holds an encoder (bert)', architecture('bert')],
  ['holds an encoder (nomic-bert-moe)', architecture('nomic-bert-moe')],
  ['holds an encoder (modern-bert)', architecture('modern-bert')],
  ['holds an encoder (gemma-embedding)', architecture('gemma-embedding')],
  ['holds an encoder (t5encoder)', architecture('t5encoder')],
  ['holds an encoder-decoder model (t5)', architecture('t5')],
  ['holds a diffusion language model (llada)', architecture('llada')],
  ['holds a draft model (eagle3)', architecture('eagle3')],
  ['holds a model that makes speech (wavtokenizer-dec)', architecture('wavtokenizer-dec')],
  ['holds an embedding model', new ModelDraft().with('llama.attention.causal', 'bool', false)],
  ["without a vocabulary and without a language model's figures", architecture('flux').without('tokenizer.ggml.model')],
  ['holds a vocabulary and no weights', new ModelDraft().withTensors()],
  ['has no vocabulary', new ModelDraft().with('tokenizer.ggml.model', 'string', 'no_vocab')],
])('a file that %s', async (what, draft) => {
  const failure = await failureOf(path, draft.toBuffer())
  expect(failure.message).toContain(what)
  expect(failure.message).toMatch(/needed|Pass /)
  expect(failure.code).toBe('MODEL_UNSUPPORTED')
})

test('a BERT model as converted', async () => {
  await expect(checkModelFile(tinyModel('bert'))).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
})
