import type { ParsedSamplingOptions } from '../options/sampling.js'
import type { NativeSampling } from './native.js'

/**
 * As the engine takes it. `window`: tokens that are kept at most; `tokenOf` gives the one token that a text is, and
 * throws where it is not.
 */
export function nativeSampling(
  sampling: ParsedSamplingOptions,
  window: number,
  tokenOf: (text: string) => number,
): NativeSampling {
  const {
    temperature,
    topK,
    topP,
    minP,
    typicalP,
    topNSigma,
    dynamicTemperature,
    xtc,
    mirostat,
    adaptiveP,
    repeatPenalty,
    frequencyPenalty,
    presencePenalty,
    penaltyTokens,
    dry,
    logitBias,
    seed,
  } = sampling
  return {
    temperature,
    topK,
    topP,
    minP,
    typicalP,
    topNSigma,
    repeatPenalty,
    frequencyPenalty,
    presencePenalty,
    penaltyTokens: penaltyTokens === 'window' ? window : penaltyTokens,
    xtcProbability: xtc?.probability ?? 0,
    xtcThreshold: xtc?.threshold ?? 0,
    temperatureRange: dynamicTemperature?.range ?? 0,
    temperatureExponent: dynamicTemperature?.exponent ?? 1,
    mirostat: mirostat?.version ?? 0,
    mirostatTau: mirostat?.tau ?? 0,
    mirostatEta: mirostat?.eta ?? 0,
    adaptiveTarget: adaptiveP?.target ?? -1,
    adaptiveDecay: adaptiveP?.decay ?? 0,
    dryMultiplier: dry?.multiplier ?? 0,
    dryBase: dry?.base ?? 1.75,
    dryAllowedLength: dry?.allowedLength ?? 2,
    dryTokens: dry?.tokens ?? 1,
    dryBreakers: dry?.breakers ?? [],
    biasTokens: Int32Array.from(logitBias, ([token]) => (typeof token === 'number' ? token : tokenOf(token))),
    biasValues: Float32Array.from(logitBias, ([, bias]) => (bias === false ? -Infinity : bias)),
    seed: seed ?? Math.floor(Math.random() * (2 ** 32 - 1)),
    reproducible: seed !== undefined || temperature === 0,
  }
}
