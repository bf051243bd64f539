import { type GenerateOptions, loadModel, type Model, type Sequence } from '../../lib/index.js'
import { randomTokens } from '../tools/family-runs.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: -50 }), {
    threads: 1,
    kvType: 'f32',
    flashAttention: 'off',
    gpu: false,
  })
})
afterAll(() => model.close())

const prompt = randomTokens(30, 5)
/** Each number of e's is a way, and they differ in what must follow: more with every letter. */
const dear = 'root ::= e "!"\ne ::= "a" e{0,40}'

async function generate(
  sequence: Sequence,
  options: GenerateOptions & { tokens?: ArrayLike<number> },
): Promise<{ text: string; reason: string }> {
  let text = ''
  let reason = ''
  for await (const event of sequence.generate({ seed: 1, ...options })) {
    if (event.type === 'text') text += event.text
    if (event.type === 'finish') reason = event.reason
  }
  return { text, reason }
}

/** What a sequence says next, greedily. */
const next = (sequence: Sequence) => generate(sequence, { tokens: [300], temperature: 0, maxTokens: 12 })

test('repetitions within repetitions cost no time, and another chat goes on meanwhile', async () => {
  const [one, other] = [model.createSequence({ window: 300 }), model.createSequence({ window: 300 })]
  const started = process.cpuUsage()
  const [held, free] = await Promise.all([
    generate(one, {
      tokens: prompt,
      maxTokens: 40,
      grammar: 'root ::= (([a-zA-Z]? ){0,400}){0,4} "zzzz"',
      timeLimit: 500_000,
    }),
    generate(other, { tokens: prompt, maxTokens: 40 }),
  ])
  expect(held).toMatchObject({ reason: 'length', text: expect.stringMatching(/^[a-zA-Z]+$/) })
  expect(free.reason).toBe('length')
  const { user } = process.cpuUsage(started)
  expect(user / 1e6).toBeLessThan(20)
  await one.close()
  await other.close()
})

test('a grammar whose ways become too many ends the reply with an error that names it, and the sequence goes on', async () => {
  const sequence = model.createSequence({ window: 300 })
  await expect(
    generate(sequence, { tokens: prompt, grammar: dear, maxTokens: 400, logitBias: [['!', false] as const] }),
  ).rejects.toMatchObject({ code: 'GRAMMAR_TOO_COMPLEX', message: expect.stringContaining('grammar') })
  expect(await next(sequence)).toMatchObject({ reason: 'length' })
  await sequence.close()
})

test.each([5, 20, 50, 100, 200])(
  'time limit of %i ms and abort hold within a token; what was delivered is what the sequence holds',
  async limit => {
    for (const options of [{ timeLimit: limit }, { signal: AbortSignal.timeout(limit) }] satisfies GenerateOptions[]) {
      const sequence = model.createSequence({ window: 300 })
      const { text, reason } = await generate(sequence, {
        tokens: prompt,
        grammar: dear,
        maxTokens: 400,
        logitBias: [['!', false] as const],
        ...options,
      }).catch(error => {
        expect(error).toMatchObject({ code: 'GRAMMAR_TOO_COMPLEX' })
        return { text: undefined, reason: '' }
      })
      if (text !== undefined) {
        expect(reason).toBe('timeLimit' in options ? 'time' : 'abort')
        const fresh = model.createSequence({ window: 300 })
        await fresh.append([...prompt, ...model.tokenize(text)])
        if (sequence.usage.seenTokens === fresh.usage.seenTokens)
          expect(await next(sequence)).toEqual(await next(fresh))
        await fresh.close()
      }
      await next(sequence)
      await sequence.close()
    }
  },
)

test('control tokens are no text of a grammar unless they show', async () => {
  const sequence = model.createSequence({ window: 300 })
  const control = model.tokenize('<|im_start|>', { special: true })
  expect(control).toHaveLength(1)
  const { text } = await generate(sequence, {
    tokens: prompt,
    maxTokens: 30,
    temperature: 0,
    grammar: 'root ::= [a-z<|_>]*',
    logitBias: [[control[0]!, 100]],
  })
  expect(text).toMatch(/^[a-z<|_>]+$/)
  await sequence.close()
})
