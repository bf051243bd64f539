import { readFileSync } from 'node:fs'
import { type ChatMessage, loadModel, streamChat } from '../../lib/index.js'
import { model } from '../tools/real-model.js'
import { realModelPath } from '../tools/real-model-path.js'

/** English prose that is there in every clone: documentation of a dependency, of a pinned version. */
const prose = () => readFileSync(new URL('../../node_modules/commander/Readme.md', import.meta.url), 'utf8')

/** Perplexity of tokens that follow what the sequence has. */
const perplexity = (scores: Float32Array) => Math.exp(-scores.reduce((sum, score) => sum + score, 0) / scores.length)

describe('SmolLM2-135M-Instruct', () => {
  test('answers, and its answer is English', async () => {
    const chat = model.createChat({ temperature: 0 })
    const { text, reason } = await chat.ask('What is the capital of France? Answer in one sentence.', { maxTokens: 60 })
    expect(text).toMatch(/Paris/)
    expect(reason).toBe('end')
    await chat.close()
  })

  test('a rebase changes the perplexity of the 2,000 tokens after it by less than 2 %', async () => {
    const tokens = [...model.tokenize(prose())].slice(0, 2901)
    expect(tokens.length).toBe(2901)
    const perplexities = []
    for (const rebased of [false, true]) {
      const sequence = model.createSequence({ sinks: 4, window: 508 })
      await sequence.append(tokens.slice(0, 901))
      if (rebased) await sequence.rebase()
      perplexities.push(perplexity(await sequence.score(tokens.slice(901))))
      await sequence.close()
    }
    const [without, withRebase] = perplexities as [number, number]
    console.log(`perplexity without a rebase ${without.toFixed(3)}, with one ${withRebase.toFixed(3)}`)
    expect(Math.abs(withRebase / without - 1)).toBeLessThan(0.02)
  })

  test('sinks are what keeps it fluent: without them the perplexity is far higher', async () => {
    const tokens = [...model.tokenize(prose())].slice(0, 801)
    const perplexities = []
    for (const sinks of [0, 4]) {
      const sequence = model.createSequence({ sinks, window: 256 - sinks })
      await sequence.append(tokens.slice(0, 401))
      perplexities.push(perplexity(await sequence.score(tokens.slice(401))))
      await sequence.close()
    }
    expect(perplexities[0]! / perplexities[1]!).toBeGreaterThan(1.2)
  })

  test('goes on for many turns in a small window: bounded cache, whole characters, no template tokens in the text', async () => {
    const chat = model.createChat({ sinks: 4, window: 252, seed: 3 })
    // How long its replies are depends on how the build rounds.
    for (let turn = 0; turn < 8 || chat.usage.evictedTokens <= 300; turn++) {
      expect(turn).toBeLessThan(40)
      const { text, usage } = await chat.ask(`Tell me something about the number ${turn}, with an emoji.`, {
        maxTokens: 80,
      })
      expect(usage.cachedTokens).toBeLessThanOrEqual(4 + 252 + 1)
      expect(text).not.toMatch(/<\|im_|\uFFFD/)
      expect(text.trim().length).toBeGreaterThan(0)
    }
    await chat.close()
  })

  test('answers after turns that were stopped before their first token', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const chat = model.createChat({ sinks: 4, window: 252, seed })
      for (let i = 0; i < 3; i++)
        await expect(chat.ask('Name a river.', { signal: AbortSignal.abort() })).rejects.toThrow()
      expect((await chat.ask('Name a river.', { maxTokens: 8 })).text.trim()).not.toBe('')
      await chat.close()
    }
  })

  test('the same seed gives the same reply, on as many threads as the library chooses', async () => {
    await using other = await loadModel(realModelPath)
    const replies = []
    for (let i = 0; i < 2; i++) {
      const chat = other.createChat({ seed: 42 })
      replies.push((await chat.ask('Write a line of a poem.', { maxTokens: 40 })).text)
      await chat.close()
    }
    expect(replies[1]).toBe(replies[0])
  })

  test('streamChat decodes only what is new', async () => {
    const messages: ChatMessage[] = [{ role: 'user', content: `Remember the word ${'blue '.repeat(60)}` }]
    let text = ''
    for await (const event of streamChat({ model, messages, maxTokens: 20 }))
      if (event.type === 'text') text += event.text
    messages.push({ role: 'assistant', content: text }, { role: 'user', content: 'Which word?' })
    for await (const event of streamChat({ model, messages, maxTokens: 20 })) {
      if (event.type === 'finish') expect(event.usage.promptTokens).toBeLessThan(20)
    }
  })
})
