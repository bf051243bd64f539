import type { ChatMessage } from '../../../lib/index.js'
import { withAnswers } from '../../../lib/tools/call-answers.js'
import { fakeModel } from '../../tools/fake-model.js'

const call = (id: string) => ({ id, name: 'f', arguments: {} })
const reply = (...ids: string[]): ChatMessage => ({ role: 'assistant', content: '', toolCalls: ids.map(call) })
const answer = (content: string, toolCallId?: string): ChatMessage => ({
  role: 'tool',
  content,
  ...(toolCallId === undefined ? {} : { toolCallId }),
})
const cancelled = (id: string) => answer('Error: the call was cancelled', id)
const user: ChatMessage = { role: 'user', content: 'Q' }
const plain: ChatMessage = { role: 'assistant', content: 'A' }
const refused = { code: 'INVALID_OPTION', details: expect.objectContaining({ option: 'toolCallId' }) as object }

describe('answers to calls', () => {
  test.each<[string, ChatMessage | undefined, ChatMessage[], ChatMessage[]]>([
    [
      'get the ids of their calls, in order',
      reply('a', 'b'),
      [answer('1'), answer('2')],
      [answer('1', 'a'), answer('2', 'b')],
    ],
    [
      'that are named leave the others',
      reply('a', 'b'),
      [answer('1'), answer('2', 'a')],
      [answer('1', 'b'), answer('2', 'a')],
    ],
    [
      'that are missing are told to be cancelled',
      reply('a', 'b'),
      [answer('1', 'a'), user],
      [cancelled('b'), answer('1', 'a'), user],
    ],
    [
      'of two calls with one id are two',
      reply('a', 'a'),
      [answer('1'), answer('2')],
      [answer('1', 'a'), answer('2', 'a')],
    ],
    [
      'of two calls with one id that are named are two',
      reply('a', 'a'),
      [answer('1', 'a'), answer('2', 'a')],
      [answer('1', 'a'), answer('2', 'a')],
    ],
    [
      'of two calls with one id, of which one is missing',
      reply('a', 'a'),
      [answer('1')],
      [cancelled('a'), answer('1', 'a')],
    ],
    [
      'within what is said',
      undefined,
      [user, reply('a'), answer('1'), plain],
      [user, reply('a'), answer('1', 'a'), plain],
    ],
    [
      'that are missing within what is said',
      undefined,
      [user, reply('a'), plain, user],
      [user, reply('a'), cancelled('a'), plain, user],
    ],
    ['may come later, of the last reply', undefined, [user, reply('a')], [user, reply('a')]],
    ['of no call are as they are given', plain, [answer('1')], [answer('1')]],
  ])('%s', (_name, last, input, expected) => expect(withAnswers(last, input)).toEqual(expected))

  test.each<[string, ChatMessage | undefined, ChatMessage[]]>([
    ['to another call', reply('a'), [answer('1', 'b')]],
    ['too many', reply('a'), [answer('1'), answer('2')]],
    ['twice to the same', reply('a', 'b'), [answer('1', 'a'), answer('2', 'a')]],
    ['to another call within what is said', undefined, [user, reply('a'), answer('1', 'b'), plain]],
  ])('%s are refused', (_name, last, input) =>
    expect(() => withAnswers(last, input)).toThrow(expect.objectContaining(refused)),
  )
})

describe('candidates and add', () => {
  const made = async () => {
    const { model } = fakeModel()
    const chat = model.createChat({ window: 1500 })
    await chat.add([user, reply('a')])
    return chat
  }

  test('tell of a call that was left open', async () => {
    const chat = await made()
    const [candidate] = await chat.candidates('other', 1)
    expect(candidate!.chat.messages.slice(2, -1)).toEqual([cancelled('a'), { role: 'user', content: 'other' }])
    expect(chat.messages).toHaveLength(2)
    await chat.add([user, plain])
    expect(chat.messages.slice(2)).toEqual([cancelled('a'), user, plain])
  })

  test('give answers the ids of their calls, and refuse those of none', async () => {
    const chat = await made()
    const [candidate] = await chat.candidates(answer('R'), 1)
    expect(candidate!.chat.messages[2]).toEqual(answer('R', 'a'))
    await expect(chat.candidates(answer('R', 'b'), 1)).rejects.toMatchObject(refused)
    await expect(chat.add([answer('R', 'b'), plain])).rejects.toMatchObject(refused)
    expect(chat.messages).toHaveLength(2)
    await chat.add([answer('R'), plain])
    expect(chat.messages.slice(2)).toEqual([answer('R', 'a'), plain])
  })
})
