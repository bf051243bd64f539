import { StreamingLLMError } from '../errors.js'
import type { TextEvent, TokenLikelihood } from '../events.js'
import type { ParsedGenerateOptions } from '../options/parse.js'
import type { NativeEvent, NativeJob } from './native.js'
import { nativeSampling } from './native-sampling.js'
import type { Tokenizer } from './tokenizer.js'

type GenerateJob = Extract<NativeJob, { type: 'generate' }>

/**
 * What the engine is asked for; the time limit is left to the runner, which knows what has gone of it. `kept`: how many
 * tokens the sequence's cache holds at most. Throws INVALID_OPTION.
 */
export function generateJob(
  tokenizer: Tokenizer,
  kept: number,
  prompt: Pick<GenerateJob, 'tokens' | 'turns' | 'visibleTokens'>,
  options: ParsedGenerateOptions,
): GenerateJob {
  const { maxTokens = 0, stop, sampling, speculation, priority, logprobs, grammar } = options
  const { biasTokens, ...chosen } = nativeSampling(sampling, kept, text => onlyToken(tokenizer, text))
  return {
    type: 'generate',
    ...prompt,
    maxTokens,
    timeLimit: 0,
    stop,
    speculation,
    priority,
    sampling: { ...chosen, biasTokens },
    alternatives: logprobs,
    grammar: grammar?.source,
    triggers: grammar?.triggers,
    reasoning: grammar?.reasoning,
  }
}

function onlyToken(tokenizer: Tokenizer, text: string): number {
  const tokens = tokenizer.tokenize(text, { special: true })
  if (tokens.length === 1) return tokens[0]!
  const parts = Array.from(tokens, token => JSON.stringify(tokenizer.detokenize([token], { special: true }))).join(', ')
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `logitBias: the text ${JSON.stringify(text)} is not one token of this model but ${tokens.length} (${parts}); give one of these, or a token's number`,
    { details: { option: 'logitBias', text, tokens: Array.from(tokens) } },
  )
}

/** Text as callers get it. */
export function textEvent(tokenizer: Tokenizer, event: Extract<NativeEvent, { type: 'text' }>): TextEvent {
  const { text, tokens } = event
  if (tokens === undefined) return { type: 'text', text }
  const likelihood = ({ token, logProbability }: { token: number; logProbability: number }): TokenLikelihood => ({
    token,
    text: tokenizer.detokenize([token], { special: true }),
    logprob: logProbability,
  })
  return {
    type: 'text',
    text,
    tokens: tokens.map(each => ({ ...likelihood(each), top: each.likeliest.map(likelihood) })),
  }
}
