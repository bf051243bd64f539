import { type ChatMessage, streamChat, type Usage } from '../../lib/index.js'
import { model } from '../tools/real-model.js'

const system = 'Answer in a few words.'
const sights = [
  'a river',
  'the old bridge',
  'two boats',
  'an apple tree',
  'a red door',
  'some geese',
  'the mill',
  'a stone wall',
  'a market',
  'the last bus',
  'a ladder',
]

/** What the template writes between a reply and the next one. */
const between = (question: string) => `<|im_end|>\n<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`
const tokens = (text: string) => model.tokenize(text, { special: true }).length

describe('a caller who sends the whole history each time', () => {
  test.each([
    ['token', 100, 200],
    ['turn', 60, 200],
  ] as const)('pays for the new message alone, by %s', async (evict, calls, window) => {
    const messages: ChatMessage[] = [{ role: 'system', content: system }]
    let seen = 0
    for (let call = 0; call < calls; call++) {
      const question = `I see ${sights[call % sights.length]} at number ${call}. What is it for?`
      messages.push({ role: 'user', content: question })
      let text = ''
      let usage: Usage | undefined
      for await (const event of streamChat({
        model,
        messages: [...messages],
        evict,
        window,
        maxTokens: 4,
        seed: call,
      })) {
        if (event.type === 'text') text += event.text
        if (event.type === 'finish') usage = event.usage
      }
      messages.push({ role: 'assistant', content: text })
      const opening = `<|im_start|>system\n${system}${between(question)}`
      expect({ call, promptTokens: usage?.promptTokens }).toEqual({
        call,
        promptTokens: tokens(call === 0 ? opening : between(question)),
      })
      expect(usage!.seenTokens).toBe(seen + usage!.promptTokens + usage!.completionTokens)
      seen = usage!.seenTokens
      expect(usage!.cachedTokens).toBeLessThanOrEqual(4 + window + 1)
    }
    expect(seen).toBeGreaterThan(4 * (4 + window))
  })
})
