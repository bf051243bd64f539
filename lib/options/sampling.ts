import * as v from 'valibot'
import { checkObject, describe, invalid, reading, type Schema, type Schemas } from './check.js'
import { integer, integerOr, number, texts } from './kinds.js'

/** DRY: discourages the repetition of whole phrases. Off unless given. */
export interface DryOptions {
  /** Strength, 0 (off) or more. Default: 0.8. */
  multiplier?: number | undefined
  /** How fast the penalty grows with the length of the repeated phrase, 1 or more. Default: 1.75. */
  base?: number | undefined
  /** Tokens that a repeated phrase may have without a penalty, 0 or more. Default: 2. */
  allowedLength?: number | undefined
  /** How many of the latest tokens are looked through, 1 to 1,048,576. Default: 1,024. */
  tokens?: number | undefined
  /** Texts that a repetition is not followed across, at most 16. Default: a new line, `:`, `"` and `*`. */
  breakers?: string[] | undefined
}

/**
 * XTC ("exclude top choices"): leaves the likeliest tokens out at times, for less predictable text. Off unless given.
 */
export interface XtcOptions {
  /** How often, 0 to 1. Default: 0.5. */
  probability?: number | undefined
  /**
   * Of the tokens that have at least this probability only the unlikeliest stays, 0 to 1; over 0.5 is off. Default:
   * 0.1.
   */
  threshold?: number | undefined
}

/** Dynamic temperature (Zhu et al. 2023): higher where the model is unsure. Off unless given. */
export interface DynamicTemperatureOptions {
  /** The temperature lies between `temperature - range` and `temperature + range`, 0 (off) or more. Default: 0.5. */
  range?: number | undefined
  /** Exponent applied to the normalized entropy before it is mapped to this range, 0 or more. Default: 1. */
  exponent?: number | undefined
}

/**
 * Mirostat (Basu et al. 2021): keeps the surprise of the text near a target, in place of `topK`, `topP`, `minP`,
 * `typicalP`, `topNSigma` and `xtc`. Off unless given.
 */
export interface MirostatOptions {
  /** The algorithm's version, 1 or 2. Default: 2. */
  version?: 1 | 2 | undefined
  /** The wanted surprise in bits, 0 to 32. Default: 5. */
  tau?: number | undefined
  /** How fast it learns, 0 to 1. Default: 0.1. */
  eta?: number | undefined
}

/** Adaptive-p: chooses tokens near a wanted probability. Goes best with `minP` and nothing else. Off unless given. */
export interface AdaptivePOptions {
  /** The wanted probability, 0 to 1. Default: 0.5. */
  target?: number | undefined
  /** How slowly it adapts: it looks at some 1 / (1 - decay) tokens; 0 to 0.99. Default: 0.9. */
  decay?: number | undefined
}

/**
 * How the next token is chosen. Presets in the model's file (`general.sampling.*`) come before the defaults given here.
 */
export interface SamplingOptions {
  /** 0 always takes the likeliest token; higher is more varied. 0 or more. Default: 0.7. */
  temperature?: number | undefined
  /** Dynamic temperature. Default: off. */
  dynamicTemperature?: DynamicTemperatureOptions | undefined
  /** Only the k likeliest tokens; 0 means all. Default: 40. */
  topK?: number | undefined
  /** Only the likeliest tokens that together have this probability, over 0 to 1; 1 means all. Default: 0.95. */
  topP?: number | undefined
  /** Only tokens with at least this share of the likeliest one's probability, 0 to 1; 0 means all. Default: 0.05. */
  minP?: number | undefined
  /** Locally typical sampling, over 0 to 1; 1 is off. Default: 1. */
  typicalP?: number | undefined
  /**
   * Only tokens whose logit is at most so many standard deviations below the largest, 0 or more; 0 is off. Default: 0.
   */
  topNSigma?: number | undefined
  /** Leaves the likeliest tokens out at times. Default: off. */
  xtc?: XtcOptions | undefined
  /** Keeps the surprise near a target. Default: off. */
  mirostat?: MirostatOptions | undefined
  /** Chooses tokens near a wanted probability. Default: off. */
  adaptiveP?: AdaptivePOptions | undefined
  /** Divides the logits of tokens that have come lately, over 0; 1 is off. Default: 1. */
  repeatPenalty?: number | undefined
  /** Taken from the logit of a recent token for each time it has come, -2 to 2; 0 is off. Default: 0. */
  frequencyPenalty?: number | undefined
  /** Taken from the logit of a token that has come lately at all, -2 to 2; 0 is off. Default: 0. */
  presencePenalty?: number | undefined
  /**
   * How many of the latest tokens the three penalties look at, 0 to 1,048,576; `'window'`: all that are kept. Default:
   * 64.
   */
  penaltyTokens?: number | 'window' | undefined
  /** Discourages the repetition of whole phrases. Default: off. */
  dry?: DryOptions | undefined
  /**
   * Added to logits before anything else: pairs of a token, by its number or its text, and a number; `false` rules the
   * token out. At most 1,024. A text must be one token of the model, to the last space, and have at most 1,024
   * characters. Default: none.
   */
  logitBias?: [token: number | string, bias: number | false][] | undefined
  /**
   * The same seed gives the same choices, 0 to 4,294,967,294, as far as logits are the same to the last bit. For
   * replies with a seed, one loaded model keeps the number of threads. To get the same reply from another process, give
   * `threads`, and no `speculation`. Default: another one each time.
   */
  seed?: number | undefined
}

type Part<T> = T extends unknown ? Required<T> : never

/** All of sampling; what is off is missing, and `seed` when a random one is wanted. */
export type ParsedSamplingOptions = Required<
  Omit<SamplingOptions, 'dynamicTemperature' | 'xtc' | 'mirostat' | 'adaptiveP' | 'dry' | 'seed'>
> & {
  dynamicTemperature?: Part<DynamicTemperatureOptions>
  xtc?: Part<XtcOptions>
  mirostat?: Part<MirostatOptions>
  adaptiveP?: Part<AdaptivePOptions>
  dry?: Part<DryOptions>
  seed?: number
}

/** Tokens back: llama.cpp takes memory for all of them, and time for each token of a reply. */
const maxPenaltyTokens = 2 ** 20

const inner = {
  dynamicTemperature: {
    range: number({ min: 0 }),
    exponent: number({ min: 0 }),
  } satisfies Schemas<DynamicTemperatureOptions>,
  xtc: {
    probability: number({ min: 0, max: 1 }),
    threshold: number({ min: 0, max: 1 }),
  } satisfies Schemas<XtcOptions>,
  mirostat: {
    version: v.custom<1 | 2>(value => value === 1 || value === 2, '1 or 2'),
    tau: number({ min: 0, max: 32 }), // twice as much, which it begins with, is an exponent of 2 in 32-bit floats
    eta: number({ min: 0, max: 1 }),
  } satisfies Schemas<MirostatOptions>,
  adaptiveP: {
    target: number({ min: 0, max: 1 }),
    decay: number({ min: 0, max: 0.99 }),
  } satisfies Schemas<AdaptivePOptions>,
  dry: {
    multiplier: number({ min: 0 }),
    base: number({ min: 1 }),
    allowedLength: integer(0),
    tokens: integer(1, maxPenaltyTokens),
    breakers: texts(16, 256),
  } satisfies Schemas<DryOptions>,
}

const innerDefaults = {
  dynamicTemperature: { range: 0.5, exponent: 1 },
  xtc: { probability: 0.5, threshold: 0.1 },
  mirostat: { version: 2, tau: 5, eta: 0.1 },
  adaptiveP: { target: 0.5, decay: 0.9 },
  dry: { multiplier: 0.8, base: 1.75, allowedLength: 2, tokens: 1024, breakers: ['\n', ':', '"', '*'] },
} as const satisfies { [Name in keyof typeof inner]: object }

// Looked into by readSampling, which knows the function's name.
const later = <T>() => v.unknown() as Schema<T>

export const samplingSchemas: Schemas<SamplingOptions> = {
  temperature: number({ min: 0 }),
  dynamicTemperature: later(),
  topK: integer(0),
  topP: number({ over: 0, max: 1 }),
  minP: number({ min: 0, max: 1 }),
  typicalP: number({ over: 0, max: 1 }),
  topNSigma: number({ min: 0 }),
  xtc: later(),
  mirostat: later(),
  adaptiveP: later(),
  repeatPenalty: number({ over: 0 }),
  frequencyPenalty: number({ min: -2, max: 2 }),
  presencePenalty: number({ min: -2, max: 2 }),
  penaltyTokens: integerOr('window', maxPenaltyTokens),
  dry: later(),
  logitBias: later(),
  seed: integer(0, 2 ** 32 - 2), // llama.cpp takes 2^32 - 1 for "a random one"
}

/**
 * What was given over what would be without it: of two ways to choose a token, which exclude each other, the one that
 * was given.
 */
export function mergeSampling(defaults: SamplingOptions, given: SamplingOptions): SamplingOptions {
  const { mirostat, adaptiveP, ...others } = defaults
  const chooses = given.mirostat !== undefined || given.adaptiveP !== undefined
  return { ...others, ...(chooses ? {} : { mirostat, adaptiveP }), ...given }
}

/** The options that have options themselves, checked. */
export function readSampling(call: string, sampling: SamplingOptions): SamplingOptions {
  if (sampling.mirostat !== undefined && sampling.adaptiveP !== undefined)
    throw invalid(call, 'adaptiveP', "'mirostat' and 'adaptiveP' both choose the token; give one of them")
  const read: Record<string, unknown> = { ...sampling }
  for (const name of Object.keys(inner) as (keyof typeof inner)[]) {
    if (sampling[name] !== undefined)
      read[name] = checkObject(call, name, sampling[name], inner[name] as Schemas<object>)
  }
  if (sampling.logitBias !== undefined) read.logitBias = readBias(call, sampling.logitBias)
  return read
}

const maxBiases = 1024
/** Characters of a token's text. */
const maxTokenLength = 1024

function readBias(call: string, given: unknown): SamplingOptions['logitBias'] {
  return reading(call, 'logitBias', () => readPairs(call, given))
}

function readPairs(call: string, given: unknown): SamplingOptions['logitBias'] {
  const expected = `an array of at most ${maxBiases} pairs of a token (its number or its text) and a number or false`
  const wrong = (where: string, value: unknown) =>
    invalid(
      call,
      where,
      `'${where}' must be ${where === 'logitBias' ? expected : 'a pair of a token (its number or its text) and a number or false'}, got ${describe(value)}`,
      expected,
    )
  if (!Array.isArray(given) || given.length > maxBiases) throw wrong('logitBias', given)
  return Array.from(given, (pair: unknown, i): [number | string, number | false] => {
    if (!Array.isArray(pair) || pair.length !== 2) throw wrong(`logitBias[${i}]`, pair)
    const [token, bias] = pair as unknown[]
    const isToken =
      (typeof token === 'string' && token !== '' && token.length <= maxTokenLength) ||
      (Number.isSafeInteger(token) && (token as number) >= 0)
    const isBias = bias === false || (typeof bias === 'number' && Number.isFinite(bias) && Math.abs(bias) <= 3e38)
    if (!isToken) throw wrong(`logitBias[${i}][0]`, token)
    if (!isBias) throw wrong(`logitBias[${i}][1]`, bias)
    return [token as number | string, bias as number | false]
  })
}

/** What was given, and the defaults for the rest. */
export function completeSampling(given: SamplingOptions): ParsedSamplingOptions {
  const { dynamicTemperature, xtc, mirostat, adaptiveP, dry, ...sampling } = given
  const whole = <Name extends keyof typeof inner>(name: Name, part: SamplingOptions[Name]) =>
    part === undefined ? undefined : { ...innerDefaults[name], ...part }
  const parts = {
    dynamicTemperature: whole('dynamicTemperature', dynamicTemperature),
    xtc: whole('xtc', xtc),
    mirostat: whole('mirostat', mirostat),
    adaptiveP: whole('adaptiveP', adaptiveP),
    dry: whole('dry', dry),
  } as Pick<ParsedSamplingOptions, keyof typeof inner>
  return {
    temperature: 0.7,
    topK: 40,
    topP: 0.95,
    minP: 0.05,
    typicalP: 1,
    topNSigma: 0,
    repeatPenalty: 1,
    frequencyPenalty: 0,
    presencePenalty: 0,
    penaltyTokens: 64,
    logitBias: [],
    ...sampling,
    ...parts,
    dry: parts.dry?.multiplier === 0 ? undefined : parts.dry,
  }
}

/** What a model's file says about how it wants to be sampled. */
export function samplingPresets(metadata: ReadonlyMap<string, unknown>): SamplingOptions {
  const presets: Record<string, unknown> = {}
  const take = (name: keyof SamplingOptions, key: string, schema: Schema<unknown>) => {
    const value = metadata.get(`general.sampling.${key}`)
    if (v.safeParse(schema, value).success) presets[name] = value
  }
  for (const [name, key] of [
    ['temperature', 'temp'],
    ['topK', 'top_k'],
    ['topP', 'top_p'],
    ['minP', 'min_p'],
    ['repeatPenalty', 'penalty_repeat'],
    ['penaltyTokens', 'penalty_last_n'],
  ] as const) {
    take(name, key, samplingSchemas[name])
  }
  const numbers = (names: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(names)
        .map(([name, key]) => [name, metadata.get(`general.sampling.${key}`)])
        .filter(([, value]) => typeof value === 'number' && Number.isFinite(value)),
    )
  const xtc = numbers({ probability: 'xtc_probability', threshold: 'xtc_threshold' })
  if (Number(xtc.probability) > 0) presets.xtc = xtc
  const version = metadata.get('general.sampling.mirostat')
  if (version === 1 || version === 2)
    presets.mirostat = { version, ...numbers({ tau: 'mirostat_tau', eta: 'mirostat_eta' }) }
  return presets
}
