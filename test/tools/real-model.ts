import { loadModel, type Model } from '../../lib/index.js'
import { realModelPath } from './real-model-path.js'

/**
 * SmolLM2-135M-Instruct, for all tests of the file that imports this. On one thread: several wait for each other at
 * every step, which takes ten times as long where other programs keep the cores busy, and a reply with a seed stays
 * with its number.
 */
export const model: Model = await loadModel(realModelPath, { threads: 1 })

afterAll(() => model.close())
