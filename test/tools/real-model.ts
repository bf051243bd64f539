import { loadModel, type Model } from '../../lib/index.js'
import { realModelPath } from './real-model-path.js'

/** SmolLM2-135M-Instruct, for all tests of the file that imports this. */
export const model: Model = await loadModel(realModelPath)

afterAll(() => model.close())
