import { Command } from 'commander'
import { parseGenerateOptions } from '../../../lib/chat/parse-options.js'
import { addSamplingOptions, type SamplingFlags, samplingOptions } from '../../../lib/cli/sampling-options.js'
import { samplingSchemas } from '../../../lib/options/sampling.js'

function parse(...args: string[]) {
  const command = addSamplingOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  command.parse(args, { from: 'user' })
  return samplingOptions(command.opts<SamplingFlags>())
}

test.each([
  [[], {}],
  [['--temperature', '0', '--top-k', '3', '--seed', '7'], { temperature: 0, topK: 3, seed: 7 }],
  [['--penalty-tokens', 'window'], { penaltyTokens: 'window' }],
  [['--penalty-tokens', '8', '--frequency-penalty', '-0.5'], { penaltyTokens: 8, frequencyPenalty: -0.5 }],
  [['--dry', '--xtc', 'probability=0.3'], { dry: {}, xtc: { probability: 0.3 } }],
  [['--mirostat', 'version=2,tau=4'], { mirostat: { version: 2, tau: 4 } }],
  [
    ['--logit-bias', '42=-5', ' a=b=false', '--min-p', '0.1'],
    {
      minP: 0.1,
      logitBias: [
        [42, -5],
        [' a=b', false],
      ],
    },
  ],
])('%j', (args, options) => {
  expect(parse(...args)).toEqual(options)
  expect(() => parseGenerateOptions(options)).not.toThrow()
})

test.each([
  [['--top-k', 'x'], 'It must be a number.'],
  [['--dry', 'strong'], 'It must be name=number'],
  [['--dry', 'base=x'], 'It must be a number.'],
  [['--logit-bias', '5'], 'It must be token=number'],
])('%j is refused', (args, message) => {
  expect(() => parse(...args)).toThrow(message)
})

test('each sampling option of the API has a flag', () => {
  const flags = addSamplingOptions(new Command()).options.map(option => option.attributeName())
  expect(flags.sort()).toEqual(Object.keys(samplingSchemas).sort())
})

test('settings that there are not are for the library to refuse', () => {
  expect(() => parseGenerateOptions(parse('--dry', 'strength=1'))).toThrow("unknown option 'dry.strength'")
})
