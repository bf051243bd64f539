import type { ChatMessage } from '../../../lib/messages.js'
import { piecesText } from '../../../lib/templates/chat-template.js'
import {
  assistant,
  chatml,
  deepseek,
  gemma,
  headers,
  inst,
  lastUser,
  make,
  plain,
  reasoning,
  roleTokens,
  samples,
  system,
  thrown,
  tool,
  user,
} from './samples.js'

const history = (exchanges: number): ChatMessage[] =>
  Array.from({ length: exchanges }, (_, i) => [user(`q${i} <|im_end|>?`), assistant(`a${i} of it`)]).flat()

describe('traits found by the probe', () => {
  test.each([
    ['chatml', true, false],
    ['headers', true, false],
    ['inst', true, false],
    ['lastUser', false, false],
    ['gemma', true, false],
    ['reasoning', true, true],
    ['reasoningTokens', true, true],
    ['deepseek', false, true],
    ['roleTokens', true, false],
    ['json', false, false],
    ['cleaning', true, false],
  ] as const)('%s: incremental %s, rewrites reasoning %s', (name, incremental, rewritesReasoning) => {
    const template = make(samples[name])
    expect({ incremental: template.incremental, rewritesReasoning: template.rewritesReasoning }).toEqual({
      incremental,
      rewritesReasoning: name === 'json' ? true : rewritesReasoning, // escaped, so not as it was written
    })
  })

  test('a template that counts turns is not incremental', () => {
    const source =
      "{% for m in messages %}<|im_start|>{{ m.role }} {{ loop.index }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant {{ (messages | length + 1) ~ '\n' }}"
    const template = make({ ...chatml, source })
    expect(template.incremental).toBe(false)
    expect(thrown(() => template.continueTurn([user('x')]))).toMatchObject({ code: 'TEMPLATE_FAILED' })
  })

  test('a template that shows only the latest exchanges is not incremental', () => {
    const source =
      "{% for m in messages[-5:] %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}"
    expect(make({ ...chatml, source }).incremental).toBe(false)
  })
})

describe('continueTurn is the end of the whole rendering', () => {
  const cases = { chatml, headers, inst, gemma, reasoning, roleTokens }
  test.each(Object.keys(cases) as (keyof typeof cases)[])('%s', name => {
    const sample = cases[name]
    const template = make(sample)
    const news = ['reasoning', 'chatml', 'headers', 'roleTokens'].includes(name)
      ? [[user('next?')], [tool('{"a": 1}')], [tool('1'), tool('<|im_end|>'), user(' so? ')], []]
      : [[user(' next <|im_end|>[INST] ? ')]]
    for (const head of name === 'gemma' ? [[]] : [[], [system('Short.')], [system('')]]) {
      for (const exchanges of [0, 1, 2, 4, 7, 30]) {
        for (const added of news) {
          const before = [...head, ...history(exchanges), user('and'), assistant('LAST REPLY')]
          const whole = plain(sample, [...before, ...added], true)
          const continued = piecesText(template.continueTurn(added, { system: head[0]?.content }).pieces)
          expect(continued).toBe(whole.slice(whole.indexOf('LAST REPLY') + 'LAST REPLY'.length))
        }
      }
    }
  })

  test('turn by turn, a conversation becomes the whole', () => {
    const template = make(inst)
    let text = piecesText(template.render([system('S'), user('q0')], true))
    const messages = [system('S'), user('q0')]
    for (let i = 1; i < 20; i++) {
      const added = [user(`q${i}`)]
      text += ` a${i}${piecesText(template.continueTurn(added, { system: 'S' }).pieces)}`
      messages.push(assistant(`a${i}`), ...added)
    }
    // the template writes a space before the reply, which is here the model's own
    expect(text).toBe(plain(inst, messages, true))
  })

  test('what people wrote stays text in a turn', () => {
    expect(make(chatml).continueTurn([user('a<|im_end|>b')]).pieces).toEqual([
      { special: true, text: '<|im_end|>\n<|im_start|>user\na' },
      { special: false, text: '<|im_end|>' },
      { special: true, text: 'b<|im_end|>\n<|im_start|>assistant\n' },
    ])
  })
})

describe('renderSystem', () => {
  test.each(['chatml', 'headers', 'reasoning', 'roleTokens', 'cleaning'] as const)(
    '%s: a prefix of every conversation',
    name => {
      const sample = samples[name]
      for (const text of ['Be short.', ' spaced \n', 'a<|im_end|>b', 'x'.repeat(2000)]) {
        const prefix = piecesText(make(sample).renderSystem(text)!)
        expect(prefix).toContain(text.trim().slice(0, 1))
        for (const rest of [[user('hello')], [user(' <|im_start|>')], [user('a'), assistant('b'), user('c')]]) {
          const whole = plain(sample, [system(text), ...rest], true)
          expect(whole.startsWith(prefix)).toBe(true)
          expect(whole.slice(prefix.length)).toMatch(/^<\|/) // a turn begins there
        }
      }
    },
  )

  test('ends with the message', () => {
    expect(make(chatml).renderSystem('S')).toEqual([{ special: true, text: '<|im_start|>system\nS<|im_end|>\n' }])
    expect(make(reasoning).renderSystem('S<|im_end|>')).toEqual([
      { special: true, text: '<|im_start|>system\nS' },
      { special: false, text: '<|im_end|>' },
      { special: true, text: '<|im_end|>\n' },
    ])
    expect(make(deepseek).renderSystem('S')).toEqual([{ special: true, text: '<｜begin▁of▁sentence｜>S' }])
  })

  test('ends with the message where the template leaves the last message open', () => {
    const source =
      "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '<|im_start|>system\\nBe of use.<|im_end|>\\n' }}{% endif %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}{% if not loop.last or add_generation_prompt %}{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    expect(make({ ...chatml, source }).renderSystem('S')).toEqual([
      { special: true, text: '<|im_start|>system\nS<|im_end|>\n' },
    ])
  })

  test('of templates without headers', () => {
    const source = '{% for m in messages %}{{ m.content + eos_token }}{% endfor %}'
    expect(make({ ...inst, source }).renderSystem('S')).toEqual([{ special: true, text: 'S</s>' }])
  })

  test.each([
    ['inst', inst],
    ['lastUser', lastUser],
    ['gemma', gemma],
  ] as const)('%s has none', (_, sample) => {
    expect(make(sample).renderSystem('S')).toBeUndefined()
  })
})
