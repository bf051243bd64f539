import { type GenerateOptions, loadModel, type Model, type TokenProbability } from '../../lib/index.js'
import { randomTokens } from '../tools/family-runs.js'
import { tinyModel } from '../tools/tiny-models.js'

let model: Model
beforeAll(async () => {
  // Replies do not end by themselves.
  model = await loadModel(tinyModel('llama', { endBias: -50 }), {
    threads: 1,
    kvType: 'f32',
    flashAttention: 'off',
    gpu: false,
  })
})
afterAll(() => model.close())

const prompt = randomTokens(30, 5)

/** A reply's text, and its tokens as the model saw them. */
async function reply(options: GenerateOptions): Promise<{ text: string; tokens: TokenProbability[]; reason: string }> {
  const sequence = model.createSequence({ window: 300 })
  try {
    let text = ''
    let reason = ''
    const tokens: TokenProbability[] = []
    for await (const event of sequence.generate({ tokens: prompt, maxTokens: 60, logprobs: 40, seed: 1, ...options })) {
      if (event.type === 'text') {
        text += event.text
        tokens.push(...(event.tokens ?? []))
      }
      if (event.type === 'finish') reason = event.reason
    }
    return { text, tokens, reason }
  } finally {
    await sequence.close()
  }
}

const open: GenerateOptions = { topK: 0, topP: 1, minP: 0, temperature: 1 }
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

describe('log-probabilities', () => {
  test('are those that the tokens get when they are scored', async () => {
    const { tokens, text } = await reply({ temperature: 1 })
    expect(tokens).toHaveLength(60)
    const sequence = model.createSequence({ window: 300 })
    await sequence.append(prompt)
    const scores = await sequence.score(tokens.map(({ token }) => token))
    tokens.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(scores[i]!, 3))
    expect(model.detokenize(tokens.map(({ token }) => token))).toBe(text)
    await sequence.close()
  })

  test('come best first, with the token that greedy sampling takes in front, and their probabilities are at most 1 together', async () => {
    const { tokens } = await reply({ temperature: 0 })
    for (const { token, logprob, top } of tokens) {
      expect(top).toHaveLength(40)
      expect(top[0]).toMatchObject({ token, logprob })
      expect(top.map(each => each.logprob)).toEqual(top.map(each => each.logprob).sort((a, b) => b - a))
      expect(top.reduce((sum, each) => sum + Math.exp(each.logprob), 0)).toBeLessThanOrEqual(1 + 1e-5)
    }
  })

  test("are the model's own, whatever is sampled how", async () => {
    const plain = await reply({ temperature: 0 })
    const { token, logprob } = plain.tokens[0]!
    const biased = await reply({ temperature: 0, logitBias: [[token, 5]], repeatPenalty: 1.5 })
    expect(biased.tokens[0]).toMatchObject({ token, logprob })
  })

  test("none are told where none are asked for, and 0 tells the token's alone", async () => {
    expect((await reply({ logprobs: undefined })).tokens).toEqual([])
    expect((await reply({ logprobs: 0 })).tokens[0]!.top).toEqual([])
  })

  test('a reply that is left tells no more tokens than text', async () => {
    const sequence = model.createSequence({ window: 300 })
    let text = ''
    const tokens: number[] = []
    for await (const event of sequence.generate({ tokens: prompt, logprobs: 0, seed: 1 })) {
      if (event.type !== 'text') continue
      text += event.text
      tokens.push(...event.tokens!.map(({ token }) => token))
      if (text.length > 40) break
    }
    expect(model.detokenize(tokens)).toBe(text)
    await sequence.close()
  })
})

describe('bias', () => {
  test('false rules tokens out, a large one calls for one', async () => {
    const plain = await reply({ temperature: 0 })
    const [first, second] = plain.tokens[0]!.top
    const without = await reply({ temperature: 0, logitBias: [[first!.token, false]] })
    expect(without.tokens[0]!.token).toBe(second!.token)
    expect(without.tokens.map(({ token }) => token)).not.toContain(first!.token)
    const always = await reply({ ...open, logitBias: [[second!.token, 1000]] })
    expect(new Set(always.tokens.map(({ token }) => token))).toEqual(new Set([second!.token]))
  })

  test('by text is that of the one token that it is, and other texts are refused', async () => {
    const { tokens } = await reply({ temperature: 0 })
    const word = tokens.find(({ text }) => /^ ?[a-zA-Z]+$/.test(text) && model.tokenize(text).length === 1)!
    const without = await reply({ temperature: 0, logitBias: [[word.text, false]] })
    expect(without.tokens.map(({ token }) => token)).not.toContain(model.tokenize(word.text)[0])
    await expect(reply({ logitBias: [['two words, at least', 1]] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(reply({ logitBias: [[10_000_000, 1]] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('what llama.cpp samples with', () => {
  const settings: [string, GenerateOptions][] = [
    ['plain', {}],
    ['all', open],
    ['topNSigma', { ...open, topNSigma: 1 }],
    ['xtc', { ...open, xtc: { probability: 0.5, threshold: 0.005 } }],
    ['dynamicTemperature', { ...open, dynamicTemperature: { range: 0.5 } }],
    ['mirostat 1', { mirostat: { version: 1 } }],
    ['mirostat 2', { mirostat: {} }],
    ['adaptiveP', { ...open, adaptiveP: { target: 0.1 } }],
    ['penalties over the window', { ...open, penaltyTokens: 'window', repeatPenalty: 1.2 }],
    ['dry', { ...open, dry: {} }],
    ['a grammar', { ...open, grammar: 'root ::= ([a-z] | " ")*' }],
  ]

  test.each(settings)('%s: the same seed gives the same reply, another another', async (_name, options) => {
    const one = await reply({ ...options, seed: 7 })
    expect((await reply({ ...options, seed: 7 })).text).toBe(one.text)
    expect((await reply({ ...options, seed: 8 })).text).not.toBe(one.text)
  })

  test('a very small topNSigma is greedy', async () => {
    expect((await reply({ ...open, topNSigma: 1e-6 })).text).toBe((await reply({ temperature: 0 })).text)
  })

  test('xtc leaves the likeliest token out wherever two are likely enough', async () => {
    const { tokens } = await reply({ ...open, xtc: { probability: 1, threshold: 0.005 } })
    let left = 0
    for (const { token, top } of tokens) {
      if (Math.exp(top[1]!.logprob) < 0.0051) continue
      expect(token).not.toBe(top[0]!.token)
      left++
    }
    expect(left).toBeGreaterThan(10)
  })

  test.each([1, 2] as const)('mirostat %i keeps the surprise near its target', async version => {
    const surprise = async (tau: number) =>
      mean(
        (await reply({ mirostat: { version, tau }, temperature: 1, maxTokens: 200 })).tokens
          .slice(50)
          .map(({ logprob }) => -logprob / Math.LN2),
      )
    const [low, high] = [await surprise(2), await surprise(6)]
    expect(low).toBeLessThan(high)
    // What it aims at is the surprise among the tokens that it leaves, which is less than that among all.
    expect(low).toBeLessThan(2 + 2.5)
    expect(high).toBeGreaterThan(6 - 1)
    expect(high).toBeLessThan(6 + 2.5)
  })

  test('mirostat 1 goes on drawing where the text surprises less than it should, for however long', async () => {
    const { tokens } = await reply({ mirostat: { version: 1, tau: 20, eta: 1 }, temperature: 1, maxTokens: 300 })
    const likeliest = tokens.slice(100).filter(({ token, top }) => token === top[0]!.token)
    expect(likeliest.length).toBeLessThan(100)
  })

  test('dynamic temperature without a range is the plain one', async () => {
    expect((await reply({ ...open, dynamicTemperature: { range: 0 } })).text).toBe((await reply(open)).text)
  })

  test('penalties over the window reach farther than those over 64 tokens', async () => {
    const repeats = async (penaltyTokens: number | 'window') => {
      const { tokens } = await reply({
        ...open,
        frequencyPenalty: 2,
        presencePenalty: 2,
        repeatPenalty: 5,
        penaltyTokens,
        maxTokens: 250,
      })
      return new Set(tokens.map(({ token }) => token)).size
    }
    expect(await repeats('window')).toBeGreaterThan(await repeats(4))
  })
})

describe('a grammar', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7])('is followed to its end, with nothing after it (seed %i)', async seed => {
    const { text, reason } = await reply({
      ...open,
      seed,
      temperature: 2,
      grammar: 'root ::= "yes" | "no" (" " [0-9]+){2,3} "!"',
      maxTokens: 500,
    })
    expect(text).toMatch(/^(yes|no( [0-9]+){2,3}!)$/)
    expect(reason).toBe('end')
  })

  test("counts from the reply's start also in greedy sampling, and with penalties", async () => {
    const { text } = await reply({ temperature: 0, repeatPenalty: 1.3, grammar: 'root ::= "[" [a-c]{5} "]"' })
    expect(text).toMatch(/^\[[a-c]{5}\]$/)
  })

  test('draws from the distribution that is left', async () => {
    const counts = new Map<string, number>()
    for (let seed = 0; seed < 300; seed++) {
      const { text } = await reply({ ...open, seed, grammar: 'root ::= [a-d] "."', maxTokens: 2, logprobs: undefined })
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
    const probabilities: number[] = []
    for (const letter of 'abcd') {
      const copy = model.createSequence({ window: 300 })
      await copy.append(prompt)
      probabilities.push(Math.exp((await copy.score(model.tokenize(letter)))[0]!))
      await copy.close()
    }
    const all = probabilities.reduce((sum, each) => sum + each, 0)
    const expected = probabilities.map(each => (each / all) * 300)
    const chiSquare = expected.reduce(
      (sum, each, i) => sum + ((counts.get(`${'abcd'[i]}.`) ?? 0) - each) ** 2 / each,
      0,
    )
    expect(chiSquare).toBeLessThan(16.3) // 3 degrees of freedom, one in a thousand
  })

  test('with triggers lets the reply be free until one of them', async () => {
    const grammar = { source: 'root ::= "<" [a-z]{3} ">"', triggers: ['<'] }
    let triggered = 0
    for (let seed = 0; seed < 12; seed++) {
      const { text, reason } = await reply({ ...open, seed, grammar, maxTokens: 120, logitBias: [['<', 2]] })
      const at = text.indexOf('<')
      if (at < 0) continue
      triggered++
      expect(text.slice(at)).toMatch(reason === 'end' ? /^<[a-z]{3}>$/ : /^<[a-z]{0,3}>?$/)
    }
    expect(triggered).toBeGreaterThan(3)
  })

  test.each([
    ['of no sense', 'root ::= ('],
    ['without a root', 'other ::= "a"'],
    ['with a rule that is missing', 'root ::= other'],
    ['with left recursion', 'root ::= root "a" | "b"'],
    ['that is empty', ''],
  ])('%s is refused', async (_name, grammar) => {
    await expect(async () => reply({ grammar })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

describe('numbers at their extremes', () => {
  test('a temperature next to 0 takes the likeliest token', async () => {
    const { text } = await reply({ ...open, temperature: 0 })
    for (const temperature of [1e-20, 1e-38, 1e-40, 1e-45, 1e-46])
      expect({ temperature, text: (await reply({ ...open, temperature })).text }).toEqual({ temperature, text })
  })

  test('whatever is allowed gives a reply', async () => {
    const extremes: GenerateOptions[] = [
      { repeatPenalty: 1e-45 },
      { repeatPenalty: 3e38 },
      { dry: { multiplier: 3e38, base: 3e38, allowedLength: 0 } },
      { dry: { base: 1, tokens: 2 ** 20 } },
      { dynamicTemperature: { range: 3e38, exponent: 3e38 } },
      { temperature: 3e38, dynamicTemperature: { range: 3e38, exponent: 0 } },
      { temperature: 0.5, dynamicTemperature: { range: 0.5, exponent: 100 } },
      { topP: 1e-45 },
      { minP: 1 },
      { minP: 1e-45 },
      { typicalP: 1e-45 },
      { topNSigma: 3e38 },
      { topNSigma: 1e-45 },
      { mirostat: { version: 1, tau: 32, eta: 1 } },
      { mirostat: { version: 2, tau: 0, eta: 1 } },
      { adaptiveP: { target: 0, decay: 0.99 } },
      {
        logitBias: [
          [70, 3e38],
          [71, -3e38],
        ],
        temperature: 1e-45,
      },
      {
        logitBias: [
          [70, 3e38],
          [71, 3e38],
          [72, false],
        ],
        typicalP: 0.5,
      },
    ]
    for (const extreme of extremes) {
      const { tokens } = await reply({ ...open, maxTokens: 8, ...extreme })
      expect({ extreme, count: tokens.length }).toEqual({ extreme, count: 8 })
    }
  })

  test('ruling out every token is an error, and no token that is ruled out', async () => {
    const all = Array.from({ length: model.vocabularySize }, (_, token): [number, false] => [token, false])
    for (const temperature of [0, 1])
      await expect(reply({ logitBias: all, temperature })).rejects.toMatchObject({
        code: 'DECODE_FAILED',
        message: expect.stringContaining('logitBias'),
      })
  })
})
