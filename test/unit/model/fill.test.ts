import { endOf, fillPrompt, fillTokens, startOf } from '../../../lib/model/fill.js'
import { info } from '../../tools/fake-model.js'

const tokens = { prefix: 1001, suffix: 1002, middle: 1003 }
const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i)
const prompt = (before: number, after: number, room: number, beginning?: number) => [
  ...fillPrompt(tokens, beginning, from(100, before), from(500, after), room),
]

test('prefix, suffix, middle; the beginning where there is one', () => {
  expect(prompt(3, 2, 100)).toEqual([1001, 100, 101, 102, 1002, 500, 501, 1003])
  expect(prompt(1, 1, 100, 7)).toEqual([7, 1001, 100, 1002, 500, 1003])
  expect(prompt(0, 0, 100)).toEqual([1001, 1002, 1003])
})

test('of what is too long the end of the prefix and the start of the suffix stay, as many as there is room for', () => {
  expect(prompt(100, 100, 23)).toEqual([1001, ...from(185, 15), 1002, ...from(500, 5), 1003])
  expect(prompt(100, 2, 23)).toEqual([1001, ...from(182, 18), 1002, 500, 501, 1003])
  expect(prompt(3, 100, 23)).toEqual([1001, ...from(100, 3), 1002, ...from(500, 17), 1003])
  for (let before = 0; before < 30; before++) {
    for (let after = 0; after < 30; after++) {
      for (const room of [3, 4, 10, 24]) {
        const { length } = prompt(before, after, room)
        expect(length).toBe(Math.min(room, before + after + 3))
      }
    }
  }
  expect(prompt(5, 5, 0)).toEqual([1001, 1002, 1003])
})

test('long texts are cut before they are tokenized, between characters', () => {
  expect(endOf('ab', 10)).toBe('ab')
  expect(endOf('x'.repeat(1000), 2)).toHaveLength(64)
  expect(startOf('x'.repeat(1000), 2)).toHaveLength(64)
  expect(endOf(`${'\u{1f642}'.repeat(40)}x`, 2)).toBe(`${'\u{1f642}'.repeat(31)}x`)
  expect(startOf(`x${'\u{1f642}'.repeat(40)}`, 2)).toBe(`x${'\u{1f642}'.repeat(31)}`)
  expect(endOf('abc', 0)).toBe('')
  expect(startOf('abc', 0)).toBe('')
})

test('what the vocabulary lacks is named', () => {
  expect(fillTokens({ ...info, fillTokens: tokens }, 'm.gguf')).toEqual(tokens)
  expect(() => fillTokens({ ...info, fillTokens: { prefix: 1 } }, 'm.gguf')).toThrow('no token for suffix, middle')
  expect(() => fillTokens(info, 'm.gguf')).toThrow('prefix, suffix, middle')
})
