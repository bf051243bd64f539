import { ReplyReader } from '../../lib/reply/reply-reader.js'
import { callSyntaxes } from '../../lib/tools/call-syntax.js'
import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'
import type { TestAddon } from '../tools/test-addon.js'

let addon: TestAddon
beforeAll(() => {
  addon = openAddon()
})

const mark = '<tool_call>'
const watch = (pieces: readonly string[], before = '') => {
  const watched = new addon.TriggerWatch([mark, '[CALL]'], '<think>', '</think>', before)
  for (const piece of pieces) {
    const { triggered } = watched.read(piece)
    if (triggered >= 0) return triggered
  }
  return -1
}

test.each<[reply: string, triggered: boolean, before?: string]>([
  ['<tool_call>', true],
  ['So <tool_call>', true],
  ['[CALL', false],
  ['[CALL]', true],
  ['<think>I may write <tool_call> here', false],
  ['<think>I may write <tool_call> here</think> <tool_call>', true],
  ['\n <think>a</think>\n<think>[CALL]</think>', false],
  ['\n <think>a</think>\n<think>[CALL]</think>[CALL]', true],
  ['The mark <think> and [CALL]', true],
  ['<tool_call>', false, '<think>'],
  ['so</think><tool_call>', true, '<think>'],
  ['<tool_call>', false, '<think>\nHm, </th'],
  ['ink><tool_call>', true, '<think>\nHm, </th'],
  ['<think><tool_call>', true, 'Well. '],
  ['call>', false, '<tool_'],
])('%s: %s', (reply, triggered, before = '') => {
  for (const pieces of [[reply], reply.split(''), reply.split(/(?<=>)/)])
    expect(watch(pieces, before) >= 0).toBe(triggered)
})

test('tells how much has been read from the trigger on', () => {
  expect(watch(['a </think>', '<tool_', 'call>{"'], '<think>')).toBe('<tool_call>{"'.length)
  expect(watch(['a </think><tool_call>x'], '<think>')).toBe('<tool_call>x'.length)
})

// The grammar holds the model to calls, and the reader reads them: else nothing would come of a reply.
test('triggers where a reader reads a call, and nowhere else', () => {
  const parts = ['<think>', '</think>', mark, '<think', '</thi', 'nk>', '<tool_', 'call>', ' ', '\n', 'text', 'é', '<']
  const random = seeded(3)
  let triggered = 0
  for (let i = 0; i < 3000; i++) {
    const isOpen = random.chance(0.3)
    const pieces = Array.from({ length: 1 + random.below(9) }, () => parts[random.below(parts.length)]!)
    const reader = new ReplyReader({ tools: { now: {} }, syntax: callSyntaxes.hermes, reasoningOpen: isOpen })
    const read = [...pieces.flatMap(piece => reader.push(piece)), ...reader.end()]
    const isCall = read.some(({ type }) => type === 'tool-call' || type === 'invalid-tool-call')
    expect([pieces, watch(pieces, isOpen ? '<think>' : '') >= 0]).toEqual([pieces, isCall])
    if (isCall) triggered++
  }
  expect(triggered).toBeGreaterThan(300)
})

test('keeps no more than a mark is long', () => {
  const watched = new addon.TriggerWatch([mark], '<think>', '</think>', '')
  for (const piece of [' '.repeat(500), '<think>', 'x'.repeat(500), '</think>', '\n'.repeat(500), 'y'.repeat(500)])
    expect(watched.read(piece).kept).toBeLessThan(mark.length)
})
