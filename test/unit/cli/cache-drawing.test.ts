import { type CacheContents, cacheText } from '../../../lib/cli/cache-drawing.js'

const contents = (cachedTokens: number, evictedTokens: number, more: Partial<CacheContents> = {}): CacheContents => ({
  limits: { sinks: 4, window: 60, evict: 'token' },
  usage: { cachedTokens, evictedTokens },
  messages: [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Good\n\nday' },
  ],
  ...more,
})
const lines = (...given: Parameters<typeof contents>) => cacheText(contents(...given), 64).split('\n')

test('what is free stands at the end, one column a token here', () => {
  expect(lines(32, 0)).toEqual([
    `${'\u2593'.repeat(4)}${'\u2588'.repeat(28)}${'\u2591'.repeat(32)}`,
    '\u2593 4 sinks  \u2588 28 of 60 in the window  \u2591 32 free',
    '',
    '2 messages are whole in the window, oldest first.',
    '  user       Hello',
    '  assistant  Good day',
  ])
})

test('what was evicted is a gap behind the sinks, and its message is not whole', () => {
  expect(lines(65, 1234)).toEqual([
    `${'\u2593'.repeat(4)}${'\u00b7'.repeat(8)}${'\u2588'.repeat(52)}`,
    '\u2593 4 sinks  \u00b7 1,234 evicted (not to scale)  \u2588 60 of 60 in the window  1 waiting to be decoded',
    '',
    '1 message is whole in the window, oldest first. Of the one before them the beginning has left.',
    '  assistant  Good day',
  ])
})

test('whole turns leave whole', () => {
  const limits = { sinks: 4, window: 60, evict: 'turn' } as const
  expect(lines(40, 100, { limits })[3]).toBe('2 messages are whole in the window, oldest first.')
  expect(lines(64, 100, { limits, messages: [{ role: 'assistant', content: 'the end of much' }] })[3]).toBe(
    'No message is whole in the window. Of the latest the beginning has left.',
  )
})

test('an empty cache', () => {
  expect(lines(0, 0, { messages: [] })).toEqual([
    '\u2591'.repeat(64),
    '\u2593 0 sinks  \u2588 0 of 60 in the window  \u2591 60 free'.replace('60 free', '64 free'),
    '',
    'No message is whole in the window.',
  ])
})

test.each([
  [0, 0],
  [1, 0],
  [5, 0],
  [63, 0],
  [64, 0],
  [64, 9],
  [65, 9],
  [20, 9],
])('%d tokens, %d evicted: the bar is as wide as the screen', (cached, evicted) => {
  for (const width of [20, 33, 80, 211]) {
    for (const limits of [
      { sinks: 4, window: 60 },
      { sinks: 0, window: 64 },
      { sinks: 63, window: 1 },
      { sinks: 4, window: 100_000 },
    ]) {
      expect(
        cacheText(contents(cached, evicted, { limits: { ...limits, evict: 'token' } }), width).split('\n')[0],
      ).toHaveLength(width)
    }
  }
})

test('of many messages the first and the last are listed, and long ones are cut', () => {
  const messages = Array.from({ length: 30 }, (_, i) => ({ role: 'user', content: `${i} ${'word '.repeat(40)}` }))
  const listed = lines(64, 0, { messages }).slice(4)
  expect(listed).toHaveLength(21)
  expect(listed[10]).toBe('  (10 more)')
  expect(listed[20]).toMatch(/^ {2}user {7}29 word .*\.\.\.$/)
  expect(listed[20]).toHaveLength(64)
})
