import { loadModel, type Model, type ModelOptions } from '../../lib/index.js'
import { tinyModel } from '../tools/tiny-models.js'

// On a machine with a GPU, or one that plays it: STREAMING_LLM_TEST_GPU=vulkan npm test -- test/gpu (see
// docs/install.md).
const kind = process.env['STREAMING_LLM_TEST_GPU'] as 'cuda' | 'vulkan' | 'metal' | undefined
const onGpu = kind === undefined ? describe.skip : describe

onGpu(`on ${kind}`, () => {
  const model = tinyModel('llama', { layers: 4, endBias: -20 })

  async function scores(loaded: Model): Promise<number[]> {
    await using sequence = loaded.createSequence({ sinks: 4, window: 60, reanchorEvery: 16 })
    const [first, ...rest] = loaded.tokenize('Hello world, the user and the assistant are in the system. '.repeat(6))
    await sequence.append([first as number])
    return [...(await sequence.score(rest))]
  }

  async function load(options: ModelOptions): Promise<Model> {
    return await loadModel(model, {
      kvType: 'f32',
      flashAttention: 'off',
      threads: 1,
      onWarning: message => {
        throw new Error(message)
      },
      ...options,
    })
  }

  test('it computes what the CPU does, sinks moved and tokens evicted', async () => {
    await using processor = await load({ gpu: false })
    const expected = await scores(processor)
    expect(processor.device).toMatchObject({ backend: 'CPU', layers: { offloaded: 0, total: 5 } })
    for (const gpuLayers of ['auto', 2] as const) {
      await using gpu = await load({ gpu: kind, gpuLayers })
      expect(gpu.device.backend).not.toBe('CPU')
      expect(gpu.device.layers).toEqual({ offloaded: gpuLayers === 'auto' ? 5 : 2, total: 5 })
      const differences = (await scores(gpu)).map((score, i) => Math.abs(score - (expected[i] as number)))
      expect(Math.max(...differences)).toBeLessThan(0.02)
    }
  })

  test("'auto' finds it", async () => {
    await using found = await load({})
    expect(found.device.layers.offloaded).toBe(5)
    expect(found.device.memory.total).toBeGreaterThan(0)
  })
})
