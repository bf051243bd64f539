import { Command, InvalidArgumentError, Option } from 'commander'
import type { SamplingOptions } from '../options/parse.js'
import { toNumber } from './shared-options.js'

/** The flags that say how tokens are chosen. Named as the options of the API, which say what values they take. */
export type SamplingFlags = { [Name in keyof Omit<SamplingOptions, NestedName>]: SamplingOptions[Name] } & {
  [Name in NestedName]?: true | SamplingOptions[Name]
}

type NestedName = 'dynamicTemperature' | 'xtc' | 'mirostat' | 'adaptiveP' | 'dry'

const nested: readonly NestedName[] = ['dynamicTemperature', 'xtc', 'mirostat', 'adaptiveP', 'dry']
const plain = [
  'temperature',
  'topK',
  'topP',
  'minP',
  'typicalP',
  'topNSigma',
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'penaltyTokens',
  'logitBias',
  'seed',
] as const satisfies readonly Exclude<keyof SamplingOptions, NestedName>[]
const group = 'Sampling:'

export function addSamplingOptions(command: Command): Command {
  const number = (flag: string, help: string) =>
    command.addOption(new Option(`--${flag}`, help).argParser(toNumber).helpGroup(group))
  const settings = (flag: string, help: string) =>
    command.addOption(new Option(`--${flag} [settings]`, help).argParser(toSettings).helpGroup(group))
  number('temperature <value>', '0 always takes the likeliest token')
  number('top-k <count>', 'only so many of the likeliest tokens; 0 means all')
  number('top-p <share>', 'only the likeliest tokens that together have this probability')
  number('min-p <share>', "only tokens with this share of the likeliest one's probability")
  number('typical-p <share>', 'locally typical sampling; 1 is off')
  number(
    'top-n-sigma <deviations>',
    'only tokens at most so many standard deviations below the largest logit; 0 is off',
  )
  settings('dynamic-temperature', 'higher where the model is unsure: range=0.5,exponent=1')
  settings('xtc', 'leave the likeliest tokens out at times: probability=0.5,threshold=0.1')
  settings('mirostat', 'keep the surprise near a target: version=2,tau=5,eta=0.1')
  settings('adaptive-p', 'choose tokens near a wanted probability: target=0.5,decay=0.9')
  number('repeat-penalty <value>', 'divide the logits of tokens that have come lately; 1 is off')
  number('frequency-penalty <value>', "take from a token's logit for each time it has come")
  number('presence-penalty <value>', "take from a token's logit once it has come")
  command.addOption(
    new Option('--penalty-tokens <count>', 'how many of the latest tokens the three penalties look at, or "window"')
      .argParser(text => (text === 'window' ? text : toNumber(text)))
      .helpGroup(group),
  )
  settings('dry', 'discourage the repetition of phrases: multiplier=0.8,base=1.75,allowedLength=2,tokens=1024')
  command.addOption(
    new Option(
      '--logit-bias <token=value...>',
      'add to the logits of tokens, each by its number or its text; "false" rules one out',
    )
      .argParser(toBias)
      .helpGroup(group),
  )
  number('seed <number>', 'the same seed gives the same reply')
  return command
}

/** As the API takes them: what was given alone. */
export function samplingOptions(flags: SamplingFlags): SamplingOptions {
  const given = [...plain, ...nested].map(name => [name, flags[name] === true ? {} : flags[name]] as const)
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

/**
 * A value as the flag of this option takes it, undefined where the flag does not go without one. Several values of a
 * flag stand as in a shell, with quotes around those with blanks in them.
 *
 * @throws {InvalidArgumentError}
 */
export function readSamplingFlag(name: keyof SamplingOptions, text: string): unknown {
  const option = addSamplingOptions(new Command()).options.find(each => each.attributeName() === name)
  const parse = option?.parseArg
  if (option === undefined || parse === undefined) return text
  if (text === '') return option.optional ? {} : undefined
  if (option.variadic) return shellWords(text).reduce<unknown>((before, word) => parse(word, before), undefined)
  try {
    return parse<unknown>(text, undefined)
  } catch (error) {
    if (option.optional) throw error
    return text // no number: the library says what it has to be
  }
}

function shellWords(text: string): string[] {
  return (text.match(/(?:"[^"]*"|'[^']*'|[^\s"']|["'])+/g) ?? []).map(word =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double: string | undefined, single: string) => double ?? single),
  )
}

/** `name=number,name=number`, which is for the library to check. */
function toSettings(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map(setting => {
      const [, name, value] = /^(\w+)=(.+)$/.exec(setting) ?? []
      if (name === undefined || value === undefined)
        throw new InvalidArgumentError('It must be name=number, with commas between several.')
      return [name, toNumber(value)]
    }),
  )
}

function toBias(text: string, before: SamplingOptions['logitBias'] = []): SamplingOptions['logitBias'] {
  const [, token, value] = /^(.+)=([^=]+)$/s.exec(text) ?? []
  if (token === undefined || value === undefined)
    throw new InvalidArgumentError('It must be token=number or token=false.')
  return [...before, [/^\d+$/.test(token) ? Number(token) : token, value === 'false' ? false : toNumber(value)]]
}
