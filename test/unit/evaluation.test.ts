import { parseCached } from '../../research/evaluation/cached-turns.js'
import { factRounds } from '../../research/evaluation/facts.js'
import { questionsOf } from '../../research/evaluation/questions.js'
import { quality } from '../../research/evaluation/reply-quality.js'
import { scriptedTurn } from '../../research/evaluation/scripted-turns.js'

describe('what a cache holds', () => {
  const opening = '<|im_start|>system\nS<|im_end|>\n'
  const asked = '<|im_start|>user\nOne?<|im_end|>\n'
  const replied = '<|im_start|>assistant\nYes.'

  test('is parsed into whole messages', () => {
    expect(parseCached(`${opening}${asked}${replied}<|im_end|>\n${asked}${replied}`, 'S')).toEqual([
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Yes.' },
    ])
  })

  test.each([
    ['without the system prompt', `${asked}${replied}`, /does not begin with the system prompt/],
    ['cut within the system prompt', `<|im_start|>system\n${asked}${replied}`, /does not begin with the system prompt/],
    ['cut within a message', `${opening}ne?<|im_end|>\n${replied}`, /no message begins/],
    ['cut between question and reply', `${opening}${replied}<|im_end|>\n${asked}${replied}`, /not the user's/],
    ['cut within the first role', `${opening}user\nOne?<|im_end|>\n${replied}`, /no message begins/],
    ['with a message that is not closed', `${opening}<|im_start|>user\nOne?${replied}`, /not closed/],
    ['with a control token in a reply', `${opening}${asked}${replied}<|im_end|>`, /control token/],
    ['with a question as the last message', `${opening}${asked.slice(0, -11)}`, /not the assistant's/],
  ])('is refused %s', (_name, text, why) => {
    expect(parseCached(text, 'S')).toMatch(why)
  })
})

describe('scripted turns', () => {
  test('have all slots filled, and no sign', () => {
    for (let turn = 1; turn <= 500; turn++) {
      const { question, reply } = scriptedTurn(turn)
      expect(question.content + reply.content).not.toMatch(/[{}]|undefined|REPLY/)
    }
  })

  test('are all different, with the same ten topics in any ten in a row', () => {
    const replies = Array.from({ length: 500 }, (_, i) => scriptedTurn(i + 1).reply.content)
    expect(new Set(replies).size).toBe(500)
    const openings = replies.map(reply => reply.split(' ').slice(0, 2).join(' '))
    expect(openings.slice(10)).toEqual(openings.slice(0, -10))
    expect(new Set(openings.slice(3, 13)).size).toBe(10)
  })

  test('can be cut to some sentences', () => {
    expect(scriptedTurn(7, 2).reply.content.split('. ')).toHaveLength(2)
  })
})

test('the questions of a conversation depend on its seed alone', () => {
  expect(questionsOf(3, 130)).toEqual(questionsOf(3, 130))
  expect(questionsOf(3, 130)).not.toEqual(questionsOf(4, 130))
  expect([...questionsOf(3, 60)].sort()).toEqual([...questionsOf(4, 60)].sort())
})

test('facts are asked for by a question that does not tell them', () => {
  for (const { before, question, reply, name } of factRounds(252)) {
    expect(question).not.toContain(name)
    expect(reply).toContain(name)
    expect(before[0]!.filter(({ content }) => content.includes(name))).toHaveLength(1)
  }
})

test('the faults of replies are counted', () => {
  const reply = (text: string, reason: 'end' | 'length' = 'end') => ({ question: 'Why?', text, reason })
  const faults = quality([
    reply('It rains today.'),
    reply('it is what it is it is what it is it is what it is', 'length'),
    reply('It rains today. '),
    reply(''),
    reply('Yes.<|im_end|>'),
    reply('Yes.\nUser: And then?'),
    reply('Why? Because.'),
    reply('Hm.'),
  ])
  expect(faults).toMatchObject({
    loops: 1 / 8,
    copies: 1 / 8,
    empty: 1 / 8,
    endless: 1 / 8,
    controls: 1 / 8,
    asUser: 2 / 8,
  })
  expect(faults.compression).toBeGreaterThan(0)
  expect(faults.distinctPairs).toBeLessThan(1)
})
