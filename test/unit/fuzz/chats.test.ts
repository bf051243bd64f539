import { drawProgram } from '../../../scripts/fuzz/chats/draw.js'
import { ExpectedChat, type Observed } from '../../../scripts/fuzz/chats/expected-chat.js'
import { countOperations, type Operation, type Program, shown } from '../../../scripts/fuzz/chats/program.js'
import { shrink } from '../../../scripts/fuzz/chats/shrink.js'
import { SeededRandom } from '../../tools/tiny-random.js'

const exchange = [
  { role: 'user', content: 'Who?' },
  { role: 'assistant', content: 'I.' },
]
const prompt = '<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nI.'

function expected(keepsAll = false): ExpectedChat {
  return new ExpectedChat(exchange, 'Be brief.', { bosText: '<s>', keepsAll })
}

/** Everything is there, a character a token, but for what is given. */
function observed(more: Partial<Observed> = {}): Observed {
  const usage = { seenTokens: 120, cachedTokens: 120, evictedTokens: 0 }
  return {
    messages: exchange,
    present: exchange,
    system: 'Be brief.',
    kept: prompt,
    sinks: prompt.slice(0, 4),
    window: prompt.slice(4),
    windowStart: prompt.slice(4, 10),
    keptTokens: 120,
    usage,
    ...more,
  }
}

describe('what a conversation should hold', () => {
  test('agrees with one that holds it, and with nothing else', () => {
    expect(expected().compare(observed())).toBeUndefined()
    expect(expected().compare(observed({ kept: `${prompt}<|im_end|>` }))).toMatch(/^kept:/)
    expect(expected().compare(observed({ kept: prompt.replace('I.', 'I') }))).toMatch(/^kept:/)
    expect(expected().compare(observed({ messages: [], present: [] }))).toMatch(/^messages:/)
    expect(expected().compare(observed({ system: undefined }))).toMatch(/^system:/)
    expect(expected().compare(observed({ keptTokens: 119 }))).toMatch(/^usage:/)
    expect(expected().compare(observed({ usage: { seenTokens: 121, cachedTokens: 120, evictedTokens: 0 } }))).toMatch(
      /^usage:/,
    )
  })

  test('agrees with sinks and an end of it where tokens were evicted, and learns which messages have left', () => {
    const window = prompt.slice(prompt.indexOf('I.'))
    const evicted = {
      window,
      windowStart: '',
      kept: prompt.slice(0, 4) + window,
      usage: { seenTokens: 150, cachedTokens: 120, evictedTokens: 30 },
    }
    const chat = expected()
    expect(chat.compare(observed(evicted))).toMatch(/^messages:/)
    expect(
      chat.compare(observed({ ...evicted, messages: exchange.slice(1), present: exchange.slice(1) })),
    ).toBeUndefined()
    expect(chat.messages).toEqual(exchange.slice(1))
    expect(chat.hasReply).toBe(false)
    expect(expected().compare(observed({ ...evicted, window: window.slice(0, -1) }))).toMatch(/^kept:/)
    expect(expected().compare(observed({ ...evicted, sinks: 'else' }))).toMatch(/^kept: sinks/)
    const all = expected(true)
    expect(all.compare(observed({ ...evicted, present: exchange.slice(1) }))).toBeUndefined()
    expect(all.messages).toEqual(exchange)
  })

  test('agrees with one that was decoded anew from what was in the window', () => {
    const chat = expected().say([
      { role: 'user', content: 'Why?' },
      { role: 'assistant', content: 'So.' },
    ])
    const kept =
      '<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.'
    const messages = chat.messages.slice(2)
    const anew = observed({
      messages,
      present: messages,
      kept,
      sinks: kept.slice(0, 4),
      window: kept.slice(4),
      usage: { seenTokens: 150, cachedTokens: 120, evictedTokens: 30 },
    })
    expect(chat.compare(anew)).toBeUndefined()
  })
})

describe('a random program', () => {
  test('is the same for the same seed, as long as it should be, and can be read', () => {
    const program = drawProgram(new SeededRandom(5), 100, 'mamba')
    expect(drawProgram(new SeededRandom(5), 100, 'mamba')).toEqual(program)
    expect(drawProgram(new SeededRandom(6), 100, 'mamba')).not.toEqual(program)
    expect(countOperations(program.operations)).toBe(100)
    expect(shown(program).split('\n').slice(0, 2)).toEqual([
      expect.stringMatching(/^model \{memory: "mamba", /),
      expect.stringMatching(/^c1 = create \{options: /),
    ])
  })

  test('becomes as short as it can be while it shows the same', async () => {
    const flat = (operations: Operation[]): Operation[] =>
      operations.flatMap(each => (each.do === 'together' ? flat(each.operations) : [each]))
    // A fork of a chat that has been undone before.
    const fault = async ({ operations }: Program) => {
      const all = flat(operations)
      return all.some(
        (each, i) =>
          each.do === 'fork' && all.slice(0, i).some(before => before.do === 'undo' && before.chat === each.chat),
      )
    }
    let program
    for (let seed = 0; program === undefined || !(await fault(program)); seed++)
      program = drawProgram(new SeededRandom(seed), 100, 'llama')
    const { operations } = await shrink(program, fault, 2_000)
    expect(operations.map(each => each.do)).toEqual(['undo', 'fork'])
  })
})
