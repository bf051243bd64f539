import type { Chat, ChatOptions } from '../../../lib/index.js'
import { fakeModel } from '../../tools/fake-model.js'

/** As Qwen's: reasoning of earlier replies is left out. `opens`: prompts end within the reasoning. */
const template = (opens: boolean, rewrites = true) =>
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}" +
  (rewrites
    ? "{% if m['role'] == 'assistant' and not loop.last %}{{ m['content'].split('</think>')[-1] }}{% else %}"
    : '') +
  "{{ m['content'] }}" +
  (rewrites ? '{% endif %}' : '') +
  "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n" +
  (opens ? '<think>\\n' : '') +
  "' }}{% endif %}" +
  (rewrites ? '' : '{# </think> #}')

const told = (...messages: string[]) =>
  messages.map((text, i) => `<|im_start|>${i % 2 === 0 ? 'user' : 'assistant'}\n${text}`).join('<|im_end|>\n')

async function spoken(options: ChatOptions, ...answers: string[]): Promise<{ chat: Chat; last: () => string }> {
  const { model, native } = fakeModel({}, {}, ...answers)
  const chat = model.createChat({ window: 2000, sinks: 4, ...options })
  for (const question of ['One', 'Two', 'Three']) await chat.ask(question)
  return { chat, last: () => native.opened.at(-1)!.text }
}

describe('reasoning of earlier replies', () => {
  const cases: [string, ChatOptions][] = [
    ['template', { chatTemplate: template(false), reasoning: 'template' }],
    ['drop', { chatTemplate: template(false), reasoning: 'drop' }],
    ['drop, of a template that keeps it', { chatTemplate: template(false, false), reasoning: 'drop' }],
  ]

  test.each(cases)('%s: does not come back where the conversation is decoded anew', async (_name, options) => {
    const given = { ...options, system: 'A', pinSystem: false }
    const { chat, last } = await spoken(
      given,
      '<think>MY THOUGHT</think>a1',
      'a2',
      '<think>ANOTHER</think>a3',
      'a4',
      'a5',
    )
    expect(last()).not.toContain('MY THOUGHT')
    await chat.setSystem('B')
    await chat.ask('Four')
    const system = '<|im_start|>system\nB<|im_end|>\n'
    expect(last()).toBe(system + told('One', 'a1', 'Two', 'a2', 'Three', 'a3', 'Four', 'a4'))
    // Each message ends where it does: the last exchanges can be taken back.
    await chat.undo(2)
    await chat.ask('Five')
    expect(last()).toBe(system + told('One', 'a1', 'Two', 'a2', 'Five', 'a5'))
  })

  test('keep: stays', async () => {
    const given = { chatTemplate: template(false, false), reasoning: 'keep', system: 'A', pinSystem: false } as const
    const { chat, last } = await spoken(given, '<think>MY THOUGHT</think>a1', 'a2')
    await chat.setSystem('B')
    await chat.ask('Four')
    expect(last()).toContain('<think>MY THOUGHT</think>a1')
  })

  test.each(['template', 'drop'] as const)(
    '%s: one that was cut off is no answer, also where it is decoded anew',
    async reasoning => {
      const given = { chatTemplate: template(true), reasoning, system: 'A', pinSystem: false }
      const { chat, last } = await spoken(given, 'MY THOUGHT', 'so</think>a2', 'so</think>a3')
      expect(chat.messages[1]).toEqual({ role: 'assistant', content: '', reasoning: 'MY THOUGHT' })
      const system = (text: string) => `<|im_start|>system\n${text}<|im_end|>\n`
      expect(last()).toBe(system('A') + told('One', '', 'Two', 'a2', 'Three', '<think>\nso</think>a3'))
      await chat.setSystem('B')
      await chat.ask('Four')
      expect(last()).toBe(system('B') + told('One', '', 'Two', 'a2', 'Three', 'a3', 'Four', '<think>\nso</think>a3'))
    },
  )

  test('an exchange can be added behind a reply that had some', async () => {
    const { chat, last } = await spoken({ chatTemplate: template(false) }, '<think>MY THOUGHT</think>a1')
    await chat.add([{ role: 'assistant', content: 'And more' }])
    expect(last()).toContain('And more')
  })
})
