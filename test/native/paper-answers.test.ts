import { expect, test } from '@jest/globals'
import { loadModel } from '../../lib/index.js'
import { answerAll } from '../../research/paper/answers.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'

test('after questions that were answered wrongly, the stream is as if only the right answers had been said', async () => {
  const random = seeded(3)
  await using model = await loadModel(tinyModel('llama', { endBias: -20 }), {
    threads: 1,
    kvType: 'f32',
    flashAttention: 'off',
  })
  const questions = Array.from({ length: 12 }, () => ({
    prompt: [...model.tokenize(`Stop ${random.below(1_000)} is the world and `)],
    answer: [...model.tokenize(String(random.below(100)))],
    likely: [] as string[],
  }))
  const history: number[] = []
  for (const question of questions) {
    // A model of random weights says strange things: what it will say is found out first.
    await using trial = model.createSequence({ sinks: 4, window: 1_020 })
    history.push(...question.prompt)
    for await (const text of trial.generate({ tokens: history, temperature: 0, maxTokens: 1 }).text())
      question.likely.push(text)
    history.push(...question.answer)
  }
  await using asked = model.createSequence({ sinks: 4, window: 1_020 })
  const answers = await answerAll(model, asked, questions)
  expect(answers.right).toContain(false)
  expect(answers.strays).toBe(0)

  await using told = model.createSequence({ sinks: 4, window: 1_020 })
  await told.append(history)
  expect(asked.usage.seenTokens).toBe(told.usage.seenTokens)
  const after = model.tokenize('The world is 42 and the world')
  const expected = await told.score(after)
  ;(await asked.score(after)).forEach((score, i) => expect(Math.abs(score - expected[i]!)).toBeLessThan(1e-4))
})
